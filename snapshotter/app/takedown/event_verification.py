"""
Verify a take-down event with its bundles.

In four steps, the first two of which need no rules (`verify/takedown.py`):

    (1) the record: its form, its signature, its key
    (2) each bundle: here, the one that is named, and verified by itself
    (3) each verdict: made again from the files in the bundle, by the rules that lie in it
    (4) the event: concluded again from exactly these captures

The rules of today are asked as well. What they say differently is told, and decides nothing:
an event was concluded by the rules of its time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from snapshotter.app.archive import assessment
from snapshotter.app.archive.assessment import AssessorOf, BundleFiles
from snapshotter.app.archive.bundle_verification import verify_in_store
from snapshotter.app.archive.observations import is_of_its_host, observe, stated
from snapshotter.assess.takedown_events import (
    account_state_in,
    capture_order_key,
    conclude_again,
    event_id,
    last_capture_of_event,
)
from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.canonical_json import are_one, instant, plain
from snapshotter.model.assessment import Assessment, Availability
from snapshotter.model.finding import Code, Finding, Report, Verdict
from snapshotter.model.request import Decision
from snapshotter.model.takedown import (
    OWN_WORD,
    ConfirmRules,
    Observation,
    Takedown,
    TakedownKind,
)
from snapshotter.model.verified_facts import VerifiedFacts
from snapshotter.policy import page_identity as identities
from snapshotter.policy.page_identity import PageIdentityRules
from snapshotter.ports import ObjectStore
from snapshotter.verify.bundle_on_disk import verify_on_disk
from snapshotter.verify.files import NotAFile, open_file
from snapshotter.verify.report_excerpt import report_excerpt
from snapshotter.verify.takedown import EventCapture, EventReport, check_captures, read_event_record
from snapshotter.verify.trust import Trust, judge_key

# What a verdict comes down to; the rest says how it was come by.
_DECIDES: Final = (
    "content", "availability", "cause", "undecided", "wall", "rule", "takedown", "ambiguous",
    "needs_control",
)  # fmt: skip

# Which page it is and whose is judged over all captures; the time of its tokens with them.
_APART: Final = frozenset({"identity", "account", "proven_at", "proven_at_ms"})
# What the event before an event can have been: what is gone can only come back, and only what is
# there can go. An account can go from one state to another.
_AFTER: Final = {
    TakedownKind.REMOVED: (TakedownKind.REINSTATED,),
    TakedownKind.REINSTATED: (TakedownKind.REMOVED,),
    TakedownKind.ACCOUNT_CHANGED: (TakedownKind.ACCOUNT_CHANGED, TakedownKind.ACCOUNT_RESTORED),
    TakedownKind.ACCOUNT_RESTORED: (TakedownKind.ACCOUNT_CHANGED,),
}
_OF_ACCOUNTS: Final = (TakedownKind.ACCOUNT_CHANGED, TakedownKind.ACCOUNT_RESTORED)
_READ: Final = frozenset(
    {"rule_files", "counts", "main_sha256", "notice", "cited_rule", "accounts", "account_name"}
)

# All that rules say of a capture: of a bundle that holds none, the rules of its time may have said
# something else than those of today.
BY_RULES: Final = (*_DECIDES, *sorted(_READ))


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedBundle:
    """A bundle that is here, and what its verification found."""

    report: Report
    stream: BinaryIO  # open as long as it is lent


# Returns the event whose record has a digest, and the id of the key that signed it, as
# `takedown.parse` does; None where it is not here.
PreviousEvent = Callable[[str], tuple[Takedown, str] | None]

# Lends the bundle of an id; gives None where it is not here.
FindBundle = Callable[[str], AbstractContextManager[VerifiedBundle | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rederivation:
    """What is needed to come to an event again."""

    rules: PageIdentityRules
    assessor_of: AssessorOf
    decide: Callable[[str], Decision]  # by the policy of today, for an address


@contextmanager
def find_in_folders(
    folders: Sequence[Path], given: Sequence[Path], trust: Trust, now: datetime, bundle_id: str
) -> Iterator[VerifiedBundle | None]:
    """Lend a bundle from among files that were given, or that lie in these folders."""
    name = f"{bundle_id}{store_keys.SUFFIX}"
    for path in (
        *(file for file in given if file.name == name),
        *(folder / name for folder in folders),
    ):
        try:
            stream = open_file(path)
        except (FileNotFoundError, NotAFile):
            continue
        with stream:
            report = verify_on_disk(stream, path, trust, now=now)
            yield VerifiedBundle(report=report, stream=stream)
            return
    yield None


@contextmanager
def find_in_store(
    store: ObjectStore, trust: Trust, now: datetime, bundle_id: str
) -> Iterator[VerifiedBundle | None]:
    """Lend a bundle of a store."""
    key = store_keys.bundle_key(bundle_id)
    try:
        stream = store.open(key)
    except FileNotFoundError:
        yield None
        return
    with stream:
        report = verify_in_store(stream, store, key, trust, now=now)
        yield VerifiedBundle(report=report, stream=stream)


@contextmanager
def find_first(finds: Sequence[FindBundle], bundle_id: str) -> Iterator[VerifiedBundle | None]:
    """Lend a bundle from the first place that has it."""
    for find in finds:
        with find(bundle_id) as found:
            if found is not None:
                yield found
                return
    yield None


def mismatch(by: Rederivation, said: Observation, facts: VerifiedFacts, stream: BinaryIO) -> str:
    """
    Return why a bundle does not show what is said of it, by the rules in it; "" if it does.

    Of one from before verdicts were made only the facts of its record are compared: it holds no
    rules.

    Args:
        facts: What its verification established.
        stream: The bundle that was verified.

    Raises:
        ServiceUnavailable: What runs the rules did not answer.
    """
    other = [name for name, value in _stated_by(facts).items() if getattr(said, name) != value]
    if other:
        return f"its record is that of another capture: {', '.join(other)}"
    try:
        files = BundleFiles(stream, facts)
        if assessment.read_assessment(files) is None:
            return ""
        made = assessment.rederive(files, by.assessor_of).assessment
        again = observe(facts, made, proven_at=said.proven_at, rules=by.rules)
    except ServiceUnavailable:
        raise
    except SnapshotterError as error:
        return f"its verdict can not be made again: {error.message}"
    other = _differing(said, again, _APART)
    return f"by the rules in it, it shows something else: {', '.join(other)}" if other else ""


def _stated_by(facts: VerifiedFacts) -> dict[str, object]:
    """Return the fields of an observation that a record states by itself, without any rules."""
    return {
        "bundle_id": facts.bundle_id,
        "sha256": facts.sha256,
        "url": facts.requested_url,
        "at": facts.ended_at,
        "began_at": facts.started_at,
        "vantage": facts.vantage,
        "light": facts.light,
        "key_id": facts.key_id,
    }


def verify_event(
    data: bytes,
    trust: Trust,
    find: FindBundle,
    by: Rederivation,
    *,
    before: PreviousEvent | None = None,
) -> EventReport:
    """
    Return all findings about an event. Never raises for what is in it, or in its bundles.

    Args:
        before: Finds the event before, where events are kept. None: nobody looks for it, and
            which event it was is its signer's own word.

    Raises:
        OSError, SnapshotterError: A bundle is here and can not be read.
    """
    found = read_event_record(data, trust)  # (1)
    event = found.event
    if event is None:
        return found
    looks: dict[str, _Look] = {}
    parts: list[EventCapture] = []
    for part in found.parts:
        bundle_id = part.observation.bundle_id
        if bundle_id not in looks:
            with find(bundle_id) as here:
                look = _look(part.observation, here, by)
            # All captures of an event are held at once, and what is long of none.
            kept = report_excerpt(look.report) if look.report is not None else None
            looks[bundle_id] = replace(look, report=kept)
        parts.append(replace(part, report=looks[bundle_id].report))
    found = check_captures(found, parts, trust)  # (2)
    findings: list[Finding] = []
    notes: list[str] = []
    own_word = list(OWN_WORD)
    for part in parts:
        look = looks[part.observation.bundle_id]
        findings += _verdict(part, look)  # (3)
        left_open = _left_open(part, parts, looks)
        notes += [f"{part.role}: {note}" for note in (*look.notes, *left_open)]
        own_word += [f"{part.role}: {sentence}" for sentence in _own_word(part, parts, looks)]
    findings += _identity(event, parts, looks)
    findings += _accounts(event, parts, looks)
    findings += _conclusion(event, parts, looks)  # (4)
    if not event.previous or before is None:
        own_word.append("previous")
    findings += _previous(event, before, trust)
    found = replace(found, own_word=tuple(dict.fromkeys(own_word)))
    return found.with_more(findings, [*_held_to(event.confirm), *_few_words(event), *notes])


def _held_to(confirm: ConfirmRules) -> Iterator[str]:
    """Say where an event was held to less than is usual: whoever signed it chose that."""
    usual = ConfirmRules()
    said = []
    if confirm.times < usual.times:
        said.append("one capture alone had to say that it is gone")
    if confirm.after < usual.after:
        said.append(f"captures that agree had to be {_span(confirm.after)} apart")
    if not confirm.control:
        said.append("no other page of the host had to be there")
    if said:
        yield (
            f"it was held to less than is usual ({usual.times} captures that agree, "
            f"{_span(usual.after)} apart, with another page of the host in between): "
            + "; ".join(said)
        )


def _few_words(event: Takedown) -> Iterator[str]:
    """Say of what is there, page or control, that it is few words: those may be a notice."""
    if event.last_seen.ambiguous:
        yield (
            f"last seen {event.last_seen.bundle_id} is a page of few words, which may be a notice "
            "that no rule knows"
        )
    for observation in event.controls:
        if observation.ambiguous:
            yield (
                f"its control {observation.bundle_id} is a page of few words, which may be a "
                "notice that no "
                "rule knows: events of today rest on none such"
            )


def _span(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    return f"{seconds} s" if seconds % 60 or not seconds else f"{seconds // 60} min"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One bundle of an event, and what was made of it again."""

    report: Report | None
    again: Observation | None = None  # None: the bundle is not here, or not the one
    asked: str = ""  # identity of its address
    stated: str = ""  # and the other one that it states
    problem: str = ""  # why its verdict can not be made again
    by_today: bool = False  # it holds no rules: the verdict is that of today's
    is_final: bool = True  # its address alone says which page it is of
    notes: tuple[str, ...] = ()


def _look(said: Observation, here: VerifiedBundle | None, by: Rederivation) -> _Look:
    if here is None:
        return _Look(report=None)
    report = here.report
    if report.sha256 != said.sha256 or report.verdict is Verdict.FAILED:
        return _Look(report=report)
    facts = report.established
    if facts is None:
        return _Look(report=report, problem="its record is not a valid capture record")
    notes: list[str] = []
    try:
        files = BundleFiles(here.stream, facts)
        today = _today(files, report.record, by)
        by_today = assessment.read_assessment(files) is None
        if by_today:
            if today is None:
                raise EvidenceInvalid("it holds no verdict, and the rules of today make none")
            notes.append("it holds no verdict: it was judged by the rules of today")
            made = today
        else:
            rederived = assessment.rederive(files, by.assessor_of)
            made = rederived.assessment
            if not rederived.is_same:
                notes.append("its assessment differs in detail from the one that is made now")
        again = observe(facts, made, proven_at=said.proven_at, rules=by.rules)
        shown = stated(facts, made, by.rules)
    except ServiceUnavailable:
        raise
    except SnapshotterError as error:  # also: a file of rules in it is none
        return _Look(report=report, problem=error.message)
    notes += _of_today(made, today)
    if not by_today:
        notes += _own_rules(made, today)
    return _Look(
        report=report,
        again=again,
        asked=again.identity,
        stated=shown,
        by_today=by_today,
        is_final=identities.page_identity(again.url, by.rules).final,
        notes=tuple(notes),
    )


def _today(files: BundleFiles, record: Mapping[str, object], by: Rederivation) -> Assessment | None:
    """Return what the rules of today say; None where they can not be asked."""
    try:
        what = record["what"]
        url = str(what["requested_url"]) if isinstance(what, dict) else ""
        return assessment.assess(record, files, by.decide(url), by.assessor_of)
    except (KeyError, SnapshotterError):
        return None


def _of_today(made: Assessment, today: Assessment | None) -> Iterator[str]:
    if today is None:
        yield "the rules of today could not be asked"
        return
    before, now = made.takedown, today.takedown
    if (before.availability, before.cause, before.takedown) != (
        now.availability,
        now.cause,
        now.takedown,
    ):
        said = _words(before.availability, before.cause)
        yield (
            f"the rules of today say something else: {_words(now.availability, now.cause)} by "
            f"{now.rule or 'no rule'}, and those of the capture {said}"
        )


def _own_rules(made: Assessment, today: Assessment | None) -> Iterator[str]:
    """Name the files of rules in a bundle whose like is not among those of today."""
    if today is None:
        return
    known = {rule_file.id: rule_file for rule_file in today.rule_files}
    for rule_file in made.rule_files:
        now = known.get(rule_file.id)
        if now is None or (now.version == rule_file.version and now.sha256 != rule_file.sha256):
            yield (
                f"its verdict is by rules that are none of those of today: {rule_file.id} "
                f"{rule_file.version} "
                f"(SHA-256 {rule_file.sha256[:16]}…); read them before you believe them"
            )


def _words(availability: object, cause: object) -> str:
    return f"{availability} ({cause})" if cause else str(availability)


def _verdict(part: EventCapture, look: _Look) -> Iterator[Finding]:
    said, made = part.observation, look.again
    if look.problem:
        yield Finding.indeterminate(
            part.role, Code.VERDICT, f"its verdict can not be made again: {look.problem}"
        )
        return
    if made is None:
        return  # what is wrong with the bundle was said
    rules = "the rules of today" if look.by_today else "the rules in its bundle"
    other = [name for name in _DECIDES if getattr(said, name) != getattr(made, name)]
    if other:
        yield Finding(
            check=part.role,
            # Rules that do not lie in the bundle may have been others then.
            verdict=Verdict.INDETERMINATE if look.by_today else Verdict.FAILED,
            code=Code.VERDICT,
            detail=f"the event says {_words(said.availability, said.cause)}, and by {rules} it is "
            f"{_words(made.availability, made.cause)}: {', '.join(other)}",
        )
        return
    names = _differing(said, made, _APART)
    if look.by_today:  # what is read off a page changes with the rules, too
        read = sorted(_READ.intersection(names) - {"rule_files"})
        names = [name for name in names if name not in _READ]
        if read and not names:
            yield Finding.indeterminate(
                part.role,
                Code.VERDICT,
                f"{rules} do not confirm what the event states of it: {', '.join(read)}",
            )
            return
    if names:
        yield Finding.failed(
            part.role,
            Code.VERDICT,
            f"the event says of it what its bundle does not: {', '.join(names)}",
        )
        return
    yield Finding.passed(
        part.role,
        f"{_words(made.availability, made.cause)} by {rules}"
        + (f" ({made.rule})" if made.rule else ""),
    )


def _differing(said: Observation, made: Observation, apart: frozenset[str]) -> list[str]:
    """Return the fields in which two differ, but for those that are judged apart."""
    if not said.account_name:  # records from before it was read say nothing of it
        made = replace(made, account_name="")
    one, other = plain(said), plain(made)
    return sorted(name for name in one if name not in apart and one[name] != other.get(name))


def _left_open(
    part: EventCapture, parts: Sequence[EventCapture], looks: dict[str, _Look]
) -> Iterator[str]:
    """Tell what an event does not say of a capture, or says of it with less than there is."""
    said, look = part.observation, looks[part.observation.bundle_id]
    made = look.again
    if made is None:
        return
    if not said.account and (known := _known_accounts(part, parts, looks)):
        yield f"the event names no account for it; its captures name {', '.join(sorted(known))}"
    if made.account_name and not said.account_name:
        yield "the event does not state the name of the account that the page shows"
    proven = look.report.proven_time if look.report is not None else None
    if proven is not None and said.proven_at is None:
        yield f"the event states no proven time of it; by the tokens here it is {instant(proven)}"
    elif (
        proven is not None
        and said.proven_at is not None
        and said.proven_at > proven
        and not are_one(said.proven_at, proven)
    ):
        yield (
            f"the event states the proven time {instant(said.proven_at)}; by the tokens here it is "
            f"{instant(proven)}, which is earlier"
        )


def _own_word(
    part: EventCapture, parts: Sequence[EventCapture], looks: dict[str, _Look]
) -> Iterator[str]:
    """Name the fields of a capture that nothing here confirms or contradicts."""
    said, look = part.observation, looks[part.observation.bundle_id]
    if look.again is None:
        return
    if look.by_today and plain(said.rule_files) != plain(look.again.rule_files):
        yield "rule_files"
    if said.account and not _known_accounts(part, parts, looks):
        yield "account"


def _named(part: EventCapture, looks: dict[str, _Look]) -> tuple[str, str]:
    """Return the identity of a capture, and its account, as all captures together show them."""
    look = looks[part.observation.bundle_id]
    led = {other.stated for other in looks.values() if other.asked == look.asked and other.stated}
    identity = led.pop() if len(led) == 1 else look.asked
    account = look.again.account if look.again is not None else ""
    return identity, account or identities.account_of_identity(identity)


def _identity(
    event: Takedown, parts: Sequence[EventCapture], looks: dict[str, _Look]
) -> Iterator[Finding]:
    """See that each capture is of the page, or of the account, that the event is about."""
    of_account = event.kind in _OF_ACCOUNTS
    about = {event.identity}
    if of_account:  # its captures are of one page, which no control is of
        about |= {
            _named(part, looks)[0] for part in parts if part.role in ("last seen", "first gone")
        }
    for part in parts:
        look = looks[part.observation.bundle_id]
        if look.again is None:
            continue
        # What a page says of itself is read off it by rules, which today may be others.
        is_open = look.by_today and (of_account or not look.is_final)
        for detail in _not_of_it(event, part, parts, looks, about):
            yield _other_page(event, detail, is_open=is_open)


def _not_of_it(
    event: Takedown,
    part: EventCapture,
    parts: Sequence[EventCapture],
    looks: dict[str, _Look],
    about: set[str],
) -> Iterator[str]:
    """Yield why a capture is not of the page, or the account, that an event has it stand for."""
    said, look = part.observation, looks[part.observation.bundle_id]
    identity, account = _named(part, looks)
    if part.role.startswith(("address", "control")) and said.identity not in (identity, look.asked):
        yield f"{part.role} is of {identity}"
    if part.role.startswith("address"):
        others = [other for other in parts if not other.role.startswith("address")]
        are_here = all(looks[other.observation.bundle_id].again is not None for other in others)
        if are_here and not any(_is_of_one_page(part, other, looks) for other in others):
            yield f"{part.role} is of a page of which the event has no other capture"
    elif part.role.startswith("control"):
        if identity in about:
            yield f"{part.role} is of the page itself"
        elif part.report is not None and not is_of_its_host(part.report.established):
            yield f"{part.role} led to another host"
    elif said.identity != identity:
        yield f"{part.role} is of {identity}"
    elif event.kind not in _OF_ACCOUNTS:
        if identity != event.identity:
            yield f"{part.role} is of {identity}"
    elif said.account == event.identity:
        # Its page may name its account nowhere else than in another capture of it.
        if _known_accounts(part, parts, looks) != {event.identity}:
            yield f"{part.role} is of {account or 'no account that is known'}"
    elif account != event.identity:
        yield f"{part.role} is of {account}"


def _other_page(event: Takedown, detail: str, *, is_open: bool) -> Finding:
    return Finding(
        check="identity",
        verdict=Verdict.INDETERMINATE if is_open else Verdict.FAILED,
        code=Code.IDENTITY,
        detail=f"the event is about {event.identity}, and {detail}"
        + (", by the rules of today" if is_open else ""),
    )


def _is_of_one_page(one: EventCapture, other: EventCapture, looks: dict[str, _Look]) -> bool:
    """Whether two captures asked for one address, or are of one page."""
    first, second = (looks[part.observation.bundle_id] for part in (one, other))
    return first.asked == second.asked or _named(one, looks)[0] == _named(other, looks)[0]


def _accounts(
    event: Takedown, parts: Sequence[EventCapture], looks: dict[str, _Look]
) -> Iterator[Finding]:
    """Compare the account that an event names for each capture with those that captures name."""
    for part in parts:
        said = part.observation.account
        if looks[part.observation.bundle_id].again is None:
            continue
        known = _known_accounts(part, parts, looks)
        if said and known and said not in known:
            names = ", ".join(sorted(known))
            detail = f"it names the account {said} for {part.role}; its captures name {names}"
            by_today = looks[part.observation.bundle_id].by_today
            yield _other_page(event, detail, is_open=by_today)


def _known_accounts(
    part: EventCapture, parts: Sequence[EventCapture], looks: dict[str, _Look]
) -> set[str]:
    """Return the accounts that captures of a page name, and that its identity names."""
    identity, account = _named(part, looks)
    return {account, *_accounts_of(identity, parts, looks)} - {""}


def _accounts_of(identity: str, parts: Sequence[EventCapture], looks: dict[str, _Look]) -> set[str]:
    return {
        account
        for part in parts
        for page, account in (_named(part, looks),)
        if page == identity and looks[part.observation.bundle_id].again is not None
    }


def _conclusion(
    event: Takedown, parts: Sequence[EventCapture], looks: dict[str, _Look]
) -> Iterator[Finding]:
    if event_id(event) != event.event_id:
        yield Finding.failed(
            "conclusion", Code.CONCLUSION, "its id is not the one that its captures give"
        )
    made = {
        part.observation.bundle_id: replace(
            look.again,
            identity=part.observation.identity,
            account=part.observation.account,
        )
        for part in parts
        if (look := looks[part.observation.bundle_id]).again is not None
    }
    if len(made) < len(looks):
        yield Finding.indeterminate(
            "conclusion",
            Code.CONCLUSION,
            "not all of its captures are here as they have to be: it can not be concluded again",
        )
        return
    found = conclude_again(event, list(made.values()))
    if found is None and conclude_again(event, _as_then(made, parts, looks)) is not None:
        yield Finding(
            check="conclusion",
            # As of a single verdict: the rules by which it was concluded may have been others.
            verdict=Verdict.INDETERMINATE,
            code=Code.CONCLUSION,
            detail="by the rules of today the event does not follow from its captures, some of "
            "which hold no rules; by its own verdicts of those captures it does",
        )
        return
    if found is None:
        yield Finding.failed(
            "conclusion", Code.CONCLUSION, "the event does not follow from its captures"
        )
        return
    yield Finding.passed(
        "conclusion", "concluded again from exactly these captures, and it is the same"
    )


def _as_then(
    made: dict[str, Observation], parts: Sequence[EventCapture], looks: dict[str, _Look]
) -> list[Observation]:
    """Return the captures, with the event's own verdict of each that holds no rules."""
    then = dict(made)
    for part in parts:
        bundle_id = part.observation.bundle_id
        if looks[bundle_id].by_today:
            then[bundle_id] = with_recorded_verdict(part.observation, made[bundle_id])
    return list(then.values())


def with_recorded_verdict(said: Observation, made: Observation) -> Observation:
    """Return a capture with the verdict that a record names for it, and all else as it was made."""
    return replace(made, **{name: getattr(said, name) for name in BY_RULES})


def _previous(event: Takedown, before: PreviousEvent | None, trust: Trust) -> Iterator[Finding]:
    if not event.previous:
        if _needs_one_before(event):
            yield _of_previous(
                Verdict.FAILED, "an event of this kind needs an event before it, but it names none"
            )
        return
    if before is None:
        return
    found = before(event.previous)
    if found is None:
        detail = f"the event before it is not here (SHA-256 {event.previous[:16]}…)"
        yield _of_previous(Verdict.INDETERMINATE, detail)
        return
    earlier, key_id = found
    told = f"{earlier.event_id}, {earlier.kind}"
    if why := _does_not_follow(event, earlier):
        detail = f"it names {told}, as the event before it, but {why}"
        yield _of_previous(Verdict.FAILED, detail)
        return
    key = trust.key(key_id)
    if key is None or judge_key(key, None)[0] is Verdict.FAILED:
        why = "which is not trusted" if key is None else "which is void"
        # By its digest it is the record that is named: nothing is said against this event.
        detail = f"the event before it, {earlier.event_id}, is signed by the key {key_id}, {why}"
        yield _of_previous(Verdict.INDETERMINATE, detail)
        return
    if _came_back_with_other_words(event, earlier):
        detail = (
            "the page that came back has few words, and they are not the text of which the event "
            f"before it, {earlier.event_id}, is certain"
        )
        yield _of_previous(Verdict.INDETERMINATE, detail)
        return
    yield Finding.passed(
        "previous", f"the event before it is {told}; its own captures were not looked at here"
    )


def _of_previous(verdict: Verdict, detail: str) -> Finding:
    return Finding(check="previous", verdict=verdict, code=Code.PREVIOUS, detail=detail)


def _needs_one_before(event: Takedown) -> bool:
    """Whether the state that an event ends was not that all is well."""
    if event.kind in (TakedownKind.REINSTATED, TakedownKind.ACCOUNT_RESTORED):
        return True
    return event.kind is TakedownKind.ACCOUNT_CHANGED and bool(account_state_in(event.ends[0]))


def _does_not_follow(event: Takedown, earlier: Takedown) -> str:
    """Return why an event can not be the one behind another; "" where it can."""
    if earlier.identity != event.identity:
        return "that event is about something else"
    if earlier.kind not in _AFTER[event.kind]:
        return f"{event.kind} cannot follow that event"
    if event.kind in _OF_ACCOUNTS and (account_state_in(event.ends[0]) or "") != earlier.state:
        return "that event left the account in another state"
    # What came before an event plays no part in the next one.
    if capture_order_key(event.ends[0]) < capture_order_key(last_capture_of_event(earlier)):
        return "its first capture is older than the capture that concluded that event"
    return ""


def _came_back_with_other_words(event: Takedown, earlier: Takedown) -> bool:
    """Whether what came back are few words, where the page's text was certain before."""
    back, there = event.last_seen, earlier.last_seen
    certain = there.availability is Availability.AVAILABLE and not there.ambiguous
    return (
        event.kind is TakedownKind.REINSTATED
        and back.ambiguous
        and certain
        and back.main_sha256 != there.main_sha256
    )
