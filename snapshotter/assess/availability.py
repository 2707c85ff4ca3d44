"""
Judge whether a page is still available (its take-down verdict).

The steps have the order of docs/reference/takedown-rules.md:

    (1) walls: by final address, then by structure and data
    (2) content: it is there, outside any notice, and no phrase of (7) is its title or heading
    (3) notices by structure, and by words in an address; then the platform's own errors;
        then notices by address
    (4) notices in the page's data
    (5) HTTP status
    (6) a page that has the shape of a notice, in words that no rule has
    (7) a general phrase for something that is gone, on a host without a rule file
    (8) content by a rule with `last`, which counts only if none of the steps above applies
    (9) nothing: inconclusive

The first step that applies decides. A wall is never a removal. Nothing is guessed: a page that
no rule matches is inconclusive.
"""

from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from typing import Any

from snapshotter.assess.page_view import PageView, address_for_patterns, url_parameter
from snapshotter.assess.phrases import find_removal_phrase
from snapshotter.assess.rule_matching import (
    TITLE,
    RuleMatch,
    address_matches,
    addresses_in_data,
    extract,
    make_evidence,
    match,
    matches_address,
    notice_messages,
    text_matches_rule,
)
from snapshotter.assess.rule_stub import stub
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
    ContentRule,
    ErrorRule,
    Match,
    MessageRule,
    NoticeRule,
    RuleDescription,
    RuleSet,
    WallRule,
)
from snapshotter.policy.patterns import compile_pattern
from snapshotter.value_class import dataclass

_MAX_QUOTED = 20
_MAX_RAW = 3  # answers in which content is looked for that the page does not show
_ERRORS = 500  # HTTP statuses from here on are the server's own trouble
_BAD = 400  # statuses from here on show no content
_FILE = ContentRule(about=RuleDescription(id="content.file"))  # the same for all hosts
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
class TakedownJudgement:
    """A verdict, and the evidence on the page that it was made from."""

    verdict: TakedownVerdict
    content: tuple[Evidence, ...] = ()  # that content is there, or lies in what was received
    partial: tuple[Evidence, ...] = ()  # that some of it is held back


@dataclass(frozen=True, slots=True)
class _Notice:
    """A notice that was found."""

    rules: RuleSet
    rule: NoticeRule
    found: RuleMatch
    step: Step
    via: MessageRule | None = None  # the place where its words were, if that is not its own


_LITTLE = (
    "something is there, and little: no rule knows how this host says that something is gone, "
    "and its words would look the same"
)


@dataclass(slots=True)
class _Content:
    """The place of content on a page, or in the response."""

    rules: str  # id of the file; "" for what is the same everywhere
    rule: ContentRule
    found: RuleMatch
    main: Any = None
    others: list[Any] = field(default_factory=list)


def judge(view: PageView, rule_sets: Sequence[RuleSet]) -> TakedownJudgement:
    """
    Return whether the page at an address is available.

    Args:
        rule_sets: The rules for the page's host, in the order of matching.
    """
    if view.page.failure and not view.page.html:
        return TakedownJudgement(
            verdict=_undecided(Undecided.ERROR, f"no page: {view.page.failure}")
        )
    present = _find_content(view, rule_sets, last=False)
    inside = [present.main, *present.others] if present is not None else []
    if (wall := _wall(view, rule_sets, inside)) is not None:
        return wall
    if present is not None:
        said = None if present.rule is _FILE else _general_phrase(view, rule_sets, explained=True)
        return said or _available(view, rule_sets, present)
    notice = _notice(view, rule_sets)
    if notice is None and (error := _error(view, rule_sets)) is not None:
        return error
    if notice is None and (unknown := _unknown_words(view, rule_sets)) is not None:
        return unknown
    notice = (
        notice
        or _by_address(view, rule_sets)
        or _in_data(view, rule_sets)
        or _by_status(view, rule_sets)
    )
    if notice is not None:
        return _gone(view, rule_sets, notice)
    if (shape := _of_unknown_shape(view, rule_sets)) is not None:
        return shape
    if (said := _general_phrase(view, rule_sets)) is not None:
        return said
    if (present := _find_content(view, rule_sets, last=True)) is not None:
        return _available(view, rule_sets, present)
    return _nothing(view, rule_sets)


def _find_content(view: PageView, rule_sets: Sequence[RuleSet], *, last: bool) -> _Content | None:
    """
    Return the place of a page's content; None if there is none, or too little.

    Files for all hosts apply only to hosts that no other file names: a page that a site's own file
    does not call content is none, however much text it has. A front page that was received in place
    of another page is not that page's content.
    """
    if view.page.status is not None and view.page.status >= _BAD:
        return None
    if view.redirected_to_front_page:
        return None
    if (file := _file(view, rule_sets)) is not None:
        return file
    own = [rule_set for rule_set in rule_sets if not rule_set.everywhere and rule_set.contents]
    for rules in own or rule_sets:
        notices = _notice_elements(view, rules)
        for rule in rules.contents:
            if rule.last is not last or (rule.url and not address_matches(rule.url, view.address)):
                continue
            if not all(_outside(view, selector, notices) for selector in rule.all):
                continue
            found = _rich_enough(view, rules, rule, notices)
            if found is not None:
                return found
    return None


def _rich_enough(
    view: PageView, rules: RuleSet, rule: ContentRule, notices: Sequence[Any]
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
                shown = RuleMatch("select", view.selector(element), text.strip(), element)
                rich = _Content(rules.file.id, rule, shown, element)
    return rich


def _file(view: PageView, rule_sets: Sequence[RuleSet]) -> _Content | None:
    """Return the content of a response that is a file (PDF, image, data) and no page of text."""
    kind = view.page.media_type
    is_page = kind in ("", "text/html", "application/xhtml+xml")
    if is_page or view.page.status is None or view.page.failure:
        return None
    if any(not rule_set.everywhere for rule_set in rule_sets) and "json" in kind:
        return None  # data of a site whose rules do not know it
    return _Content("", _FILE, RuleMatch("status", "content-type", kind))


def _outside(view: PageView, selector: str, notices: Sequence[Any]) -> list[Any]:
    """Return the elements of a selector that are not in a notice."""
    return [element for element in view.select(selector) if not view.is_inside(element, notices)]


def _notice_elements(view: PageView, rules: RuleSet) -> list[Any]:
    authored = _authored(view, rules)
    return [
        element
        for selector in rules.notice_shape
        for element in view.select(selector)
        if not view.is_inside(element, authored) and view.text(element).strip()
    ]


def _authored(view: PageView, rules: RuleSet) -> list[Any]:
    """
    Return the elements that authors fill: what looks like a notice inside is the author's text.
    """
    return [element for selector in rules.authored for element in view.select(selector)]


# (1) Walls


def _wall(
    view: PageView, rule_sets: Sequence[RuleSet], inside: Sequence[Any]
) -> TakedownJudgement | None:
    """Return the wall that hides the page; one inside an article is part of the article."""
    # The whole document is no article: what stands in it may well be a wall.
    articles = [
        element for element in inside if element is not None and element.tag not in ("html", "body")
    ]
    for ways in (("url",), ("select", "script", "json", "header", "status")):
        for rules in rule_sets:
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


def _walled(view: PageView, rules: RuleSet, rule: WallRule, found: RuleMatch) -> TakedownJudgement:
    step = {"url": Step.WALL_URL, "json": Step.JSON, "status": Step.STATUS}
    words = str(rule.kind).replace("_", " ")
    verdict = _undecided(
        Undecided.WALL,
        f"a wall ({words}) stands before the page, and says nothing about it",
        make_evidence(
            view, rule.about.id, rules.file.id, step.get(found.way, Step.WALL_STRUCTURE), found
        ),
        rule=rule.about.id,
        rules=rules.file.id,
        grade=rule.about.grade,
        wall=rule.kind,
        gloss=rule.about.gloss,
        notice=found.text[:MAX_EXCERPT] if found.way == "select" else "",
    )
    return TakedownJudgement(verdict=verdict)


# (2) and (7) Content


def _available(
    view: PageView, rule_sets: Sequence[RuleSet], present: _Content
) -> TakedownJudgement:
    shown = make_evidence(view, present.rule.about.id, present.rules, Step.CONTENT, present.found)
    quoted = tuple(_quoted(view, rule_sets))
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
        labels=tuple(_labels(view, rule_sets)),
        accounts=tuple(_accounts(view, rule_sets)),
        quoted=quoted,
    )
    partial = tuple(
        make_evidence(view, rule.about.id, rules.file.id, Step.CONTENT, found)
        for rules in rule_sets
        for rule in rules.partials
        if (found := match(view, rule.match, rules.normalise)) is not None
    )
    return TakedownJudgement(verdict=verdict, content=(shown,), partial=partial)


def _labels(view: PageView, rule_sets: Sequence[RuleSet]) -> Iterator[Label]:
    for rules in rule_sets:
        for rule in rules.labels:
            found = match(view, rule.match, rules.normalise)
            if found is not None:
                yield Label(
                    label=rule.label,
                    text=found.text[:MAX_EXCERPT],
                    evidence=make_evidence(view, rule.about.id, rules.file.id, Step.CONTENT, found),
                )


def _accounts(view: PageView, rule_sets: Sequence[RuleSet]) -> Iterator[AccountState]:
    for rules in rule_sets:
        for rule in rules.accounts:
            found = match(view, rule.match, rules.normalise)
            if found is not None:
                yield AccountState(
                    state=rule.state,
                    text=found.text[:MAX_EXCERPT],
                    evidence=make_evidence(view, rule.about.id, rules.file.id, Step.CONTENT, found),
                    account=account_of_page(view, (rules,)),
                )


def account_of_page(view: PageView, rule_sets: Sequence[RuleSet]) -> str:
    """Return the account that a page states as its own: "wechat:MzA…"; "" if it states none."""
    for rules in rule_sets:
        where = rules.account_id
        if where is None:
            continue
        values: list[object] = []
        for url in (view.url, view.page.requested_url) if where.query else ():
            values.append(url_parameter(url, where.query))
        if where.script and (place := view.find_in_scripts(where.script)) is not None:
            values.append(place[1][1])
        if where.json and (datum := view.datum(where.json)) is not None:
            values.append(datum.value)
        if where.url:
            values.extend(_groups(view, where.url))
        for value in values:
            text = str(value) if isinstance(value, str | int) and value is not True else ""
            if text and len(text) <= 100 and not any(character.isspace() for character in text):
                return f"{where.prefix}{text}"
    return ""


def _groups(view: PageView, pattern: str) -> Iterator[str]:
    for url in (view.url, view.page.requested_url):
        if found := compile_pattern(pattern).match(address_for_patterns(url)):
            yield found[1] or ""


def _quoted(view: PageView, rule_sets: Sequence[RuleSet]) -> Iterator[Evidence]:
    """Yield notices in places where a page shows another page."""
    seen: set[tuple[str, str]] = set()
    for rules in rule_sets:
        for found in _quotes(view, rules):
            rule = _known(rules, found.text)
            if rule is None or (rule.about.id, found.text) in seen:
                continue
            seen.add((rule.about.id, found.text))
            step = Step.JSON if found.way == "json" else Step.NOTICE
            yield make_evidence(view, rule.about.id, rules.file.id, step, found)
            if len(seen) == _MAX_QUOTED:
                return


def _quotes(view: PageView, rules: RuleSet) -> Iterator[RuleMatch]:
    for selector in rules.quoted.select:
        for element in view.select(selector):
            text = view.text(element).strip()
            if text:
                yield RuleMatch("select", view.selector(element), text, element)
    for path in rules.quoted.json:
        datum = view.datum(path)
        if datum is not None and isinstance(datum.value, str) and datum.value.strip():
            yield RuleMatch("json", path, datum.value)


def _known(rules: RuleSet, text: str) -> NoticeRule | None:
    """Return the notice of a file that has these words, wherever they are."""
    for rule in rules.notices:
        if rule.match.has_words and text_matches_rule(rule.match, text, rules.normalise):
            return rule
    return None


# (3) Notices by structure


def _notice(view: PageView, rule_sets: Sequence[RuleSet]) -> _Notice | None:
    for rules in rule_sets:
        others = [element for selector in rules.quoted.select for element in view.select(selector)]
        others += _authored(view, rules)
        for rule in rules.notices:
            found = match(view, rule.match, rules.normalise, ways=("select",), outside=others)
            if found is not None:
                return _Notice(rules, rule, found, Step.NOTICE)
        for via, found in notice_messages(view, rules):
            known = _known(rules, found.text)
            if known is not None:
                step = Step.JSON if found.way == "json" else Step.NOTICE
                return _Notice(rules, known, found, step, via)
    return None


def _by_address(view: PageView, rule_sets: Sequence[RuleSet]) -> _Notice | None:
    for rules in rule_sets:
        for rule in rules.notices:
            found = match(view, rule.match, rules.normalise, ways=("url", "script"))
            if found is not None:
                return _Notice(rules, rule, found, Step.NOTICE)
    return None


def _error(view: PageView, rule_sets: Sequence[RuleSet]) -> TakedownJudgement | None:
    for rules in rule_sets:
        for rule in rules.errors:
            found = match(view, rule.match, rules.normalise)
            if found is not None:
                return _errors(view, rules, rule, found)
    return None


def _errors(view: PageView, rules: RuleSet, rule: ErrorRule, found: RuleMatch) -> TakedownJudgement:
    return TakedownJudgement(
        verdict=_undecided(
            Undecided.ERROR,
            "the platform shows an error of its own: check the address itself",
            make_evidence(view, rule.about.id, rules.file.id, Step.NOTICE, found),
            rule=rule.about.id,
            rules=rules.file.id,
            grade=rule.about.grade,
            notice=found.text[:MAX_EXCERPT],
        )
    )


def _unknown_words(view: PageView, rule_sets: Sequence[RuleSet]) -> TakedownJudgement | None:
    """Return words of a notice in an address or in data that no rule has."""
    for rules in rule_sets:
        for _, found in notice_messages(view, rules):
            return _unknown(view, rules, found, "")
    return None


# (4) Notices in data


def _in_data(view: PageView, rule_sets: Sequence[RuleSet]) -> _Notice | None:
    for rules in rule_sets:
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


def _by_status(view: PageView, rule_sets: Sequence[RuleSet]) -> _Notice | None:
    for rules in rule_sets:
        for rule in rules.statuses:
            found = match(view, rule.match, rules.normalise)
            if found is not None:
                return _Notice(rules, rule, found, Step.STATUS)
    return None


# (6) The shape of a notice


def _of_unknown_shape(view: PageView, rule_sets: Sequence[RuleSet]) -> TakedownJudgement | None:
    for rules in rule_sets:
        authored = _authored(view, rules)
        for selector in (*rules.notice_shape, *_places_without_content(view, rules)):
            for element in view.select(selector):
                if view.is_inside(element, authored):
                    continue
                text = view.text(element).strip()
                if text:
                    inner, words = _heading(view, element, text)
                    found = RuleMatch("select", view.selector(inner), words, inner)
                    return _unknown(view, rules, found, selector)
    return None


def _places_without_content(view: PageView, rules: RuleSet) -> Iterator[str]:
    """Yield the places of content on a page that lacks its author or another required part."""
    for rule in rules.contents:
        if any(not view.select(selector) for selector in rule.all):
            yield from rule.any


def _heading(view: PageView, element: Any, text: str) -> tuple[Any, str]:
    """Return the first element in a notice whose text is the notice's first line."""
    first = next(line.strip() for line in text.splitlines() if line.strip())
    inner = element
    for _ in range(200):
        below = next(
            (
                element
                for element in inner
                if isinstance(element.tag, str) and view.text(element).strip().startswith(first)
            ),
            None,
        )
        if below is None:
            break
        inner = below
    return inner, view.text(inner).strip()


def _unknown(view: PageView, rules: RuleSet, found: RuleMatch, shape: str) -> TakedownJudgement:
    verdict = _undecided(
        Undecided.UNKNOWN_NOTICE,
        "this has the shape of a notice, and no rule knows its words",
        make_evidence(view, "content.unknown-notice", rules.file.id, Step.SHAPE, found),
        notice=found.text[:MAX_EXCERPT],
        rules=rules.file.id,
        stub=stub(view, rules, found, shape),
    )
    return TakedownJudgement(verdict=replace(verdict, accounts=tuple(_accounts(view, [rules]))))


# (7) General phrases

_GENERAL = (
    "the page has little text and a general phrase for something that is gone; no rule knows how "
    "this host says it"
)


def _general_phrase(
    view: PageView, rule_sets: Sequence[RuleSet], *, explained: bool = False
) -> TakedownJudgement | None:
    if view.page.status is not None and view.page.status >= _BAD:
        return None
    said = find_removal_phrase(view, rule_sets, explained=explained)
    if said is None:
        return None
    about, found = said.rule.about, said.found
    select = TITLE if found.element.tag == "title" else str(found.element.tag)
    verdict = _undecided(
        Undecided.UNKNOWN_NOTICE,
        _GENERAL,
        make_evidence(view, about.id, said.rules.file.id, Step.SHAPE, found),
        rule=about.id,
        rules=said.rules.file.id,
        grade=about.grade,
        gloss=about.gloss,
        notice=found.text[:MAX_EXCERPT],
        stub=stub(view, said.rules, found, "", select),
    )
    return TakedownJudgement(verdict=verdict)


# Verdicts


def _gone(view: PageView, rule_sets: Sequence[RuleSet], notice: _Notice) -> TakedownJudgement:
    rules, rule, found = notice.rules, notice.rule, notice.found
    shown = [make_evidence(view, rule.about.id, rules.file.id, notice.step, found)]
    if notice.via is not None:
        shown.append(make_evidence(view, notice.via.about.id, rules.file.id, notice.step, found))
    values = extract(view, rule, found)
    for detail in rules.notices:
        if rule.about.id not in detail.detail_of:
            continue
        small = match(view, detail.match, rules.normalise, ways=("select",))
        if small is not None and small.element is not found.element:
            shown.append(make_evidence(view, detail.about.id, rules.file.id, Step.NOTICE, small))
            values = {**values, **extract(view, detail, small)}
    accounts = list(_accounts(view, rule_sets))
    if rule.account and all(account.state != rule.account for account in accounts):
        state = AccountState(
            state=rule.account,
            text=found.text[:MAX_EXCERPT],
            evidence=shown[0],
            account=account_of_page(view, (rules,)),
        )
        accounts.append(state)
    labels = list(_labels(view, rule_sets))
    if rule.label and all(label.label != rule.label for label in labels):
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
    return TakedownJudgement(verdict=verdict, content=tuple(_received(view, rule_sets)))


def _received(view: PageView, rule_sets: Sequence[RuleSet]) -> Iterator[Evidence]:
    """Yield content in the response of a page that shows none."""
    answers = [answer for answer in (*view.page.raw_before, view.page.raw) if answer]
    for raw in answers[-_MAX_RAW:]:
        page = Page(
            requested_url=view.page.requested_url,
            final_url=view.page.requested_url,
            captured_at=view.page.captured_at,
            timezone=view.page.timezone,
            locale=view.page.locale,
            html=view.markup(raw),
        )
        received = PageView(page, view.selectors)
        present = _find_content(received, rule_sets, last=False)
        if present is not None:
            found = replace(present.found, element=None, region=f"received: {present.found.region}")
            yield make_evidence(view, present.rule.about.id, present.rules, Step.CONTENT, found)


def _nothing(view: PageView, rule_sets: Sequence[RuleSet]) -> TakedownJudgement:
    status = view.page.status
    if view.page.failure:
        return TakedownJudgement(
            verdict=_undecided(Undecided.ERROR, f"no page: {view.page.failure}")
        )
    if status is not None and status >= _BAD:
        whose = "an error of the server" if status >= _ERRORS else "a refusal"
        found = RuleMatch("status", "status", f"HTTP {status}")
        return TakedownJudgement(
            verdict=_undecided(
                Undecided.ERROR,
                f"HTTP {status}: {whose}, which says nothing about the page",
                make_evidence(view, "content.error", "", Step.STATUS, found),
            )
        )
    words = "no rule knows what this page shows"
    if view.redirected_to_front_page:
        words = "the front page of its host came in its place, and says nothing about it"
    verdict = _undecided(Undecided.UNKNOWN, words)
    return TakedownJudgement(verdict=replace(verdict, accounts=tuple(_accounts(view, rule_sets))))


def _undecided(why: Undecided, detail: str, *shown: Evidence, **more: Any) -> TakedownVerdict:
    return TakedownVerdict(
        availability=Availability.INCONCLUSIVE,
        undecided=why,
        detail=detail,
        evidence=shown,
        **more,
    )
