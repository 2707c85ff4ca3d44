"""
The statement of a proof pack: all that it says, as values, as JSON and as HTML.

Everything on the page is in `facts`, the twin for programs. What comes from captured pages
is shown between isolating marks, with control characters written out, and never as markup.
Nothing here judges: captures were verified and verdicts were made elsewhere.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup, escape

from snapshotter.formats.canonical_json import instant, plain
from snapshotter.formats.printable import cut, printable
from snapshotter.model.assessment import (
    Assessment,
    Availability,
    Cause,
    Evidence,
    Shown,
    Step,
    Undecided,
)
from snapshotter.model.capture import Outcome
from snapshotter.model.conclusion import headline
from snapshotter.model.finding import Verdict
from snapshotter.model.order import Weak
from snapshotter.model.proof import ENDS, Part, Role
from snapshotter.model.takedown import OWN_WORD, Observation, Takedown, TakedownKind
from snapshotter.report import html as documents
from snapshotter.report import words
from snapshotter.report.words import Sign

FORMAT = "snapshotter-statement/1"
MAX_TITLE = 200  # characters that are shown of a title or of an address
MAX_NOTICE = 600
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")
_HAN = re.compile("[\u3400-\u9fff\U00020000-\U0003ffff]")
_MAX_LISTED = 60  # artifacts, redirects and the like that are told one by one

NOT_PROVEN: tuple[tuple[str, str], ...] = (
    (
        "That the page was the same for others.",
        "Captures from a second place or network would strengthen it.",
    ),
    (
        "That its author is who the page says.",
        "The platform's own records would, and captures of the account.",
    ),
    (
        "Who decided, and why: a notice that names the author, or a rule, is a claim too.",
        "A page of the same author or host from the same hour would strengthen it.",
    ),
    (
        "That what it said is true, or that its counts are right.",
        "Sources outside the page would.",
    ),
    (
        "What stood there before, after, or between two captures.",
        "More captures would.",
    ),
)
CHALLENGES: tuple[str, ...] = (
    "A capture shows that this client received and rendered these bytes at this time; the link "
    "from the server to the record is the word of whoever ran the software.",
    "A token of a timestamp authority proves that a capture existed by then, and not how long "
    "before.",
    "Pages differ by address, language, time zone and login. Each capture says which it had.",
    "A page may show an automatic browser something else. The browser does not hide what it is.",
    "The date inside a page's MHTML file is this machine's clock, and no proof of time.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
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
    stamps: tuple[Stamp, ...] = ()
    verdict: Verdict  # of its verification when the pack was made
    codes: tuple[str, ...] = ()  # what was not established
    logged: bool = False  # a log proof stands beside it, and holds
    excerpt: str = ""  # of what it shows, verbatim
    enclosed: bool = True  # False: it is in the store, and not in this file

    @property
    def timezone(self) -> str:
        """What the page was told, IANA."""
        return str(_at(self.record, "when.timezone") or "UTC")

    @property
    def language(self) -> str:
        """Of the page, BCP 47, as it says or was asked to be; "" where neither is one."""
        for path in ("content.document_language", "how.settings.locale"):
            found = _at(self.record, path)
            if isinstance(found, str) and _LANGUAGE.fullmatch(found):
                return found
        return ""


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
    weak: tuple[Weak, ...] = ()  # captures whose place in the order nothing bears out

    def __post_init__(self) -> None:
        if tuple(it.role for it in self.exhibits[:2]) != ENDS:
            raise ValueError("a statement begins with both ends")

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
            key=lambda it: (it.observation.at, it.observation.began_at, it.observation.bundle_id),
        )
        return earlier, later

    @property
    def bracket(self) -> tuple[datetime, datetime]:
        """The interval in which it happened (as `Takedown.bracket`)."""
        earlier, later = self.in_order
        return earlier.observation.began_at, later.observation.at

    def others(self, role: Role) -> tuple[Exhibit, ...]:
        """Return the captures of one role."""
        return tuple(it for it in self.exhibits if it.role is role)


# --- as JSON ----------------------------------------------------------------------------------


def facts(said: Statement) -> dict[str, Any]:
    """Return all that a statement says, as canonical JSON takes it."""
    begin, end = said.bracket
    return {
        "bracket": {
            "from": instant(begin),
            "length": words.span(end - begin),
            "timezone": said.seen.timezone,
            "until": instant(end),
        },
        "captures": [_capture(it) for it in said.exhibits],
        "challenges": list(CHALLENGES),
        "event": plain(said.event) if said.event else None,
        "event_logged": said.event_logged,
        "format": FORMAT,
        "key_id": said.key_id,
        "kind": said.kind.value,
        "lacks": list(said.lacks),
        "made_at": instant(said.made_at),
        "not_proven": [{"strengthened": how, "what": what} for what, how in NOT_PROVEN],
        "notice": _notice(said.gone),
        "own_word": list(OWN_WORD) if said.event else [],
        "root_key_id": said.root_key_id,
        "software": said.software,
        "title": words.TITLES[said.kind],
        "weak": plain(said.weak),
    }


def _notice(one: Exhibit) -> dict[str, Any]:
    seen = one.observation
    verdict = one.assessment.takedown if one.assessment else None
    return {
        "cause": seen.cause.value if seen.cause else None,
        "cause_in_words": _cause(one) if seen.cause else "",
        "cited_rule": seen.cited_rule,
        "detail": verdict.notice_detail if verdict else "",
        "grade": verdict.grade if verdict else "",
        "platform_rule": verdict.rule_id if verdict else "",
        "rule": seen.rule,
        "rules": [plain(it) for it in seen.rule_files],
        "shown_in_words": shown(one),
        "text": seen.notice,
        "translations": dict(_translations(one)),
    }


def _cause(one: Exhibit) -> str:
    verdict = one.assessment.takedown if one.assessment else None
    cause = one.observation.cause or Cause.NOT_STATED
    convention = verdict is not None and verdict.convention
    return words.cause(cause, convention=convention, by=_sign(one))


def shown(one: Exhibit) -> str:
    """Return what a capture shows, in words: "it was gone: the server answered HTTP 404 …"."""
    seen = one.observation
    if seen.availability is Availability.UNAVAILABLE:
        return f"it was gone: {words.gone(_sign(one), _status(one))}"
    if seen.undecided is Undecided.ERROR:
        return f"nothing can be said of the page: {words.error(_status(one))}"
    return words.shown(seen)


def _sign(one: Exhibit) -> Sign:
    """Return by what a capture shows that its page is gone: what its verdict names first."""
    evidence = one.assessment.takedown.evidence if one.assessment else ()
    if not evidence:
        return Sign.NOTICE if one.observation.notice else Sign.UNKNOWN
    return _sign_of(evidence[0], has_words=bool(one.observation.notice))


def _sign_of(found: Evidence, *, has_words: bool) -> Sign:
    if found.step is Step.JSON:
        return Sign.DATA
    if has_words:
        return Sign.NOTICE
    if found.step is Step.STATUS:
        return Sign.STATUS
    return Sign.ADDRESS if found.region.startswith(("http://", "https://")) else Sign.MARK


def _led_to(one: Exhibit) -> str:
    """Return where the browser was in the end; "" where that is what was asked for."""
    final = _at(one.record, "what.final_url")
    asked = one.observation.url.partition("#")[0]
    return final if isinstance(final, str) and final.partition("#")[0] != asked else ""


def _of_accounts(one: Exhibit) -> list[tuple[str, str]]:
    """Return what a capture holds about the account behind its page, and what says it."""
    own = one.assessment.takedown.evidence[:1] if one.assessment else ()
    found = []
    for it in one.observation.accounts:
        is_its_own = it.evidence in own  # the state follows from the notice itself
        has_words = bool(one.observation.notice) if is_its_own else it.evidence.region != "status"
        found.append((it.text, words.of_account(_sign_of(it.evidence, has_words=has_words))))
    return found


def _agrees(said: Statement, one: Exhibit) -> bool:
    """Whether a capture shows what the later end shows."""
    later = said.in_order[1].observation
    if said.kind in words.OF_ACCOUNTS:
        return words.states(one.observation) == words.states(later)
    return one.observation.availability is later.availability


def _status(one: Exhibit) -> int | None:
    found = _at(one.record, "what.http_status")
    return found if type(found) is int else None


def _translations(one: Exhibit) -> list[tuple[str, str]]:
    """Return the rule file's translations of a notice, without that into its own language."""
    if one.assessment is None:
        return []
    chinese = _HAN.search(one.observation.notice) is not None
    gloss = one.assessment.takedown.gloss
    return [(tag, text) for tag, text in gloss if tag.startswith("zh") is not chinese]


def _capture(one: Exhibit) -> dict[str, Any]:
    """Return the fields that a report on a capture has, by the groups in which courts ask."""
    record, seen = one.record, one.observation

    def at(path: str) -> Any:
        return _at(record, path)

    tls = at("from_whom.tls") or {}
    return {
        "content": {
            "artifacts": [
                {name: it.get(name) for name in ("length", "path", "sha256", "step")}
                for it in (at("content.artifacts") or [])[:_MAX_LISTED]
            ],
            "counts": [plain(it) for it in seen.counts],
            "images": at("content.images"),
            "language": at("content.document_language"),
            "main_sha256": seen.main_sha256,
            "missing_parts": at("content.missing_parts"),
            "text_characters": at("content.text_characters"),
        },
        "from_whom": {
            "certificates": [it.get("sha256") for it in tls.get("chain", [])],
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
            "key_ids": [it.get("key_id") for it in at("signers") or []],
            "logged": one.logged,
            "not_established": list(one.codes),
            "sha256": seen.sha256,
            "verdict": one.verdict.value,
        },
        "limits": at("limits"),
        "redactions": at("redactions"),
        "role": one.role.value,
        "what": {
            "availability": seen.availability.value,
            "bundle_id": seen.bundle_id,
            "enclosed": one.enclosed,
            "cause": seen.cause.value if seen.cause else None,
            "content": seen.content.value,
            "court_minimum": at("court_minimum.line"),
            "excerpt": one.excerpt,
            "final_url": at("what.final_url"),
            "headline": _headline(one),
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
            "started_at": instant(seen.began_at),
            "timezone": one.timezone,
            "token_delay": _delay(one),
            "tokens": [{"at": instant(it.at), "authority": it.authority} for it in one.stamps],
        },
        "who": {
            "enforced": at("who.network.enforced"),
            "mode": at("who.mode"),
            "network_path": at("who.network_path"),
            "vantage": seen.vantage,
        },
    }


def _headline(one: Exhibit) -> str | None:
    """Return outcome and verdict in one sentence: a court minimum says nothing of the content."""
    state = _at(one.record, "outcome.state")
    if not isinstance(state, str) or state not in set(Outcome):
        return None
    shown = Shown.of(one.assessment) if one.assessment is not None else None
    return headline(Outcome(state), shown, light=one.observation.light)


def _delay(one: Exhibit) -> str:
    first = min((it.at for it in one.stamps), default=None)
    if first is None or first - one.observation.at < timedelta(seconds=1):
        return ""
    return words.span(first - one.observation.at)


def _at(record: Mapping[str, Any], path: str) -> Any:
    """Return what stands at a path of the record; None where there is nothing."""
    value: Any = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


# --- as HTML ----------------------------------------------------------------------------------


def html(said: Statement, *, picture: str = "") -> Markup:
    """
    Return the words of the statement, to stand in a page's `main` element.

    Args:
        picture: Address of the picture of both ends (a `data:` URL); "": the page has a place
            for it, which its script fills.
    """
    template = _ENVIRONMENT.get_template("statement.html.j2")
    return Markup(template.render(**_context(said), picture=picture))  # noqa: S704 (our template)


def sheet(said: Statement, parts: Sequence[tuple[Part, str]], *, picture: str) -> str:
    """
    Return the statement as a document of its own that asks nobody for anything: for paper.

    Args:
        parts: The files that stand in the pack with it, each with its description for people.
    """
    template = _ENVIRONMENT.get_template("sheet.html.j2")
    return template.render(
        absent=[it for it in said.exhibits if not it.enclosed],
        body=html(said, picture=picture),
        parts=parts,
        roles=_ROLES,
        style=Markup(style()),  # noqa: S704 (a file of ours)
        title=words.TITLES[said.kind],
    )


def style() -> str:
    """Return the style of pages and sheets."""
    return documents.source("pack.css")


def render(name: str, **values: Any) -> str:
    """Return a template with its values."""
    return _ENVIRONMENT.get_template(name).render(**values)


def foreign(text: str, most: int = MAX_TITLE) -> Markup:
    """
    Return a text of a captured page as it can stand in ours.

    It can not become markup, turn the direction of what is around it, or hide in it.
    """
    short = cut(text, most)
    lines = [escape(documents.verbatim(it)) for it in short.splitlines() if it.strip()]
    return Markup('<bdi dir="auto">{}</bdi>').format(Markup("<br>").join(lines))


def one_line(text: str, most: int = MAX_TITLE) -> str:
    """Return a text of a captured page as one line that misleads nobody, as plain text."""
    return printable(cut(" ".join(text.split()), most))


def notice(text: str) -> Markup:
    """Return a notice of a platform as it can stand in our page."""
    return foreign(text, MAX_NOTICE)


def _context(said: Statement) -> dict[str, Any]:
    begin, end = said.bracket
    earlier, later = said.in_order
    verdict = said.gone.assessment.takedown if said.gone.assessment else None
    zone = said.seen.timezone
    return {
        "account": said.kind in words.OF_ACCOUNTS,
        "begin": words.both(begin, zone),
        "bracket": words.span(end - begin),
        "cause": _cause(said.gone),
        "challenges": CHALLENGES,
        "confirmations": said.others(Role.CONFIRMATION),
        "controls": said.others(Role.CONTROL),
        "earlier": earlier,
        "end": words.both(end, zone),
        "event": said.event,
        "later": later,
        "led_to": _led_to(said.gone),
        "not_proven": NOT_PROVEN,
        "own_word": [_OWN_WORD[it] for it in OWN_WORD],
        "roles": _ROLES,
        "said": said,
        "agrees": lambda one: _agrees(said, one),
        "of_accounts": _of_accounts(said.gone),
        "state": words.states(said.gone.observation),
        # By what it answered the page is gone, or beside that.
        "status": None if _sign(said.gone) is Sign.STATUS else _status(said.gone),
        "title": words.TITLES[said.kind],
        "translations": _translations(said.gone),
        "vantages": said.others(Role.VANTAGE),
        "verdict": verdict,
        "was_there": earlier is said.seen,
        "zone": zone,
    }


def details(said: Statement) -> list[tuple[str, Exhibit, list[tuple[str, list[tuple[str, str]]]]]]:
    """Return each capture's facts by groups, for people."""
    return [(_ROLES[it.role], it, _rows(_capture(it))) for it in said.exhibits]


_OWN_WORD: Mapping[str, str] = {
    "articles": "which removals of articles belong to it",
    "confirm": "how much had to agree before it was concluded",
}
_ROLES: Mapping[Role, str] = {
    Role.LAST_SEEN: "Last seen",
    Role.FIRST_GONE: "First gone",
    Role.CONFIRMATION: "Confirmation",
    Role.CONTROL: "Control: another page of the host",
    Role.VANTAGE: "By another way",
    Role.IDENTITY: "Which page the address means",
}


def _rows(value: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the groups of a capture's facts, each with its fields as text."""
    groups: list[tuple[str, list[tuple[str, str]]]] = []
    for group in ("what", "when", "who", "how", "from_whom", "content", "integrity"):
        rows = [(name.replace("_", " "), _text(it)) for name, it in value[group].items()]
        groups.append((group.replace("_", " "), [(name, it) for name, it in rows if it]))
    groups.append(("redactions", [("replaced", _text(value["redactions"]))]))
    groups.append(("limits", [("", _text(value["limits"]))]))
    return [
        (name, [it for it in rows if it[1]]) for name, rows in groups if any(r[1] for r in rows)
    ]


def _text(value: Any) -> str:
    """Return a value of a record as a person reads it."""
    if value is None or value == "" or value == [] or value == {}:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        pairs = ((name, _text(it)) for name, it in value.items())
        return ", ".join(f"{name.replace('_', ' ')} {it}" for name, it in pairs if it)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\n".join(filter(None, map(_text, value)))
    return str(value)


_ENVIRONMENT = documents.environment(
    foreign=foreign,
    language=words.language,
    notice=notice,
    during=lambda one: words.during(one.observation.began_at, one.observation.at),
    http=words.http,
    shown=shown,
    utc=words.utc,
)
