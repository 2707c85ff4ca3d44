"""
Compose the statement of a proof pack from its captures, and write it as JSON and as HTML.

`facts` returns the statement as data for JSON, `html` as a part of the pack's page, and `sheet` as
a document of its own for the PDF. Text from captured pages is shown between isolating marks, with
control characters written out, and never as markup. This module decides nothing: captures were
verified and verdicts made elsewhere.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup, escape

from snapshotter.formats.canonical_json import instant, plain
from snapshotter.formats.printable import cut, printable
from snapshotter.formats.statements import takedown
from snapshotter.model import sentences
from snapshotter.model.assessment import (
    Assessment,
    Availability,
    Cause,
    Evidence,
    Step,
    Undecided,
)
from snapshotter.model.finding import Code, Verdict
from snapshotter.model.order import UnprovenOrder
from snapshotter.model.proof import ENDS, Part, Role
from snapshotter.model.takedown import (
    ACCOUNT_KINDS,
    Observation,
    Takedown,
    TakedownKind,
    widen,
)
from snapshotter.report import change_statement, wording
from snapshotter.report import html as documents
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT = "snapshotter-statement/1"
MAX_TITLE = 200  # characters that are shown of a title or of an address
MAX_NOTICE = 600
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")
_HAN = re.compile("[\u3400-\u9fff\U00020000-\U0003ffff]")
_MAX_DATES = 2  # own dates of a page
_MAX_LISTED = 60  # artifacts, redirects and the like that are told one by one

NOT_PROVEN: tuple[tuple[str, str], ...] = (
    (
        tr("That the page was the same for other visitors."),
        tr("Captures from a second place or network would show what other visitors saw."),
    ),
    (
        tr("That the author is the person whom the page names."),
        tr("Records of the platform and captures of the account would show who the author is."),
    ),
    (
        tr("Who decided, and why. A notice that names the author or a rule is only a claim."),
        tr(
            "A capture of another page of the author or host, from the same hour, would "
            "show whether only this page was affected."
        ),
    ),
    (
        tr("That the statements and the counts on the page are true."),
        tr("Sources outside the page would show whether they are true."),
    ),
    (
        tr("What the page showed before, after or between the captures."),
        tr("More captures would show the page at more times."),
    ),
)
CHALLENGES: tuple[str, ...] = (
    tr(
        "A capture shows that this client received and rendered these bytes at this time. That "
        "the server sent the recorded bytes is a statement of the person who ran the software."
    ),
    tr(
        "A timestamp token proves that a capture existed at the time of the token. The token "
        "does not prove how long the capture had existed before this time."
    ),
    tr(
        "A page can differ by address, language, time zone and login. The record of each capture "
        "states the values that the capture had."
    ),
    tr(
        "A page may show something else to an automated browser. The browser does not hide "
        "that it is automated."
    ),
    tr(
        "The date inside the MHTML file of a page is from the clock of the capturing machine. "
        "This date does not prove the time."
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureToken:
    """A token over a capture's signature, verified."""

    authority: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """One capture, as the statement tells of it."""

    role: Role
    observation: Observation
    record: Mapping[str, Any]  # the capture record, verified
    assessment: Assessment | None = None  # None: made before verdicts were
    stamps: tuple[CaptureToken, ...] = ()
    verdict: Verdict  # of its verification when the pack was made
    codes: tuple[str, ...] = ()  # what was not established
    logged: bool = False  # a log proof stands beside it, and holds
    excerpt: str = ""  # of what it shows, verbatim
    operator: str = ""  # person or pseudonym that stored it, by the custody chain; "": not named
    enclosed: bool = True  # False: it is in the store, and not in this file

    @property
    def timezone(self) -> str:
        """What the page was told, IANA."""
        return str(_at(self.record, "when.timezone") or "UTC")

    @property
    def language(self) -> str:
        """Of the page, BCP 47, as it says or was asked to be; "" where neither is one."""
        return page_language(self.record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """All that a pack says of its captures."""

    exhibits: tuple[Exhibit, ...]  # both ends first
    event: Takedown | None  # None: nothing was concluded, and the statement says so
    kind: TakedownKind
    made_at: datetime
    software: str
    key_id: str  # who signs the pack
    root_key_id: str = ""  # of the trust file in it
    event_logged: bool = False
    lacks: tuple[str, ...] = ()
    weak: tuple[UnprovenOrder, ...] = ()  # captures whose place in the order nothing bears out
    marked: bool = False  # the picture shows the changed places of a change, with frames

    def __post_init__(self) -> None:
        if tuple(exhibit.role for exhibit in self.exhibits[:2]) != ENDS:
            raise ValueError("the first two captures of a statement must be both ends")

    @property
    def seen(self) -> Exhibit:
        """The capture that shows it."""
        return self.exhibits[0]

    @property
    def gone(self) -> Exhibit:
        """The capture that does not."""
        return self.exhibits[1]

    @property
    def in_order(self) -> tuple[Exhibit, Exhibit]:
        """Both ends, the earlier one first."""
        earlier, later = sorted(
            (self.seen, self.gone),
            key=lambda exhibit: (
                exhibit.observation.at,
                exhibit.observation.began_at,
                exhibit.observation.bundle_id,
            ),
        )
        return earlier, later

    @property
    def bracket(self) -> tuple[datetime, datetime]:
        """The interval in which it happened (as `Takedown.bracket`)."""
        earlier, later = self.in_order
        return earlier.observation.began_at, later.observation.at

    @property
    def length(self) -> timedelta:
        """The exact length of the interval."""
        begin, end = self.bracket
        return end - begin

    def others(self, role: Role) -> tuple[Exhibit, ...]:
        """Return the captures of one role."""
        return tuple(exhibit for exhibit in self.exhibits if exhibit.role is role)


# --- as JSON ----------------------------------------------------------------------------------


def facts(statement: Statement) -> dict[str, Any]:
    """Return all that a statement says, as canonical JSON takes it."""
    begin, end = widen(statement.bracket)
    return {
        "bracket": {
            "from": instant(begin),
            "length": wording.format_long_duration(statement.length),
            "timezone": statement.seen.timezone,
            "until": instant(end),
        },
        "captures": [_capture(exhibit) for exhibit in statement.exhibits],
        "challenges": list(CHALLENGES),
        "event": takedown.as_recorded(statement.event) if statement.event else None,
        "event_logged": statement.event_logged,
        "format": FORMAT,
        "key_id": statement.key_id,
        "kind": statement.kind.value,
        "lacks": list(statement.lacks),
        "made_at": instant(statement.made_at),
        "not_proven": [{"strengthened": how, "what": what} for what, how in NOT_PROVEN],
        "notice": _notice(statement.gone),
        "own_word": list(statement.event.own_word) if statement.event else [],
        "root_key_id": statement.root_key_id,
        "software": statement.software,
        "title": sentences.TITLES[statement.kind],
        "weak": plain(statement.weak),
    }


def _notice(exhibit: Exhibit) -> dict[str, Any]:
    seen = exhibit.observation
    verdict = exhibit.assessment.takedown if exhibit.assessment else None
    return {
        "cause": seen.cause.value if seen.cause else None,
        "cause_in_words": _cause(exhibit) if seen.cause else "",
        "cited_rule": seen.cited_rule,
        "detail": verdict.notice_detail if verdict else "",
        "grade": verdict.grade if verdict else "",
        "platform_rule": verdict.rule_id if verdict else "",
        "rule": seen.rule,
        "rules": [plain(rule_file) for rule_file in seen.rule_files],
        "shown_in_words": describe_capture(exhibit),
        "text": seen.notice,
        "translations": dict(_translations(exhibit)),
    }


def _cause(exhibit: Exhibit) -> str:
    verdict = exhibit.assessment.takedown if exhibit.assessment else None
    cause = exhibit.observation.cause or Cause.NOT_STATED
    convention = verdict is not None and verdict.convention
    return sentences.cause(cause, convention=convention, by=_sign(exhibit))


def describe_capture(exhibit: Exhibit) -> str:
    """Return what a capture shows, in words: "the page was not available: …"."""
    seen = exhibit.observation
    if seen.availability is Availability.UNAVAILABLE:
        why = sentences.describe_removal(_sign(exhibit), _status(exhibit))
        return tr("the page was not available: {why}", why=why)
    if seen.undecided is Undecided.ERROR:
        why = sentences.describe_error(_status(exhibit))
        return tr("it is not established whether the page was available: {why}", why=why)
    return sentences.describe_observation(seen)


def describe_answer(exhibit: Exhibit) -> str:
    """Return with which error the server answered, as a sentence; "" if `describe_capture` does."""
    status = _status(exhibit)
    if status is None or status < 400:
        return ""
    named = sentences.format_http_status(status)
    if named in describe_capture(exhibit):
        return ""
    return tr("The server answered {http_status}.", http_status=named)


def server_date(exhibit: Exhibit) -> str:
    """Return the header Date of the server, verbatim; "" for none."""
    found = _at(exhibit.record, "when.http_date")
    return found if isinstance(found, str) else ""


def page_dates(exhibit: Exhibit) -> list[tuple[str, str]]:
    """Return the kinds and texts of dates of publication and change that a page states."""
    if exhibit.assessment is None or exhibit.observation.availability is not Availability.AVAILABLE:
        return []
    dates = exhibit.assessment.readings.dates
    found = ((date.kind, date.raw) for date in dates if date.kind in ("published", "modified"))
    return list(dict.fromkeys(found))[:_MAX_DATES]


def describe_proof(exhibit: Exhibit) -> str:
    """Return whether a capture is whole and whether its proof is intact, as sentences."""
    capture = sentences.CaptureState.of_record(exhibit.record)
    proof = sentences.ProofState(
        verdict=exhibit.verdict,
        codes=tuple(Code(code) for code in exhibit.codes),
        authorities=len({stamp.authority for stamp in exhibit.stamps}),
    )
    if capture.outcome is None:
        return sentences.headline(proof=proof)
    return sentences.headline(
        capture=replace(capture, light=exhibit.observation.light), proof=proof
    )


def _sign(exhibit: Exhibit) -> sentences.RemovalSign:
    """Return by what a capture shows that its page is gone: what its verdict names first."""
    evidence = exhibit.assessment.takedown.evidence if exhibit.assessment else ()
    if not evidence:
        return (
            sentences.RemovalSign.NOTICE
            if exhibit.observation.notice
            else sentences.RemovalSign.UNKNOWN
        )
    return _sign_of(evidence[0], has_words=bool(exhibit.observation.notice))


def _sign_of(found: Evidence, *, has_words: bool) -> sentences.RemovalSign:
    if found.step is Step.JSON:
        return sentences.RemovalSign.DATA
    if has_words:
        return sentences.RemovalSign.NOTICE
    if found.step is Step.STATUS:
        return sentences.RemovalSign.STATUS
    return (
        sentences.RemovalSign.ADDRESS
        if found.region.startswith(("http://", "https://"))
        else sentences.RemovalSign.MARK
    )


def _led_to(exhibit: Exhibit) -> str:
    """Return where the browser was in the end; "" where that is what was asked for."""
    final = _at(exhibit.record, "what.final_url")
    asked = exhibit.observation.url.partition("#")[0]
    return final if isinstance(final, str) and final.partition("#")[0] != asked else ""


def _of_accounts(exhibit: Exhibit) -> list[tuple[str, str]]:
    """Return what a capture holds about the account behind its page, and what says it."""
    own = exhibit.assessment.takedown.evidence[:1] if exhibit.assessment else ()
    found = []
    for account in exhibit.observation.accounts:
        is_its_own = account.evidence in own  # the state follows from the notice itself
        has_words = (
            bool(exhibit.observation.notice) if is_its_own else account.evidence.region != "status"
        )
        found.append(
            (
                account.text,
                sentences.describe_account_state(_sign_of(account.evidence, has_words=has_words)),
            )
        )
    return found


def _agrees(statement: Statement, exhibit: Exhibit) -> bool:
    """Whether a capture shows what the later end shows."""
    later = statement.in_order[1].observation
    if statement.kind is TakedownKind.CHANGED:
        return exhibit.role is Role.CONFIRMATION  # its comparison shows the same change
    if statement.kind in ACCOUNT_KINDS:
        return sentences.describe_account_states(
            exhibit.observation
        ) == sentences.describe_account_states(later)
    return exhibit.observation.availability is later.availability


def _status(exhibit: Exhibit) -> int | None:
    found = _at(exhibit.record, "what.http_status")
    return found if type(found) is int else None


def _translations(exhibit: Exhibit) -> list[tuple[str, str]]:
    """Return the rule file's translations of a notice, without that into its own language."""
    if exhibit.assessment is None:
        return []
    return translations(exhibit.observation.notice, exhibit.assessment)


def translations(text: str, assessment: Assessment) -> list[tuple[str, str]]:
    """
    Return the languages and texts of the translations of a notice, without that into its own.

    Args:
        text: The notice, verbatim.
        assessment: Of the capture that shows it.
    """
    chinese = _HAN.search(text) is not None
    gloss = assessment.takedown.gloss
    return [(tag, words) for tag, words in gloss if tag.startswith("zh") is not chinese]


def page_language(record: Mapping[str, Any]) -> str:
    """Return the language of a page, BCP 47, as it says or was asked to be; "" if neither is."""
    for path in ("content.document_language", "how.settings.locale"):
        found = _at(record, path)
        if isinstance(found, str) and _LANGUAGE.fullmatch(found):
            return found
    return ""


def _capture(exhibit: Exhibit) -> dict[str, Any]:
    """Return the fields that a report on a capture has, by the groups in which courts ask."""
    record, seen = exhibit.record, exhibit.observation

    def at(path: str) -> Any:
        return _at(record, path)

    tls = at("from_whom.tls") or {}
    return {
        "content": {
            "artifacts": [
                {name: entry.get(name) for name in ("length", "path", "sha256", "step")}
                for entry in (at("content.artifacts") or [])[:_MAX_LISTED]
            ],
            "counts": [plain(count) for count in seen.counts],
            "images": at("content.images"),
            "language": at("content.document_language"),
            "main_sha256": seen.main_sha256,
            "missing_parts": at("content.missing_parts"),
            "text_characters": at("content.text_characters"),
        },
        "from_whom": {
            "certificates": [certificate.get("sha256") for certificate in tls.get("chain", [])],
            "http_status": at("what.http_status"),
            "protocol": at("from_whom.protocol"),
            "remote_ip": at("from_whom.remote_ip"),
            "tls": tls.get("protocol"),
        },
        "how": {
            "actions": len(at("how.actions") or []),
            "blocked_requests": at("content.requests.blocked"),
            "browser": at("how.environment.browser_product"),
            "browser_sha256": at("how.environment.browser_sha256"),
            "fonts_sha256": at("how.environment.fonts_sha256"),
            "light": seen.light,
            "locale": at("how.settings.locale"),
            "os": at("how.environment.os"),
            "policy": at("how.policy.name"),
            "policy_sha256": at("how.policy.sha256"),
            "scale": at("how.settings.scale"),
            "software": at("software"),
            "user_agent": at("how.environment.user_agent"),
            "viewport_px": at("how.settings.viewport_px"),
        },
        "integrity": {
            "key_ids": [signer.get("key_id") for signer in at("signers") or []],
            "logged": exhibit.logged,
            "not_established": list(exhibit.codes),
            "sha256": seen.sha256,
            "verdict": exhibit.verdict.value,
        },
        "limits": at("limits"),
        "redactions": at("redactions"),
        "role": exhibit.role.value,
        "what": {
            "availability": seen.availability.value,
            "bundle_id": seen.bundle_id,
            "enclosed": exhibit.enclosed,
            "cause": seen.cause.value if seen.cause else None,
            "content": seen.content.value,
            "court_minimum": at("court_minimum.line"),
            "excerpt": exhibit.excerpt,
            "final_url": at("what.final_url"),
            "headline": _headline(exhibit),
            "identity": seen.identity,
            "outcome": at("outcome.state"),
            "redirects": (at("what.redirects") or [])[:_MAX_LISTED],
            "requested_url": seen.url,
            "rule": seen.rule,
            "title": at("what.title"),
        },
        "when": {
            "clock": at("when.clock"),
            "ended_at": instant(seen.at),
            "http_date": at("when.http_date"),
            "page_dates": [{"kind": kind, "raw": raw} for kind, raw in page_dates(exhibit)],
            "started_at": instant(seen.began_at),
            "timezone": exhibit.timezone,
            "token_delay": _delay(exhibit),
            "tokens": [
                {"at": instant(stamp.at), "authority": stamp.authority} for stamp in exhibit.stamps
            ],
        },
        "who": {
            "enforced": at("who.network.enforced"),
            "mode": at("who.mode"),
            "network_path": at("who.network_path"),
            "operator": exhibit.operator or None,
            "vantage": seen.vantage,
        },
    }


def _headline(exhibit: Exhibit) -> str | None:
    """Return what the page shows and whether the capture is whole; None where neither is stated."""
    capture = sentences.CaptureState.of_record(exhibit.record)
    if capture.outcome is None:
        return None
    page = sentences.PageState.of(exhibit.assessment, _status(exhibit))
    return sentences.headline(page=page, capture=replace(capture, light=exhibit.observation.light))


def _delay(exhibit: Exhibit) -> str:
    first = min((stamp.at for stamp in exhibit.stamps), default=None)
    if first is None or first - exhibit.observation.at < timedelta(seconds=1):
        return ""
    return wording.format_long_duration(first - exhibit.observation.at)


def _at(record: Mapping[str, Any], path: str) -> Any:
    """Return what stands at a path of the record; None where there is nothing."""
    value: Any = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


# --- as HTML ----------------------------------------------------------------------------------


def html(statement: Statement, *, picture: str = "") -> Markup:
    """
    Return the words of the statement, to stand in a page's `main` element.

    Args:
        picture: Address of the picture of both ends (a `data:` URL); "": the page has a place
            for it, which its script fills.
    """
    changed = statement.kind is TakedownKind.CHANGED
    template = _ENVIRONMENT.get_template("change.html.j2" if changed else "statement.html.j2")
    more = change_statement.context(statement.event, isolate_page_text) if changed else {}
    context = {**_context(statement), **more}
    return Markup(template.render(**context, picture=picture))  # noqa: S704 (our template)


def sheet(statement: Statement, parts: Sequence[tuple[Part, str]], *, picture: str) -> str:
    """
    Return the statement as a document of its own that asks nobody for anything: for paper.

    Args:
        parts: The files that stand in the pack with it, each with its description for people.
    """
    template = _ENVIRONMENT.get_template("sheet.html.j2")
    return template.render(
        absent=[exhibit for exhibit in statement.exhibits if not exhibit.enclosed],
        body=html(statement, picture=picture),
        parts=parts,
        roles=roles(statement.kind),
        style=Markup(style()),  # noqa: S704 (a file of ours)
        title=sentences.TITLES[statement.kind],
    )


def style() -> str:
    """Return the style of pages and sheets."""
    return documents.joined(("base.css", "pack.css"))


def render(name: str, **values: Any) -> str:
    """Return a template with its values."""
    return _ENVIRONMENT.get_template(name).render(**values)


def isolate_page_text(text: str, most: int = MAX_TITLE) -> Markup:
    """
    Return a text of a captured page as it can stand in ours.

    It cannot become markup, turn the direction of what is around it, or hide in it.
    """
    short = cut(text, most)
    lines = [
        escape(documents.escape_misleading(line)) for line in short.splitlines() if line.strip()
    ]
    return Markup('<bdi dir="auto">{}</bdi>').format(Markup("<br>").join(lines))


def one_line(text: str, most: int = MAX_TITLE) -> str:
    """Return a text of a captured page as one line that misleads nobody, as plain text."""
    return printable(cut(" ".join(text.split()), most))


def notice(text: str) -> Markup:
    """Return a notice of a platform as it can stand in our page."""
    return isolate_page_text(text, MAX_NOTICE)


def _context(statement: Statement) -> dict[str, Any]:
    begin, end = widen(statement.bracket)
    earlier, later = statement.in_order
    verdict = statement.gone.assessment.takedown if statement.gone.assessment else None
    zone = statement.seen.timezone
    return {
        "account": statement.kind in ACCOUNT_KINDS,
        "begin": wording.format_utc_and_local(begin, zone),
        "bracket": wording.format_long_duration(statement.length),
        "cause": _cause(statement.gone),
        "change": statement.event.change if statement.event else None,
        "challenges": CHALLENGES,
        "confirmations": statement.others(Role.CONFIRMATION),
        "controls": statement.others(Role.CONTROL),
        "earlier": earlier,
        "end": wording.format_utc_and_local(end, zone),
        "event": statement.event,
        "later": later,
        "led_to": _led_to(statement.gone),
        "not_proven": NOT_PROVEN,
        "marked": statement.marked,
        "own_word": [OWN_WORDS[kind] for kind in statement.event.own_word]
        if statement.event
        else [],
        "roles": roles(statement.kind),
        "said": statement,
        "agrees": lambda exhibit: _agrees(statement, exhibit),
        "of_accounts": _of_accounts(statement.gone),
        "state": sentences.describe_account_states(statement.gone.observation),
        # By what it answered the page is gone, or beside that.
        "status": None
        if _sign(statement.gone) is sentences.RemovalSign.STATUS
        else _status(statement.gone),
        "title": sentences.TITLES[statement.kind],
        "translations": _translations(statement.gone),
        "vantages": statement.others(Role.VANTAGE),
        "verdict": verdict,
        "was_there": earlier is statement.seen,
        "zone": zone,
    }


def details(
    statement: Statement,
) -> list[tuple[str, Exhibit, list[tuple[str, list[tuple[str, str]]]]]]:
    """Return each capture's facts by groups, for people."""
    return [
        (roles(statement.kind)[exhibit.role], exhibit, _rows(_capture(exhibit)))
        for exhibit in statement.exhibits
    ]


# What the fields that only the signer states mean, by the names in the record.
OWN_WORDS: Mapping[str, str] = {
    "articles": tr("which removals of articles belong to the event"),
    "confirm": tr("how much confirmation the event needed"),
}
_ROLES: Mapping[Role, str] = {
    Role.LAST_SEEN: "Last seen",
    Role.FIRST_GONE: "First gone",
    Role.CONFIRMATION: "Confirmation",
    Role.CONTROL: tr("Control: another page of the host"),
    Role.VANTAGE: "Another vantage",
    Role.IDENTITY: tr("The page that the address leads to"),
}
_OF_CHANGE: Mapping[Role, str] = {
    Role.LAST_SEEN: tr("Before the change (last seen)"),
    Role.FIRST_GONE: tr("After the change (first gone)"),
}


def roles(kind: TakedownKind) -> Mapping[Role, str]:
    """Return what captures of each role are called in a statement."""
    return {**_ROLES, **_OF_CHANGE} if kind is TakedownKind.CHANGED else _ROLES


def _rows(value: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the groups of a capture's facts, each with its fields as text."""
    groups: list[tuple[str, list[tuple[str, str]]]] = []
    status = value["from_whom"]["http_status"]
    named = sentences.format_http_status(status) if type(status) is int else status
    value = {**value, "from_whom": {**value["from_whom"], "http_status": named}}
    for group in ("what", "when", "who", "how", "from_whom", "content", "integrity"):
        rows = [(name.replace("_", " "), _text(text)) for name, text in value[group].items()]
        groups.append((group.replace("_", " "), [(name, text) for name, text in rows if text]))
    groups.append(("redactions", [("replaced", _text(value["redactions"]))]))
    groups.append(("limits", [("", _text(value["limits"]))]))
    return [
        (name, [row for row in rows if row[1]]) for name, rows in groups if any(r[1] for r in rows)
    ]


def _text(value: Any) -> str:
    """Return a value of a record as a person reads it."""
    if value is None or value == "" or value == [] or value == {}:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        pairs = ((name, _text(text)) for name, text in value.items())
        return ", ".join(f"{name.replace('_', ' ')} {text}" for name, text in pairs if text)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\n".join(filter(None, map(_text, value)))
    return str(value)


_ENVIRONMENT = documents.environment(
    answer=describe_answer,
    dates=page_dates,
    server_date=server_date,
    foreign=isolate_page_text,
    language=wording.language_name,
    notice=notice,
    during=lambda exhibit: wording.format_period(
        exhibit.observation.began_at, exhibit.observation.at
    ),
    http=sentences.format_http_status,
    shown=describe_capture,
    whole=describe_proof,
    utc=wording.format_utc,
)
