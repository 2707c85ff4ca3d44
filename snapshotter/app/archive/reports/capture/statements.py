"""
Write the sentences of the first page of a capture report, each from fields of the report.

A sentence names the fields from which it follows. It is as certain as the weakest of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import unquote

from snapshotter.app.archive.reports.capture.evidence import Evidence
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.canonical_json import parse_instant
from snapshotter.model.capture import Outcome
from snapshotter.model.capture_report import (
    Basis,
    Field,
    Group,
    Presence,
    Statement,
    Table,
)
from snapshotter.model.finding import Verdict
from snapshotter.model.sentences import CaptureState, ProofState, proof_sentence
from snapshotter.report.local_time import LocalTime
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_DO_NOT_RELY: Final = tr("Do not rely on the file.")
_ORDER: Final = (Basis.VERIFIED, Basis.STATED, Basis.UNVERIFIED)

# What a report never proves, and what makes each point stronger.
LIMITS: Final = (
    (
        tr("The report does not prove that others saw the same page."),
        tr("A capture from another place or account at the same time is further evidence."),
    ),
    (
        tr("The report does not prove who wrote the page, or that its words are true."),
        tr("A statement of the writer or of the platform is further evidence."),
    ),
    (
        tr("The report does not prove that counts on the page are true."),
        tr("Several captures show how the page changed its counts."),
    ),
    (
        tr(
            "If a notice names who removed a page, the report does not prove that the notice is "
            "correct."
        ),
        tr("A capture of another page of the same site is further evidence."),
    ),
    (
        tr("The report does not prove what the page showed before or after the capture."),
        tr("More captures make the intervals between captures shorter."),
    ),
    (
        tr(
            "The holder of the signing key can seal a page that was never on the network. The "
            "signature shows which key signed the bundle. The signature does not show that a "
            "server sent the page."
        ),
        tr(
            "Data that the server signed, a second signature and a log with witnesses are further "
            "evidence."
        ),
    ),
    (
        tr("A site can show different pages to different visitors, places, languages and times."),
        tr(
            "The section “Who made the capture, and from where” states the conditions of this "
            "capture."
        ),
    ),
    (
        tr(
            "The browser writes a Date header into the file page.mhtml. This header can differ "
            "from the times of the report, and is no proof of time."
        ),
        tr("The timestamp tokens prove the time by which the bundle existed."),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The sentences of the first page."""

    sentences: tuple[str, ...]  # the answers to the three questions
    statements: tuple[Statement, ...]


def statements(of: Evidence, found: tuple[Group, ...], local: LocalTime) -> Said:
    """Return the sentences of the first page."""
    fields = {f"{group.key}.{item.key}": item for group in found for item in group.items}
    said = [_weighed(statement, fields) for statement in _statements(of, fields, local)]
    three = ("page", "whole", "proof")
    return Said(
        sentences=tuple(statement.text for statement in said if statement.key in three),
        statements=tuple(said),
    )


def _weighed(statement: Statement, fields: dict[str, Field | Table]) -> Statement:
    """Return a statement with the weakest basis of its fields."""
    bases = [basis for path in statement.fields for basis in _bases(fields[path])]
    return replace(statement, basis=max(bases, key=_ORDER.index, default=Basis.UNVERIFIED))


def _bases(item: Field | Table) -> Iterable[Basis]:
    return [row.basis for row in item.rows] if isinstance(item, Table) else [item.basis]


def _statement(key: str, text: str, *paths: str, shown: Field | None = None) -> Statement:
    return Statement(key=key, text=text, fields=paths, basis=Basis.UNVERIFIED, shown=shown)


def _statements(
    of: Evidence, fields: dict[str, Field | Table], local: LocalTime
) -> Iterator[Statement]:
    is_failed = of.report.verdict is Verdict.FAILED
    if is_failed:
        proof = proof_sentence(ProofState.of(of.report))
        yield _statement("proof", f"{proof} {_DO_NOT_RELY}", "integrity.proof")
    yield from _captured(of, fields, local)
    if not is_failed:
        for key, path in (("page", "what.verdict"), ("whole", "what.whole")):
            if text := _text(fields, path):
                yield _statement(key, text, path)
            elif key == "page" and of.is_redacted:
                yield _statement(
                    key,
                    tr(
                        "It is not established whether the page was available: this copy withholds "
                        "the assessment of the page."
                    ),
                    path,
                )
        yield _statement("proof", _text(fields, "integrity.proof"), "integrity.proof")
    yield from _who(of, fields)
    if not is_failed:
        yield from _time(of, fields, local)


def _captured(
    of: Evidence, fields: dict[str, Field | Table], local: LocalTime
) -> Iterator[Statement]:
    at = _time_text(fields, "when.started_at", local)
    software = _text(fields, "how.software")
    requested = _field(fields, "what.requested_url")
    used = ("when.started_at", "how.software", "what.requested_url")
    if requested is None or not at:
        yield _statement("captured", tr("The record of this capture cannot be read."), *used)
        return
    if of.is_redacted:
        yield _statement(
            "redacted",
            tr(
                "This report is about a redacted copy. Values that the copy withholds: {values}. "
                "Files that the copy withholds: {files}.",
                values=_count(fields, "redactions.withheld_values"),
                files=_count(fields, "redactions.withheld_files"),
            ),
            "redactions.withheld_values",
            "redactions.withheld_files",
        )
    is_lost = CaptureState.of_record(of.material.record).outcome is Outcome.FAILED
    software = software or tr("the software")
    yield _statement(
        "captured",
        tr(
            "On {at}, {software} tried to capture the page at this address:",
            at=at,
            software=software,
        )
        if is_lost
        else tr("On {at}, {software} captured the page at this address:", at=at, software=software),
        *used,
        shown=requested,
    )
    final = _field(fields, "what.final_url")
    is_shown = Presence.WITHHELD not in (requested.presence, final.presence if final else None)
    if final is not None and is_shown and final.value != requested.value:
        yield _statement(
            "redirected",
            tr("Browsers write the same address in this form:")
            if _unquoted(final) == _unquoted(requested)
            else tr(
                "The captured page had this final address, which differs from the requested "
                "address:"
            ),
            "what.final_url",
            "what.requested_url",
            shown=final,
        )
    title = _field(fields, "what.title")
    if title is not None and title.presence is not Presence.ABSENT:
        yield _statement("title", tr("The page had this title:"), "what.title", shown=title)
    notice = _field(fields, "what.notice")
    if notice is not None and notice.presence is Presence.PRESENT:
        yield _statement("notice", tr("The page showed this notice:"), "what.notice", shown=notice)


def _who(of: Evidence, fields: dict[str, Field | Table]) -> Iterator[Statement]:
    operator = _field(fields, "who.operator")
    if operator is not None and operator.presence is Presence.PRESENT:
        yield _statement(
            "operator",
            tr(
                "The custody chain names this person or organisation, which stored the capture. "
                "No signature covers the name:"
            ),
            "who.operator",
            shown=operator,
        )
    else:
        yield _statement(
            "operator",
            tr("A redacted copy does not state who made the capture.")
            if of.is_redacted
            else tr(
                "Neither the record nor the custody chain names the person who made the capture."
            ),
            "who.operator",
        )
    table = fields["integrity.signatures"]
    for row in table.rows if isinstance(table, Table) else ():
        _, key_id, _, owner, is_trusted = row.values
        key = f"{key_id}"[:16]
        if is_trusted is None:
            text = tr(
                "The bundle names the key {key}…. It is not established whether this key signed "
                "the bundle.",
                key=key,
            )
        elif is_trusted is not True:
            text = tr(
                "The bundle names the key {key}…, which is not known as a trusted key.", key=key
            )
        elif isinstance(owner, str):
            text = tr(
                "The bundle is signed with the key {key}…. The trust file names this "
                "owner of the key: {owner}.",
                key=key,
                owner=owner,
            )
        else:
            text = tr(
                "The bundle is signed with the key {key}…, a key in the settings of the person who "
                "made this document.",
                key=key,
            )
        yield _statement("signed", text, "integrity.signatures")


def _time(of: Evidence, fields: dict[str, Field | Table], local: LocalTime) -> Iterator[Statement]:
    at = _time_text(fields, "when.proven_time", local)
    authorities = of.report.authorities
    if not at or not authorities:
        yield _statement(
            "time", tr("No trusted timestamp authority confirms the time."), "when.proven_time"
        )
    else:
        names = ", ".join(authorities)
        yield _statement(
            "time",
            tr(
                "The bundle existed by {at}. This timestamp authority confirms the time: {names}.",
                at=at,
                names=names,
            )
            if len(authorities) == 1
            else tr(
                "The bundle existed by {at}. These timestamp authorities confirm the time: "
                "{names}.",
                at=at,
                names=names,
            ),
            "when.proven_time",
            "when.authorities",
        )
    if of.is_redacted:
        yield _statement(
            "log", tr("A redacted copy is verified without a log."), "integrity.log_index"
        )
        return
    index = _field(fields, "integrity.log_index")
    if index is None or not isinstance(index.value, int):
        yield _statement(
            "log", tr("No valid proof shows that the bundle is in a log."), "integrity.log_index"
        )
        return
    seen = _time_text(fields, "integrity.logged_by", local)
    origin = _text(fields, "integrity.log_origin")
    yield _statement(
        "log",
        tr(
            "The log {origin} contains the bundle as entry {index}. A trusted witness saw the "
            "entry by {seen}.",
            index=index.value,
            origin=origin,
            seen=seen,
        )
        if seen
        else tr(
            "The log {origin} contains the bundle as entry {index}. No trusted witness saw the "
            "entry.",
            index=index.value,
            origin=origin,
        ),
        "integrity.log_index",
        "integrity.log_origin",
        "integrity.logged_by",
    )


def _field(fields: dict[str, Field | Table], path: str) -> Field | None:
    found = fields.get(path)
    return found if isinstance(found, Field) and found.presence is not Presence.ABSENT else None


def _count(fields: dict[str, Field | Table], path: str) -> int:
    found = _field(fields, path)
    return len(found.value) if found is not None and isinstance(found.value, tuple) else 0


def _unquoted(field: Field) -> object:
    return unquote(field.value) if isinstance(field.value, str) else field


def _text(fields: dict[str, Field | Table], path: str) -> str:
    found = _field(fields, path)
    return found.value if found is not None and isinstance(found.value, str) else ""


def _time_text(fields: dict[str, Field | Table], path: str, local: LocalTime) -> str:
    """Return an instant as a sentence has it: local time, and UTC beside it."""
    try:
        shown = local.show(parse_instant(_text(fields, path)))
    except EvidenceInvalid:
        return ""
    return f"{shown.local} ({shown.utc})" if shown.utc else shown.local
