"""
Is the thing still there? In the order of docs/reference/takedown-rules.md; the first answer counts.

    (1) walls: by final address, then by structure and data
    (2) content: it is there, outside any notice, and no phrase of (7) is its title or heading
    (3) notices by structure and by address, then the platform's own errors
    (4) notices in the page's data
    (5) HTTP status
    (6) a page that has the shape of a notice, in words that no rule knows
    (7) a general phrase for something that is gone, on a host that no rule file knows
    (8) what is content only if it is nothing else
    (9) nothing: inconclusive

A wall is never a removal, and nothing is guessed: what no rule knows is inconclusive.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from snapshotter.assess.phrases import phrase
from snapshotter.assess.rules import (
    TITLE,
    Found,
    addresses_in_data,
    evidence,
    extract,
    is_at,
    match,
    matches_address,
    messages,
    says,
)
from snapshotter.assess.stub import stub
from snapshotter.assess.view import View, address, parameter
from snapshotter.model.assessment import (
    MAX_EXCERPT,
    AccountState,
    Availability,
    Cause,
    Evidence,
    Label,
    Step,
    TakedownVerdict,
    Undecided,
)
from snapshotter.model.page import Page
from snapshotter.model.rules import (
    About,
    ContentRule,
    ErrorRule,
    Match,
    MessageRule,
    NoticeRule,
    RuleSet,
    WallRule,
)
from snapshotter.policy.patterns import compile_pattern

_MAX_QUOTED = 20
_MAX_RAW = 3  # answers in which content is looked for that the page does not show
_ERRORS = 500  # HTTP statuses from here on are the server's own trouble
_BAD = 400  # statuses from here on show no content
_FILE = ContentRule(about=About(id="content.file"))  # the same for all hosts
_CONVENTION = ", as researchers read this code; the platform does not say so"
_CAUSES = {
    Cause.AUTHOR: "deleted by its author",
    Cause.PLATFORM_RULE: "removed under the platform's rules",
    Cause.COMPLAINT_MANY: "removed after many complaints",
    Cause.COMPLAINT_IP: "removed after a complaint about rights",
    Cause.ACCOUNT_BLOCKED: "the account is blocked",
    Cause.ACCOUNT_CLOSED: "the account was closed by its owner",
    Cause.ACCOUNT_FROZEN: "the account is frozen",
    Cause.ACCOUNT_ABNORMAL: "the account is called abnormal",
    Cause.MOVED: "moved",
    Cause.REVIEW_FAILED: "it did not pass a review",
    Cause.OWNER_SETTING: "its owner does not show it: no take-down",
    Cause.TEMPORARY: "not to be seen for now",
    Cause.EXPIRED: "the link has ended",
    Cause.REFUTED: "the platform shows a refutation instead",
    Cause.LEGAL: "for legal reasons",
    Cause.NOT_STATED: "no cause is stated",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A verdict, and what on the page it was made of."""

    verdict: TakedownVerdict
    content: tuple[Evidence, ...] = ()  # that content is there, or lies in what was received
    partial: tuple[Evidence, ...] = ()  # that some of it is held back


@dataclass(frozen=True, slots=True)
class _Notice:
    """A notice that was found."""

    rules: RuleSet
    rule: NoticeRule
    found: Found
    step: Step
    via: MessageRule | None = None  # the place where its words were, if that is not its own


_LITTLE = (
    "something is there, and little: no rule knows how this host says that something is gone, "
    "and its words would look the same"
)


@dataclass(slots=True)
class _Content:
    """Where content is, on a page or in what was received."""

    rules: str  # id of the file; "" for what is the same everywhere
    rule: ContentRule
    found: Found
    main: Any = None
    others: list[Any] = field(default_factory=list)


def judge(view: View, sets: Sequence[RuleSet]) -> Judged:
    """
    Return whether the thing at an address is there.

    Args:
        sets: The rules for the page's host, in the order of matching.
    """
    if view.page.failure and not view.page.html:
        return Judged(verdict=_undecided(Undecided.ERROR, f"no page: {view.page.failure}"))
    present = content(view, sets, last=False)
    inside = [present.main, *present.others] if present is not None else []
    if (wall := _wall(view, sets, inside)) is not None:
        return wall
    if present is not None:
        said = None if present.rule is _FILE else _general_phrase(view, sets, explained=True)
        return said or _available(view, sets, present)
    notice = _notice(view, sets)
    if notice is None and (error := _error(view, sets)) is not None:
        return error
    if notice is None and (unknown := _unknown_words(view, sets)) is not None:
        return unknown
    notice = notice or _by_address(view, sets) or _in_data(view, sets) or _by_status(view, sets)
    if notice is not None:
        return _gone(view, sets, notice)
    if (shape := _of_unknown_shape(view, sets)) is not None:
        return shape
    if (said := _general_phrase(view, sets)) is not None:
        return said
    if (present := content(view, sets, last=True)) is not None:
        return _available(view, sets, present)
    return _nothing(view, sets)


def content(view: View, sets: Sequence[RuleSet], *, last: bool) -> _Content | None:
    """
    Return where a page's content is; None where there is none, or too little.

    Files for all hosts are asked only about hosts that no other file knows: a page that a
    site's own file does not call content is none, however much text it has. A front page
    that came for another one is content of itself alone.
    """
    if view.page.status is not None and view.page.status >= _BAD:
        return None
    if view.led_to_front_page:
        return None
    if (file := _file(view, sets)) is not None:
        return file
    own = [it for it in sets if not it.everywhere and it.contents]
    for rules in own or sets:
        notices = _notice_elements(view, rules)
        for rule in rules.contents:
            if rule.last is not last or (rule.url and not is_at(rule.url, view.address)):
                continue
            if not all(_outside(view, it, notices) for it in rule.all):
                continue
            found = _rich_enough(view, rules, rule, notices)
            if found is not None:
                return found
    return None


def _rich_enough(
    view: View, rules: RuleSet, rule: ContentRule, notices: Sequence[Any]
) -> _Content | None:
    if rule.json:
        found = match(view, Match(json=rule.json), rules.normalise)
        return None if found is None else _Content(rules.file.id, rule, found)
    rich: _Content | None = None
    for selector in rule.any:
        for element in _outside(view, selector, notices):
            if rich is not None:
                rich.others.append(element)
                continue
            length = view.count(
                element, links=rule.count_links, framed=rule.count_frame, without=notices
            )
            has_text = rule.min_text and length >= rule.min_text
            if has_text or (
                rule.min_images and view.pictures(element, rule.min_images) >= rule.min_images
            ):
                text = view.text(element)
                shown = Found("select", view.selector(element), text.strip(), element)
                rich = _Content(rules.file.id, rule, shown, element)
    return rich


def _file(view: View, sets: Sequence[RuleSet]) -> _Content | None:
    """A file that is no page of text (PDF, image, data) is what was asked for."""
    kind = view.page.media_type
    is_page = kind in ("", "text/html", "application/xhtml+xml")
    if is_page or view.page.status is None or view.page.failure:
        return None
    if any(not it.everywhere for it in sets) and "json" in kind:
        return None  # data of a site whose rules do not know it
    return _Content("", _FILE, Found("status", "content-type", kind))


def _outside(view: View, selector: str, notices: Sequence[Any]) -> list[Any]:
    """Return the elements of a selector that lie in no notice."""
    return [it for it in view.select(selector) if not view.is_inside(it, notices)]


def _notice_elements(view: View, rules: RuleSet) -> list[Any]:
    authored = _authored(view, rules)
    return [
        element
        for selector in rules.notice_shape
        for element in view.select(selector)
        if not view.is_inside(element, authored) and view.text(element).strip()
    ]


def _authored(view: View, rules: RuleSet) -> list[Any]:
    """Return the elements that authors fill: what looks like a notice in there is theirs."""
    return [it for selector in rules.authored for it in view.select(selector)]


# (1) Walls


def _wall(view: View, sets: Sequence[RuleSet], inside: Sequence[Any]) -> Judged | None:
    """A wall in an article is something that the article shows."""
    # The whole document is no article: what stands in it may well be a wall.
    articles = [it for it in inside if it is not None and it.tag not in ("html", "body")]
    for ways in (("url",), ("select", "script", "json", "header", "status")):
        for rules in sets:
            outside = [*articles, *_authored(view, rules)]
            for rule in rules.walls:
                # Sites ship their walls hidden, with every page. Of a page that shows nothing
                # else a hidden one tells more than nothing.
                found = match(
                    view, rule.match, rules.normalise, ways=ways, outside=outside, seen=bool(inside)
                )
                if found is not None:
                    return _walled(view, rules, rule, found)
    return None


def _walled(view: View, rules: RuleSet, rule: WallRule, found: Found) -> Judged:
    step = {"url": Step.WALL_URL, "json": Step.JSON, "status": Step.STATUS}
    words = str(rule.kind).replace("_", " ")
    verdict = _undecided(
        Undecided.WALL,
        f"a wall ({words}) stands before the page, and says nothing about it",
        evidence(
            view, rule.about.id, rules.file.id, step.get(found.way, Step.WALL_STRUCTURE), found
        ),
        rule=rule.about.id,
        rules=rules.file.id,
        grade=rule.about.grade,
        wall=rule.kind,
        gloss=rule.about.gloss,
        notice=found.text[:MAX_EXCERPT] if found.way == "select" else "",
    )
    return Judged(verdict=verdict)


# (2) and (7) Content


def _available(view: View, sets: Sequence[RuleSet], present: _Content) -> Judged:
    shown = evidence(view, present.rule.about.id, present.rules, Step.CONTENT, present.found)
    quoted = tuple(_quoted(view, sets))
    detail = "the content is there" + (", and something that it shows is gone" if quoted else "")
    if present.rule.last:
        detail = _LITTLE
    verdict = TakedownVerdict(
        availability=Availability.AVAILABLE,
        detail=detail,
        # What is little enough to be a notice, on a host whose notices nobody has described.
        ambiguous=present.rule.last,
        rule=present.rule.about.id,
        rules=present.rules,
        grade=present.rule.about.grade,
        evidence=(shown,),
        labels=tuple(_labels(view, sets)),
        accounts=tuple(_accounts(view, sets)),
        quoted=quoted,
    )
    partial = tuple(
        evidence(view, rule.about.id, rules.file.id, Step.CONTENT, found)
        for rules in sets
        for rule in rules.partials
        if (found := match(view, rule.match, rules.normalise)) is not None
    )
    return Judged(verdict=verdict, content=(shown,), partial=partial)


def _labels(view: View, sets: Sequence[RuleSet]) -> Iterator[Label]:
    for rules in sets:
        for rule in rules.labels:
            found = match(view, rule.match, rules.normalise)
            if found is not None:
                yield Label(
                    label=rule.label,
                    text=found.text[:MAX_EXCERPT],
                    evidence=evidence(view, rule.about.id, rules.file.id, Step.CONTENT, found),
                )


def _accounts(view: View, sets: Sequence[RuleSet]) -> Iterator[AccountState]:
    for rules in sets:
        for rule in rules.accounts:
            found = match(view, rule.match, rules.normalise)
            if found is not None:
                yield AccountState(
                    state=rule.state,
                    text=found.text[:MAX_EXCERPT],
                    evidence=evidence(view, rule.about.id, rules.file.id, Step.CONTENT, found),
                    account=account_of(view, (rules,)),
                )


def account_of(view: View, sets: Sequence[RuleSet]) -> str:
    """Return whose page it is, as it says itself: "wechat:MzA…"; "" where it does not."""
    for rules in sets:
        where = rules.account_id
        if where is None:
            continue
        values: list[object] = []
        for url in (view.url, view.page.requested_url) if where.query else ():
            values.append(parameter(url, where.query))
        if where.script and (place := view.in_scripts(where.script)) is not None:
            values.append(place[1][1])
        if where.json and (datum := view.datum(where.json)) is not None:
            values.append(datum.value)
        if where.url:
            values.extend(_groups(view, where.url))
        for value in values:
            text = str(value) if isinstance(value, str | int) and value is not True else ""
            if text and len(text) <= 100 and not any(it.isspace() for it in text):
                return f"{where.prefix}{text}"
    return ""


def _groups(view: View, pattern: str) -> Iterator[str]:
    for url in (view.url, view.page.requested_url):
        if found := compile_pattern(pattern).match(address(url)):
            yield found[1] or ""


def _quoted(view: View, sets: Sequence[RuleSet]) -> Iterator[Evidence]:
    """Yield notices that stand where a page shows another one."""
    seen: set[tuple[str, str]] = set()
    for rules in sets:
        for found in _quotes(view, rules):
            rule = _known(rules, found.text)
            if rule is None or (rule.about.id, found.text) in seen:
                continue
            seen.add((rule.about.id, found.text))
            step = Step.JSON if found.way == "json" else Step.NOTICE
            yield evidence(view, rule.about.id, rules.file.id, step, found)
            if len(seen) == _MAX_QUOTED:
                return


def _quotes(view: View, rules: RuleSet) -> Iterator[Found]:
    for selector in rules.quoted.select:
        for element in view.select(selector):
            text = view.text(element).strip()
            if text:
                yield Found("select", view.selector(element), text, element)
    for path in rules.quoted.json:
        datum = view.datum(path)
        if datum is not None and isinstance(datum.value, str) and datum.value.strip():
            yield Found("json", path, datum.value)


def _known(rules: RuleSet, text: str) -> NoticeRule | None:
    """Return the notice of a file that says these words, wherever they stand."""
    for rule in rules.notices:
        if rule.match.has_words and says(rule.match, text, rules.normalise):
            return rule
    return None


# (3) Notices by structure


def _notice(view: View, sets: Sequence[RuleSet]) -> _Notice | None:
    for rules in sets:
        others = [it for selector in rules.quoted.select for it in view.select(selector)]
        others += _authored(view, rules)
        for rule in rules.notices:
            found = match(view, rule.match, rules.normalise, ways=("select",), outside=others)
            if found is not None:
                return _Notice(rules, rule, found, Step.NOTICE)
        for via, found in messages(view, rules):
            known = _known(rules, found.text)
            if known is not None:
                step = Step.JSON if found.way == "json" else Step.NOTICE
                return _Notice(rules, known, found, step, via)
    return None


def _by_address(view: View, sets: Sequence[RuleSet]) -> _Notice | None:
    for rules in sets:
        for rule in rules.notices:
            found = match(view, rule.match, rules.normalise, ways=("url", "script"))
            if found is not None:
                return _Notice(rules, rule, found, Step.NOTICE)
    return None


def _error(view: View, sets: Sequence[RuleSet]) -> Judged | None:
    for rules in sets:
        for rule in rules.errors:
            found = match(view, rule.match, rules.normalise)
            if found is not None:
                return _errors(view, rules, rule, found)
    return None


def _errors(view: View, rules: RuleSet, rule: ErrorRule, found: Found) -> Judged:
    return Judged(
        verdict=_undecided(
            Undecided.ERROR,
            "the platform shows an error of its own: check the address itself",
            evidence(view, rule.about.id, rules.file.id, Step.NOTICE, found),
            rule=rule.about.id,
            rules=rules.file.id,
            grade=rule.about.grade,
            notice=found.text[:MAX_EXCERPT],
        )
    )


def _unknown_words(view: View, sets: Sequence[RuleSet]) -> Judged | None:
    """Words of a notice in an address or in data, which no rule knows."""
    for rules in sets:
        for _, found in messages(view, rules):
            return _unknown(view, rules, found, "")
    return None


# (4) Notices in data


def _in_data(view: View, sets: Sequence[RuleSet]) -> _Notice | None:
    for rules in sets:
        for via, found in addresses_in_data(view, rules):
            for rule in rules.notices:
                if matches_address(rule.match, found.text):
                    return _Notice(rules, rule, found, Step.JSON, via)
        for rule in (*rules.jsons, *rules.notices):
            found_data = match(view, rule.match, rules.normalise, ways=("json",))
            if found_data is not None:
                return _Notice(rules, rule, found_data, Step.JSON)
    return None


# (5) HTTP status


def _by_status(view: View, sets: Sequence[RuleSet]) -> _Notice | None:
    for rules in sets:
        for rule in rules.statuses:
            found = match(view, rule.match, rules.normalise)
            if found is not None:
                return _Notice(rules, rule, found, Step.STATUS)
    return None


# (6) The shape of a notice


def _of_unknown_shape(view: View, sets: Sequence[RuleSet]) -> Judged | None:
    for rules in sets:
        authored = _authored(view, rules)
        for selector in (*rules.notice_shape, *_places_without_content(view, rules)):
            for element in view.select(selector):
                if view.is_inside(element, authored):
                    continue
                text = view.text(element).strip()
                if text:
                    inner, words = _heading(view, element, text)
                    found = Found("select", view.selector(inner), words, inner)
                    return _unknown(view, rules, found, selector)
    return None


def _places_without_content(view: View, rules: RuleSet) -> Iterator[str]:
    """Yield where content would stand, on a page that lacks what goes with it: its author."""
    for rule in rules.contents:
        if any(not view.select(it) for it in rule.all):
            yield from rule.any


def _heading(view: View, element: Any, text: str) -> tuple[Any, str]:
    """Return the first element in a notice whose text is its first line: that is what it says."""
    first = next(line.strip() for line in text.splitlines() if line.strip())
    inner = element
    for _ in range(200):
        below = next(
            (
                it
                for it in inner
                if isinstance(it.tag, str) and view.text(it).strip().startswith(first)
            ),
            None,
        )
        if below is None:
            break
        inner = below
    return inner, view.text(inner).strip()


def _unknown(view: View, rules: RuleSet, found: Found, shape: str) -> Judged:
    verdict = _undecided(
        Undecided.UNKNOWN_NOTICE,
        "this has the shape of a notice, and no rule knows its words",
        evidence(view, "content.unknown-notice", rules.file.id, Step.SHAPE, found),
        notice=found.text[:MAX_EXCERPT],
        rules=rules.file.id,
        stub=stub(view, rules, found, shape),
    )
    return Judged(verdict=replace(verdict, accounts=tuple(_accounts(view, [rules]))))


# (7) General phrases

_GENERAL = (
    "the page has little text and a general phrase for something that is gone; no rule knows how "
    "this host says it"
)


def _general_phrase(
    view: View, sets: Sequence[RuleSet], *, explained: bool = False
) -> Judged | None:
    if view.page.status is not None and view.page.status >= _BAD:
        return None
    said = phrase(view, sets, explained=explained)
    if said is None:
        return None
    about, found = said.rule.about, said.found
    select = TITLE if found.element.tag == "title" else str(found.element.tag)
    verdict = _undecided(
        Undecided.UNKNOWN_NOTICE,
        _GENERAL,
        evidence(view, about.id, said.rules.file.id, Step.SHAPE, found),
        rule=about.id,
        rules=said.rules.file.id,
        grade=about.grade,
        gloss=about.gloss,
        notice=found.text[:MAX_EXCERPT],
        stub=stub(view, said.rules, found, "", select),
    )
    return Judged(verdict=verdict)


# Verdicts


def _gone(view: View, sets: Sequence[RuleSet], notice: _Notice) -> Judged:
    rules, rule, found = notice.rules, notice.rule, notice.found
    shown = [evidence(view, rule.about.id, rules.file.id, notice.step, found)]
    if notice.via is not None:
        shown.append(evidence(view, notice.via.about.id, rules.file.id, notice.step, found))
    values = extract(view, rule, found)
    for detail in rules.notices:
        if rule.about.id not in detail.detail_of:
            continue
        small = match(view, detail.match, rules.normalise, ways=("select",))
        if small is not None and small.element is not found.element:
            shown.append(evidence(view, detail.about.id, rules.file.id, Step.NOTICE, small))
            values = {**values, **extract(view, detail, small)}
    accounts = list(_accounts(view, sets))
    if rule.account and all(it.state != rule.account for it in accounts):
        state = AccountState(
            state=rule.account,
            text=found.text[:MAX_EXCERPT],
            evidence=shown[0],
            account=account_of(view, (rules,)),
        )
        accounts.append(state)
    labels = list(_labels(view, sets))
    if rule.label and all(it.label != rule.label for it in labels):
        labels.append(Label(label=rule.label, text=found.text[:MAX_EXCERPT], evidence=shown[0]))
    has_words = found.way in ("select", "json") or bool(rule.match.has_words)
    verdict = TakedownVerdict(
        availability=Availability.UNAVAILABLE,
        detail=_CAUSES[rule.cause] + (_CONVENTION if rule.convention else ""),
        cause=rule.cause,
        rule=rule.about.id,
        rules=rules.file.id,
        grade=rule.about.grade,
        notice=found.text[:MAX_EXCERPT] if has_words else "",
        notice_detail=values.get("detail", "")[:MAX_EXCERPT],
        gloss=rule.about.gloss,
        cited_rule=values.get("cited_rule", ""),
        rule_id=values.get("rule_id", ""),
        moved_to=values.get("moved_to", ""),
        convention=rule.convention,
        ambiguous=rule.ambiguous,
        needs_control=rule.needs_control,
        takedown=rule.takedown,
        evidence=tuple(shown),
        labels=tuple(labels),
        accounts=tuple(accounts),
    )
    return Judged(verdict=verdict, content=tuple(_received(view, sets)))


def _received(view: View, sets: Sequence[RuleSet]) -> Iterator[Evidence]:
    """Yield content that lies in what was received, of a page that shows none."""
    answers = [it for it in (*view.page.raw_before, view.page.raw) if it]
    for raw in answers[-_MAX_RAW:]:
        page = Page(
            requested_url=view.page.requested_url,
            final_url=view.page.requested_url,
            captured_at=view.page.captured_at,
            timezone=view.page.timezone,
            locale=view.page.locale,
            html=view.markup(raw),
        )
        received = View(page, view.selectors)
        present = content(received, sets, last=False)
        if present is not None:
            found = replace(present.found, element=None, region=f"received: {present.found.region}")
            yield evidence(view, present.rule.about.id, present.rules, Step.CONTENT, found)


def _nothing(view: View, sets: Sequence[RuleSet]) -> Judged:
    status = view.page.status
    if view.page.failure:
        return Judged(verdict=_undecided(Undecided.ERROR, f"no page: {view.page.failure}"))
    if status is not None and status >= _BAD:
        whose = "an error of the server" if status >= _ERRORS else "a refusal"
        found = Found("status", "status", f"HTTP {status}")
        return Judged(
            verdict=_undecided(
                Undecided.ERROR,
                f"HTTP {status}: {whose}, which says nothing about the page",
                evidence(view, "content.error", "", Step.STATUS, found),
            )
        )
    words = "no rule knows what this page shows"
    if view.led_to_front_page:
        words = "the front page of its host came in its place, and says nothing about it"
    verdict = _undecided(Undecided.UNKNOWN, words)
    return Judged(verdict=replace(verdict, accounts=tuple(_accounts(view, sets))))


def _undecided(why: Undecided, detail: str, *shown: Evidence, **more: Any) -> TakedownVerdict:
    return TakedownVerdict(
        availability=Availability.INCONCLUSIVE,
        undecided=why,
        detail=detail,
        evidence=shown,
        **more,
    )
