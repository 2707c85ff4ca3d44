"""
Make the draft of a declaration about captures, from their reports (docs/spec/declaration.md).

A value of a report is used if the verification checked it, or if a signed file of the bundle states
it. All other values are left out, and a person fills a blank. The draft states no conclusion, and
nothing about the person who signs it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Final

from snapshotter.app.archive.declaration_texts import METHOD, NO_OPINION, PROCESS
from snapshotter.app.self_tests import SelfTest
from snapshotter.errors import EvidenceInvalid, EvidenceUnverifiable, UsageMistake
from snapshotter.model.capture_report import (
    Basis,
    CaptureReport,
    Field,
    Kind,
    Presence,
    Source,
    Table,
)
from snapshotter.model.declaration import (
    NOT_PASSED,
    Blank,
    Declaration,
    DeclaredBundle,
    DeclaredSelfTest,
    Item,
    Quoted,
    Section,
    Sentence,
)
from snapshotter.model.finding import Verdict
from snapshotter.model.known_limits import KNOWN_LIMITS
from snapshotter.model.validation import ValidationReport
from snapshotter.model.validation_sentences import count_sentence, result_sentence
from snapshotter.report.local_time import LocalTime
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

# Sentences of a report that a draft takes over. Who stored a capture is signed by nobody.
_FROM_REPORT: Final = (
    "captured", "redirected", "title", "page", "notice", "whole", "signed", "time", "log",
)  # fmt: skip
_ORDER: Final = tuple(Basis)
_VERIFICATION: Final = Source(file="verification")


def require_verified(name: str, report: CaptureReport) -> None:
    """
    Require that a verification established the values of a report.

    Args:
        name: The bundle as it was given.

    Raises:
        EvidenceInvalid: The verification FAILED.
        EvidenceUnverifiable: The verification established nothing.
    """
    hint = tr("read what was checked:\n  snapshotter report capture {name}", name=name)
    if report.verdict is Verdict.FAILED:
        failed = next(found for found in report.findings if found.verdict is Verdict.FAILED)
        raise EvidenceInvalid(
            tr(
                "the verification of {name} FAILED, so there is no draft of a declaration: "
                "{detail}",
                name=name,
                detail=failed.detail,
            ),
            hint=hint,
        )
    manifest = report.find("integrity.manifest_sha256")
    if not isinstance(manifest, Field) or manifest.basis is not Basis.VERIFIED:
        raise EvidenceUnverifiable(
            tr(
                "the verification of {name} established no value, so there is no draft of a "
                "declaration: a check did not run",
                name=name,
            ),
            hint=hint,
        )


def make_declaration(
    reports: Sequence[CaptureReport], local: LocalTime, *, self_test: SelfTest | None
) -> Declaration:
    """
    Return the draft of a declaration about captures.

    Args:
        reports: At least one, all of one verification; `require_verified` accepts each.
        self_test: The newest of this machine; None if there is none.

    Raises:
        UsageMistake: A capture is named twice.
    """
    captures = [_Capture(report=report, local=local) for report in reports]
    ids = [capture.bundle_id for capture in captures]
    for bundle_id in ids:
        if ids.count(bundle_id) > 1:
            raise UsageMistake(tr("the capture {bundle_id} is named twice", bundle_id=bundle_id))
    first = reports[0]
    return Declaration(
        bundles=tuple(capture.bundle for capture in captures),
        sections=tuple(_numbered(_sections(captures, self_test))),
        self_test=_declared(self_test),
        verified_at=first.verified_at,
        software=first.software,
        zone=first.zone,
    )


def _numbered(sections: Iterable[Section]) -> Iterator[Section]:
    """Number the sections, and the blanks in their order."""
    blank, main, annex = count(1), 0, 0
    prefix, part = "", 0
    for section in sections:
        if section.level > 1:
            part += 1
            number = f"{prefix}.{part}"
        elif section.key == "annex":
            annex, part = annex + 1, 0
            number = prefix = f"A{annex}"
        else:
            main, part = main + 1, 0
            number = prefix = f"{main}"
        yield replace(
            section,
            number=number,
            items=tuple(
                replace(item, number=next(blank)) if isinstance(item, Blank) else item
                for item in section.items
            ),
        )


def _sections(captures: Sequence["_Capture"], self_test: SelfTest | None) -> Iterator[Section]:
    yield _section("case", tr("The case"), _case(captures))
    yield _section("declarant", tr("The declarant"), _declarant())
    yield _section("purpose", tr("What this document is for"), _purpose())
    yield _section("process", tr("The process"), _process(captures))
    yield _section(
        "checking", tr("How the result can be checked"), _checking(captures[0], self_test)
    )
    for position, capture in enumerate(captures, start=1):
        yield from _about(capture, position, len(captures))
    yield _section("copies", tr("The copies that are filed"), _copies())
    for capture in captures:
        yield _part(capture, "copy", tr("Copy of the bundle {id}", id=capture.bundle_id),
                    _copy(capture))  # fmt: skip
    yield _section("limits", tr("What this document does not state"), _limits(captures))
    yield _section("notice", tr("Notice (United States, Rule 902(11))"), _notice())
    yield _section("signature", tr("Declaration and signature"), _signature())
    for capture in captures:
        yield from _annex(capture)


def _section(key: str, term: str, items: Iterable[Item]) -> Section:
    return Section(key=key, number="", term=term, items=tuple(items))


def _part(capture: "_Capture", key: str, term: str, items: Iterable[Item]) -> Section:
    return Section(
        key=key, number="", term=term, items=tuple(items), bundle_id=capture.bundle_id, level=2
    )


def _about_software(key: str, text: str, *, listed: bool = False) -> Sentence:
    return Sentence(key=key, text=text, is_listed=listed)


# --- what a person states -----------------------------------------------------------------------


def _case(captures: Sequence["_Capture"]) -> Iterator[Item]:
    for capture in captures:
        if capture.report.verdict is not Verdict.PASSED:
            yield capture.sentence(
                NOT_PASSED,
                tr(
                    "The verification of the bundle {id} has the result {verdict}, and not PASSED. "
                    "These checks established nothing: {checks}.",
                    id=capture.bundle_id,
                    verdict=capture.report.verdict.name,
                    checks=", ".join(
                        f"{found.check.strip()} ({found.code.value})"
                        for found in capture.report.findings
                        if found.verdict is not Verdict.PASSED
                    ),
                ),
                "integrity.proof",
            )
    yield Blank(key="court", term=tr("Court or authority"))
    yield Blank(key="matter", term=tr("Name and number of the case"))
    yield Blank(key="parties", term=tr("Parties"))
    for capture in captures:
        yield capture.sentence(
            "bundle",
            tr("The document is about a redacted copy of a bundle. The copy has this SHA-256:")
            if capture.is_redacted
            else tr("The document is about the bundle with this SHA-256:"),
            "what.bundle_sha256",
            shown="what.bundle_sha256",
        )
        yield Blank(
            key="exhibit",
            term=tr("Exhibit number of the bundle {id}", id=capture.bundle_id),
            bundle_id=capture.bundle_id,
        )


def _declarant() -> Iterator[Item]:
    yield Blank(key="name", term=tr("Name"))
    yield Blank(key="employer", term=tr("Employer"))
    yield Blank(key="role", term=tr("Position"))
    yield Blank(key="qualification", term=tr("Training and experience with the process"), lines=2)
    yield Blank(key="basis", term=tr("How the declarant knows the facts of this document"), lines=3)
    yield Blank(key="interest", term=tr("Relation to the parties"))


def _purpose() -> Iterator[Item]:
    yield Blank(
        key="purpose",
        term=tr("Tick what applies"),
        options=(
            tr(
                "United States, Federal Rules of Evidence, Rule 902(13): record that an electronic "
                "process or system generated. The sections about process, checks and captures "
                "describe the process and the result of the process."
            ),
            tr(
                "United States, Federal Rules of Evidence, Rule 902(14): data copied from an "
                "electronic device, storage medium or file. The section about the copies has the "
                "digests that identify the data."
            ),
            tr("Technical statement without reference to a rule, for any other jurisdiction."),
        ),
    )


def _notice() -> Iterator[Item]:
    yield _about_software(
        "rule",
        tr(
            "Rules 902(13) and 902(14) refer to the notice that Rule 902(11) requires. Other "
            "jurisdictions have their own rules. This section can be removed."
        ),
    )
    yield Blank(key="notice_date", term=tr("Date of the written notice to the other parties"))
    yield Blank(
        key="inspection",
        term=tr("Date from which record and declaration were available for inspection"),
    )


def _signature() -> Iterator[Item]:
    yield Blank(
        key="words",
        term=tr(
            "Words of the declaration that the law requires (in the United States: 28 U.S.C. "
            "§\N{NO-BREAK SPACE}1746, which has one form for declarations that are signed in the "
            "United States, and another form for declarations that are signed elsewhere)"
        ),
        lines=3,
    )
    yield Blank(key="place", term=tr("Place"))
    yield Blank(key="date", term=tr("Date"))
    yield Blank(key="signature", term=tr("Signature"), lines=2)


# --- the process --------------------------------------------------------------------------------


def _process(captures: Sequence["_Capture"]) -> Iterator[Item]:
    software = captures[0].report.software
    yield _about_software(
        "steps",
        tr("{software} made this draft. The software works in these steps:", software=software),
    )
    for number, text in enumerate(PROCESS, start=1):
        yield _about_software(f"step.{number}", text, listed=True)
    for capture in captures:
        made_with = capture.text("how.software")
        if made_with and made_with != software:
            yield capture.sentence(
                "other_version",
                tr(
                    "The record of the bundle {id} names another version: {software}. The list of "
                    "steps describes the version that made this draft, and not the other version.",
                    id=capture.bundle_id,
                    software=made_with,
                ),
                "how.software",
            )
    yield Blank(
        key="changes",
        term=tr("Changes to the software or its settings, to the knowledge of the declarant"),
        lines=2,
    )


def _checking(capture: "_Capture", self_test: SelfTest | None) -> Iterator[Item]:
    for number, text in enumerate(METHOD, start=1):
        yield _about_software(f"method.{number}", text, listed=True)
    yield from _self_test(capture, self_test)
    yield Blank(
        key="self_test",
        term=tr("Self-test of the software on the day of the capture: date, version, result"),
        lines=2,
    )
    yield _about_software(
        "known", tr("Known errors and limits of the version that made the draft:")
    )
    for number, text in enumerate(KNOWN_LIMITS, start=1):
        yield _about_software(f"known.{number}", text, listed=True)


def _trusted(test: SelfTest | None) -> ValidationReport | None:
    """Return the report of a self-test if it is intact and a trusted key signed it."""
    return test.report if test is not None and test.is_by_trusted_key else None


def _declared(test: SelfTest | None) -> DeclaredSelfTest | None:
    report = _trusted(test)
    if test is None or report is None:
        return None
    return DeclaredSelfTest(
        file=test.file.name,
        sha256=test.verification.sha256,
        ended_at=report.ended_at,
        software=report.software,
        verdict=report.verdict,
    )


def _self_test(capture: "_Capture", test: SelfTest | None) -> Iterator[Sentence]:
    """Yield what the newest self-test of this machine found, as its signed report states it."""
    report = _trusted(test)
    if test is None or report is None:
        yield _about_software("self_test", tr("This draft contains no result of a self-test."))
        yield _about_software(
            "no_self_test",
            tr("The command snapshotter validate makes a self-test of an installation.")
            if test is None
            else tr(
                "The newest validation report of the machine that made this draft is not intact, "
                "or no trusted key signed it."
            ),
        )
        return
    at = capture.local.show(report.ended_at)
    texts = {
        "self_test": tr(
            "A self-test of {software} on the machine that made this draft ended on {at}.",
            software=report.software,
            at=f"{at.local} ({at.utc})" if at.utc else at.local,
        ),
        "self_test_result": result_sentence(report),
    }
    for number, found in enumerate(report.counts, start=1):
        group = f"{found.group.value}, {found.verifier}" if found.verifier else found.group.value
        texts[f"self_test.{number}"] = tr(
            "{group}: {count}", group=group, count=count_sentence(found)
        )
    for key, text in texts.items():
        yield Sentence(
            key=key,
            text=text,
            basis=Basis.STATED,
            sources=(Source(file=test.file.name),),
            is_listed="." in key,
        )
    if report.ended_at.date() != capture.report.verified_at.date():
        yield _about_software(
            "other_day", tr("The day of the self-test is not the day of the draft.")
        )
    if report.software != capture.report.software:
        yield _about_software(
            "other_software", tr("The self-test was about another version than the draft.")
        )


def _limits(captures: Sequence["_Capture"]) -> Iterator[Item]:
    for number, text in enumerate(NO_OPINION, start=1):
        yield _about_software(f"opinion.{number}", text, listed=True)
    yield _about_software("report", tr("The capture report of each bundle states these limits:"))
    for number, (text, _) in enumerate(captures[0].report.limits, start=1):
        yield _about_software(f"limit.{number}", text, listed=True)


# --- a capture ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Capture:
    """A report, and how its values come into a draft."""

    report: CaptureReport
    local: LocalTime

    @property
    def bundle_id(self) -> str:
        return self.report.bundle_id

    @property
    def bundle(self) -> DeclaredBundle:
        return DeclaredBundle(
            bundle_id=self.bundle_id,
            sha256=self.text("what.bundle_sha256"),
            manifest_sha256=self.text("integrity.manifest_sha256"),
            trust=self.trust,
            verdict=self.report.verdict,
        )

    @property
    def is_redacted(self) -> bool:
        """Whether the file is a redacted copy."""
        redactions = next(group for group in self.report.groups if group.key == "redactions")
        return any(item.key == "withheld_values" for item in redactions.items)

    @property
    def trust(self) -> str:
        """By what the keys were judged."""
        digest = self.report.find("integrity.trust_sha256")
        if isinstance(digest, Field) and digest.presence is Presence.PRESENT:
            return self.report.trust
        return tr(
            "the keys in the settings of the person who made this draft, without a trust file"
        )

    def text(self, path: str) -> str:
        """Return a text that may be used; "" if there is none."""
        item = self.report.find(path)
        if isinstance(item, Field) and _is_signed(item) and isinstance(item.value, str):
            return item.value
        return ""

    def sentence(self, key: str, text: str, *paths: str, shown: str = "") -> Sentence:
        """Return a sentence that follows from values of the report."""
        items = [self.report.find(path) for path in paths]
        bases = [basis for item in items for basis in _bases(item)]
        box = self.report.find(shown) if shown else None
        return Sentence(
            key=key,
            text=text,
            fields=tuple(f"{self.bundle_id}/{path}" for path in paths),
            basis=max(bases, key=_ORDER.index, default=Basis.VERIFIED),
            sources=tuple(dict.fromkeys(item.source for item in items)),
            shown=box if isinstance(box, Field) else None,
        )

    def from_report(self) -> Iterator[Sentence]:
        """Yield the sentences of the report that only follow from values that may be used."""
        keys = self._key_ids()
        for said in self.report.statements:
            whole = next(keys, None) if said.key == "signed" else None
            if said.key in _FROM_REPORT and said.basis is not Basis.UNVERIFIED:
                found = self.sentence(said.key, said.text, *said.fields)
                yield replace(found, basis=said.basis, shown=whole or said.shown)

    def _key_ids(self) -> Iterator[Field]:
        """Yield the whole key ids, which the sentences of the report shorten."""
        table = self.report.find("integrity.signatures")
        if not isinstance(table, Table):
            return
        keys = [column.key for column in table.columns]
        for row in table.rows:
            by_key = dict(zip(keys, row.values, strict=True))
            yield Field(
                key="key_id", term=tr("Key id"), value=by_key["key_id"], kind=Kind.DIGEST,
                basis=row.basis, source=row.source,
            )  # fmt: skip

    def quotes(self, group: str, *keys: str) -> Iterator[Item]:
        """Yield values of a group, and then which of them are missing or may not be used."""
        absent, unsigned = list[str](), list[str]()
        paths = dict[str, str]()
        for key in keys:
            path = f"{group}.{key}"
            item = self.report.find(path)
            paths[item.term] = path
            if isinstance(item, Table):
                yield from self._quoted_table(path, item)
            elif item.presence is Presence.ABSENT and not item.note:
                absent.append(item.term)
            elif _is_signed(item):
                yield Quoted(path=f"{self.bundle_id}/{path}", item=item)
            else:
                unsigned.append(item.term)
        for name, text, terms in (
            ("absent", tr("Not stated: {terms}.", terms=" · ".join(absent)), absent),
            (
                "unsigned",
                tr(
                    "No signature covers these values, so the draft does not use them: {terms}.",
                    terms=" · ".join(unsigned),
                ),
                unsigned,
            ),
        ):
            if terms:
                yield Sentence(
                    key=f"{name}.{group}",
                    text=text,
                    fields=tuple(f"{self.bundle_id}/{paths[term]}" for term in terms),
                )

    def _quoted_table(self, path: str, table: Table) -> Iterator[Item]:
        rows = tuple(row for row in table.rows if row.basis is not Basis.UNVERIFIED)
        left_out = len(table.rows) - len(rows)
        empty = tr("No signature covers the rows of the source.") if left_out else table.empty
        kept = replace(table, rows=rows, total=table.total - left_out, empty=empty)
        yield Quoted(path=f"{self.bundle_id}/{path}", item=kept)
        if left_out:
            yield Sentence(
                key=f"unsigned.{table.key}",
                text=tr(
                    "No signature covers some rows of this table, so the draft does not use "
                    "them. Number of these rows: {count}.",
                    count=left_out,
                ),
                fields=(f"{self.bundle_id}/{path}",),
            )


def _bases(item: Field | Table) -> Iterable[Basis]:
    return [row.basis for row in item.rows] if isinstance(item, Table) else [item.basis]


def _is_signed(item: Field) -> bool:
    return item.basis is not Basis.UNVERIFIED


def _about(capture: _Capture, position: int, total: int) -> Iterator[Section]:
    term = (
        tr("The capture")
        if total == 1
        else tr("Capture {position} of {total}", position=position, total=total)
    )
    yield Section(key="capture", number="", term=term, bundle_id=capture.bundle_id,
                  items=tuple(_event(capture)))  # fmt: skip
    yield _part(capture, "event", tr("Addresses and times"), _addresses(capture))
    yield _part(capture, "server", tr("The server"), capture.quotes(
        "from_whom", "status", "remote_ip", "remote_port", "protocol", "tls_protocol",
        "certificates",
    ))  # fmt: skip
    yield _part(capture, "files", tr("Digests of the files"), _files(capture))
    yield _part(capture, "integrity", tr("Digests, signatures and times"), _integrity(capture))
    yield _part(capture, "verification", tr("Verification"), _verification(capture))
    yield _part(capture, "custody", tr("Custody"), _custody(capture))
    yield _part(capture, "redactions", tr("Replaced and withheld values"), _redactions(capture))


def _redactions(capture: _Capture) -> Iterator[Item]:
    if capture.is_redacted:
        yield from capture.quotes("redactions", "withheld_values", "withheld_files")
        yield _about_software(
            "disclosed",
            tr(
                "The bundle and its salts are needed to show a withheld value. The capture report "
                "of the copy has the commitment to each value."
            ),
        )
        yield Blank(key="salts", term=tr("Who has the bundle and its salts"))
    yield from capture.quotes("redactions", "values")


def _event(capture: _Capture) -> Iterator[Item]:
    yield from capture.from_report()
    if capture.report.missing:
        yield replace(
            capture.sentence("missing", tr("The record states that parts are missing:"),
                             "what.whole"),
            shown=Field(
                key="missing", term=tr("Missing parts"), value=capture.report.missing,
                kind=Kind.LINES, basis=Basis.STATED,
                source=Source(file="capture/capture.json", pointer="/outcome/reasons"),
            ),
        )  # fmt: skip
    yield Blank(key="captured_by", term=tr("Who started the capture, and why"), lines=2)


def _addresses(capture: _Capture) -> Iterator[Item]:
    yield from capture.quotes("what", "final_url", "redirects")
    yield from capture.quotes(
        "when", "started_at", "navigation_started_at", "navigation_ended_at", "ended_at",
        "sealed_at",
    )  # fmt: skip
    yield from capture.quotes("how", "software", "build", "policy", "policy_sha256")
    yield Blank(
        key="account",
        term=tr(
            "Account with which the page was captured, or none, to the knowledge of the declarant"
        ),
    )


def _files(capture: _Capture) -> Iterator[Item]:
    yield from capture.quotes("content", "artifacts")


def _integrity(capture: _Capture) -> Iterator[Item]:
    yield from capture.quotes("what", "bundle_sha256", "bundle_bytes")
    yield from capture.quotes("integrity", "manifest_sha256", "signatures")
    yield capture.sentence("trust", tr("Source of the trusted keys: {trust}.", trust=capture.trust),
                           "integrity.key_statement")  # fmt: skip
    yield from capture.quotes("integrity", "trust_sha256")
    for item in capture.quotes("when", "tokens"):
        if isinstance(item, Quoted) and isinstance(item.item, Table):
            note = tr(
                "A token states that its authority signed the digest of the signature at this time."
            )
            empty = tr("The verification found no token of a trusted timestamp authority.")
            yield replace(item, item=replace(item.item, note=note, empty=empty))
        else:
            yield item
    yield from capture.quotes("when", "proven_time", "authorities", "qualified")
    yield from capture.quotes("integrity", "log_index", "log_origin", "logged_by")


def _verification(capture: _Capture) -> Iterator[Item]:
    report = capture.report
    at = capture.local.show(report.verified_at)
    yield capture.sentence(
        "verified",
        tr(
            "On {at}, {software} verified the file with {trust}. Result: {verdict}. Checks "
            "that passed: {passed} of {all}.",
            at=f"{at.local} ({at.utc})" if at.utc else at.local,
            software=report.software,
            trust=capture.trust,
            verdict=report.verdict.name,
            passed=sum(found.verdict is Verdict.PASSED for found in report.findings),
            all=len(report.findings),
        ),
        "integrity.proof",
    )
    yield _about_software(
        "clock",
        tr(
            "The clock of the machine that made this draft gives the time of the verification, "
            "unless the person who made the draft entered another time. The draft has no proof of "
            "this time."
        ),
    )
    for number, found in enumerate(report.findings, start=1):
        if found.verdict is not Verdict.PASSED:
            yield replace(
                capture.sentence(
                    f"check.{number}",
                    tr(
                        "The check {check} established nothing ({code}):",
                        check=found.check.strip(),
                        code=found.code.value,
                    ),
                    "integrity.proof",
                ),
                shown=Field(
                    key="detail", term=tr("Finding"), value=found.detail, basis=Basis.VERIFIED,
                    source=replace(_VERIFICATION, pointer=f"/checks/{number - 1}"),
                ),
            )  # fmt: skip


def _custody(capture: _Capture) -> Iterator[Item]:
    yield from capture.quotes("custody", "events")
    yield _about_software(
        "later",
        tr(
            "Later custody events are in files beside the bundle. The capture report lists these "
            "events."
        ),
    )
    yield Blank(
        key="since",
        term=tr("Where the bundle was kept since the capture, and who had access"),
        lines=3,
    )
    yield Blank(
        key="transfers",
        term=tr(
            "Transfers outside of the software: from whom, to whom, date, method, and whether the "
            "SHA-256 values were compared"
        ),
        lines=3,
    )


# --- copies -------------------------------------------------------------------------------------


def _copies() -> Iterator[Item]:
    yield _about_software(
        "method",
        tr(
            "The digest of a file is its SHA-256 (FIPS 180-4). The digest of a copy can be "
            "computed by any program for SHA-256, for example sha256sum or certutil."
        ),
    )


def _copy(capture: _Capture) -> Iterator[Item]:
    at = capture.local.show(capture.report.verified_at)
    yield capture.sentence(
        "source",
        tr(
            "On {at}, {software} computed this SHA-256 of the file:",
            at=f"{at.local} ({at.utc})" if at.utc else at.local,
            software=capture.report.software,
        ),
        "what.bundle_sha256",
        shown="what.bundle_sha256",
    )
    yield Blank(key="medium", term=tr("Device, storage medium or file from which the copy is made"))
    yield Blank(key="method", term=tr("How, by whom and when the copy was made"), lines=2)
    yield Blank(key="copy_sha256", term=tr("SHA-256 of the copy"), lines=2)
    yield Blank(key="compared", term=tr("Program that computed the SHA-256 of the copy, and date"))
    yield Blank(
        key="equal",
        term=tr("The SHA-256 of the copy is equal to the SHA-256 above"),
        options=(tr("yes"), tr("no")),
    )


# --- annex --------------------------------------------------------------------------------------


def _annex(capture: _Capture) -> Iterator[Section]:
    yield Section(
        key="annex", number="", bundle_id=capture.bundle_id,
        term=tr("Annex: conditions of the operation, bundle {id}", id=capture.bundle_id),
        items=(
            _about_software(
                "form",
                tr(
                    "This annex has the order of a French constat: first the conditions, then each "
                    "step. This draft is not a constat. Only a public officer makes a constat."
                ),
            ),
        ),
    )  # fmt: skip
    yield _part(capture, "equipment", tr("Machine (matériel)"), _equipment(capture))
    yield _part(capture, "browser", tr("Browser (navigateur)"), capture.quotes(
        "how", "browser", "browser_revision", "browser_sha256", "user_agent",
        "window", "scale", "fonts_sha256", "fonts_count",
    ))  # fmt: skip
    yield _part(capture, "network", tr("Network (connexion, serveur mandataire)"),
                _network(capture))  # fmt: skip
    yield _part(capture, "clock", tr("Clock (horloge)"), _clock(capture))
    yield _part(capture, "cache", tr("Cache, cookies and history (mémoire cache, témoins, "
                                     "historique)"), _cache())  # fmt: skip
    yield _part(capture, "operations", tr("Each step (déroulement)"), _operations(capture))


def _equipment(capture: _Capture) -> Iterator[Item]:
    yield from capture.quotes(
        "how", "os", "kernel", "architecture", "python", "playwright", "image_digest",
        "sandbox_enforced", "sandbox_detail",
    )  # fmt: skip
    yield Blank(
        key="machine", term=tr("Machine: manufacturer and model, place, and operator"), lines=2
    )


def _network(capture: _Capture) -> Iterator[Item]:
    yield from capture.quotes(
        "who", "network_path", "network_enforced", "network_how", "vantage", "exit_country"
    )
    yield Blank(key="public_address", term=tr("Provider and public address of the connection"))
    yield from capture.quotes("from_whom", "connections")


def _clock(capture: _Capture) -> Iterator[Item]:
    yield from capture.quotes(
        "when", "clock_source", "clock_synchronised", "clock_offset_ms", "clock_max_error_ms",
        "timezone", "http_date", "clock_checks",
    )  # fmt: skip


def _cache() -> Iterator[Item]:
    yield _about_software(
        "profile",
        tr(
            "The version that made this draft begins each capture with a new browser profile, "
            "without cookies, cache and history of earlier visits."
        ),
    )
    yield Blank(
        key="cache",
        term=tr("Cache, cookies and history before the capture, to the knowledge of the declarant"),
    )


def _operations(capture: _Capture) -> Iterator[Item]:
    yield from capture.quotes("how", "steps", "actions", "waits", "scroll_steps", "scroll_stopped",
                              "failed_requests")  # fmt: skip
