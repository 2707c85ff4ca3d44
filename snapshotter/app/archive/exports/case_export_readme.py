"""
Write the README of an exported case: what is inside, what is withheld, and how to check everything.

The commands need `unzip`, `openssl` and Python, and no other program. The README has no text of
captured pages: names of files, ids, numbers and reasons of quarantines are all that varies.
"""

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from snapshotter.app.archive.organising.case_export_plan import (
    ExportPlan,
    Quarantined,
    Writings,
    case_report_stem,
)
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.printable import printable
from snapshotter.translation import tr

CHECK_SUMS: Final = """\
import hashlib, pathlib
listed, problems = {}, 0
for line in open("SHA256SUMS", encoding="utf-8"):
    listed[line[66:].rstrip("\\n")] = line[:64]
found = {p.as_posix() for p in pathlib.Path(".").rglob("*") if p.is_file()}
for name in sorted(listed):
    digest = hashlib.sha256()
    if name in found:
        with open(name, "rb") as stream:
            for chunk in iter(lambda: stream.read(1 << 20), b""):
                digest.update(chunk)
    if digest.hexdigest() != listed[name]:
        problems += 1
        print("MISSING" if name not in found else "CHANGED", name)
for name in sorted(found - set(listed) - {"SHA256SUMS"}):
    print("NOT LISTED", ascii(name))
print(len(listed), "files, changed or missing:", problems)
raise SystemExit(problems > 0)"""

_README: Final = """\
CASE {case}
{rule}

This archive was made on {made_at}. It contains the exhibits of the case
{case} as signed files, and everything that is needed to check them without
the software that made them.

1. WHAT IS INSIDE

exhibits.csv, exhibits.json
    The list of the exhibits: number, address, title, time, verdict, digest.
bundles/
    The evidence: one signed .wacz file for each exhibit, with the files that
    were added after it was sealed. Exhibits: {exhibits}. With a bundle: {stored}.
{case_report}reports/
    A report about each exhibit{pdf}. Open the .html file in a browser.
    The report explains the exhibit. The evidence is the .wacz file.
{included}{load_files}trust.json, trust.json.sig, for-information/
    The trust file: which keys and timestamp authorities are trusted. The keys
    in for-information/ are for comparison with what their owners publish.
verify_minimal.py
    A verifier in one file, for Python and openssl. Read this file before you
    rely on the results.
{wheel}
    The verifier of the software that made the exhibits, which shares no code
    with verify_minimal.py.
SHA256SUMS
    The digests of all other files.
{parts}
2. WHAT IS NOT INSIDE

{left_out}
3. UNPACK

{unpack}
Run all other commands in the new folder. Run Python with -I, as shown here:
without -I, Python also runs programs from the current folder.

4. CHECK THAT NO FILE WAS DAMAGED

This command names every changed or missing file:

python3 -I -c '{check_sums}'

5. WHAT YOU NEED FROM ANOTHER SOURCE

The maker of this archive could have forged all its files, the trust file
included. Only one value protects you from a forgery: the fingerprint of the
root key. The owner of the root key must give you the fingerprint in another
way (in a letter, on a web site, by phone). The fingerprint must be

{root_key_id}

and the last of these commands must print the same fingerprint. The first line
prevents openssl from reading its own settings:

export OPENSSL_CONF=/dev/null
openssl dgst -sha384 -verify for-information/root.pub.pem -signature trust.json.sig trust.json
openssl pkey -pubin -in for-information/root.pub.pem -outform DER | openssl dgst -sha256 -r

6. CHECK ALL EXHIBITS

python3 -I verify_minimal.py --trust trust.json \\
  --root-key {root_key_id} \\
  bundles/*.wacz

The result for each bundle is PASSED, FAILED (the bundle was altered, or does
not conform to a rule) or INDETERMINATE (no check failed, but something could
not be established). The command prints the reasons. Exit code 0: all PASSED.
10: one FAILED. 11: one is INDETERMINATE, and none FAILED.

Each report ends with the commands that check its exhibit by hand, with unzip,
openssl and sha256sum. Run these commands in the folder bundles. In place of
KEY.pem, give the file of the signer, and in place of ROOT.pem the file of the
timestamp authority: both files are in ../for-information.

7. CHECK WITH THE OTHER VERIFIER

This needs Python 3.11 or later with venv (Debian: package python3-venv), and
pip, which downloads libraries. The first command makes a folder beside this
folder:

python3 -m venv ../verifier
../verifier/bin/python -m pip install ./{wheel}
../verifier/bin/snapshotter-verify --trust trust.json \\
  --root-key {root_key_id} \\
  bundles/*.wacz
"""

_CASE_REPORT: Final = """\
{stem}.html, {stem}.json{pdf}
    The report about the case. Read this file first: all exhibits, a timeline,
    removals, gaps, custody, and the result of each verification. The timeline
    also names other captures of the same pages, which are not in this archive.
"""
_LOAD_FILES: Final = """\
{case}.dat, {case}.opt, text/, images/
    Load files for e-discovery software: Concordance and Opticon, UTF-8. The
    texts and pictures are copies for reading. A picture has pieces that fit a
    sheet, each of which repeats the end of the piece before.
"""
_GROUPS: Final = {
    "notes": tr("notes"),
    "reviews": tr("reviews, marks, and reasons of decisions"),
    "tags": tr("tags"),
    "title": tr("the title of the case"),
}


def readme(
    plan: ExportPlan,
    *,
    exhibits: Sequence[Mapping[str, Any]],
    archive: str,
    parts: Sequence[str],
    root_key_id: str,
    wheel: str,
    now: datetime,
) -> str:
    """
    Return the README.

    Args:
        exhibits: As in exhibits.json.
        archive: File name of the archive that has the README.
        parts: File names of the other parts.
    """
    folder = archive.rpartition(".")[0] or f"{archive}-files"
    included = [_GROUPS[found.group] for found in plan.writings if found.is_included]
    where = shlex.quote(f"./{folder}")
    unpacked = "".join(
        f"unzip -n {shlex.quote(f'./{name}')} -d {where}\n" for name in (archive, *parts)
    )
    return _README.format(
        case=plan.case,
        rule="=" * len(f"CASE {plan.case}"),
        made_at=instant(now),
        exhibits=len(exhibits),
        stored=sum(unit["bundle"] is not None for unit in exhibits),
        case_report=_CASE_REPORT.format(
            stem=case_report_stem(plan.case),
            pdf=f", {case_report_stem(plan.case)}.pdf" if plan.has_pdf else "",
        )
        if plan.has_case_report
        else "",
        pdf=", for the screen and as PDF" if plan.has_pdf else "",
        included=f"annotations.json\n    Included on request: {'; '.join(included)}.\n"
        if included
        else "",
        load_files=_LOAD_FILES.format(case=plan.case) if plan.has_load_files else "",
        wheel=wheel,
        parts=_parts(archive, parts),
        left_out="".join(f"{line}\n" for line in left_out(plan, exhibits)),
        unpack=f"{unpacked}cd {where}\n",
        check_sums=CHECK_SUMS,
        root_key_id=root_key_id,
    )


def left_out(plan: ExportPlan, exhibits: Sequence[Mapping[str, Any]]) -> list[str]:
    """
    Return what an archive does not contain, as lines.

    Args:
        exhibits: As in exhibits.json, or before that with `bundle_id`, `exhibit` and `problem`.
    """
    lines = [withheld_line(found) for found in plan.writings if not found.is_included]
    lines.append(
        tr("Captures in quarantine, which are left out: {count}", count=len(plan.quarantined))
    )
    lines += [f"    {quarantined_line(found)}" for found in plan.quarantined]
    problems = [unit for unit in exhibits if unit["problem"]]
    lines.append(tr("Exhibits that are missing or damaged: {count}", count=len(problems)))
    lines += [
        "    "
        + printable(
            tr(
                "exhibit {number}, {bundle_id}: {problem}",
                number=unit["exhibit"],
                bundle_id=unit["bundle_id"],
                problem=unit["problem"],
            )
        )
        for unit in problems
    ]
    lines.append(
        tr(
            "Exhibit numbers of captures that were removed from the case: {numbers}",
            numbers=", ".join(map(str, plan.removed)) or tr("none"),
        )
    )
    return lines


def withheld_line(found: Writings) -> str:
    """Return a sentence about a group that is withheld."""
    return tr(
        "Withheld, because it may be privileged: {group}. Number: {count}",
        group=_GROUPS[found.group],
        count=found.count,
    )


def included_line(found: Writings) -> str:
    """Return a sentence about a group that is included."""
    return tr(
        "Included on request: {group}. Number: {count}",
        group=_GROUPS[found.group],
        count=found.count,
    )


def quarantined_line(found: Quarantined) -> str:
    """Return an exhibit that is in quarantine, with the reason, on one line."""
    return printable(
        tr(
            "exhibit {number}, {bundle_id}: {reason}",
            number=found.number,
            bundle_id=found.bundle_id,
            reason=found.reason or tr("(the reason is missing or was erased)"),
        )
    )


def _parts(archive: str, parts: Sequence[str]) -> str:
    if not parts:
        return ""
    listed = "".join(f"    {name}\n" for name in parts)
    return (
        "parts.csv\n"
        "    The digests of the other parts. Each part is an independent ZIP file:\n"
        f"{listed}    {archive} (this part)\n"
    )
