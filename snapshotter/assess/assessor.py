"""
The verdicts and readings of one decision's rules (`ports.Assessor`).

Pure, and never in the way: a page may be made to break who judges it. Whatever goes wrong
is the verdict "error" with the reason, and never an exception.
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from snapshotter.assess.content import kind_of
from snapshotter.assess.rules import every_selector
from snapshotter.assess.takedown import Judged, judge
from snapshotter.assess.view import View
from snapshotter.model.assessment import (
    Assessment,
    Availability,
    Content,
    ContentVerdict,
    Evidence,
    Step,
    TakedownVerdict,
    Undecided,
)
from snapshotter.model.page import Page
from snapshotter.model.request import VerdictRules
from snapshotter.model.rules import RuleSet
from snapshotter.policy.identity import IdentityRules, identity, wechat_page
from snapshotter.policy.takedown import host_of, load_rules, parse_rules, rules_for

_MAX_MAIN = 2_000_000  # characters of the main text that are compared


class RuleAssessor:
    """
    Judges pages by files of rules.

    Args:
        sets: In the order of matching.
        verdict: What the policy says of main regions.
        identities: How pages are told apart; without them an assessment names none.
    """

    def __init__(
        self,
        sets: Sequence[RuleSet],
        verdict: VerdictRules | None = None,
        identities: IdentityRules | None = None,
    ) -> None:
        self._sets = tuple(sets)
        self._verdict = verdict or VerdictRules()
        self._identities = identities

    @classmethod
    def of(cls, verdict: VerdictRules, identities: IdentityRules | None = None) -> "RuleAssessor":
        """
        Return the assessor of a decision: by the texts of its rules, else by those shipped.

        Raises:
            SnapshotterError: A file of rules is not there, or is none.
        """
        texts = verdict.rule_texts
        sets = (
            tuple(parse_rules(text, f"rules {id_}") for id_, text in texts)
            if texts
            else load_rules(verdict.rules)
        )
        return cls(sets, verdict, identities)

    @property
    def rules(self) -> tuple[RuleSet, ...]:
        """The files of rules, in the order of matching."""
        return self._sets

    def judge(self, page: Page) -> tuple[ContentVerdict, TakedownVerdict]:
        """Return the verdicts alone: quick enough while the browser waits."""
        content, judged, _ = self._judged(page)
        return content, judged.verdict

    def assess(self, page: Page) -> Assessment:
        """Return the verdicts, and everything that can be read off the page."""
        content, judged, view = self._judged(page)
        main, identity_of = "", ""
        try:
            identity_of = self._identity(page)
            main = self._main_text(view, judged) if view is not None else ""
        except Exception as error:  # noqa: BLE001 - recorded as the verdict: the page made it so
            content, judged = _broken(error)
        return Assessment(
            content=content,
            takedown=judged.verdict,
            rule_files=tuple(it.file for it in self._sets),
            identity=identity_of,
            main_sha256=main_sha256(main) if main else "",
        )

    def _judged(self, page: Page) -> tuple[ContentVerdict, Judged, View | None]:
        try:
            sets = rules_for(self._sets, _hosts(page))
            selectors = every_selector(sets, self._main_regions)
            view = View(page, selectors, [it for rules in sets for it in rules.json_scripts])
            judged = judge(view, sets)
            content = kind_of(view, judged)
            if content.kind in (Content.CONTENT, Content.PARTIAL):
                content, judged = self._long_enough(view, content, judged)
            return content, judged, view
        except Exception as error:  # noqa: BLE001 - recorded as the verdict: the page made it so
            return (*_broken(error), None)

    @property
    def _main_regions(self) -> tuple[str, ...]:
        return self._verdict.main_regions

    def _main_element(self, view: View, judged: Judged) -> Any:
        for selector in self._main_regions:
            for element in view.select(selector):
                if view.count(element):
                    return element
        return judged.main

    def _main_text(self, view: View, judged: Judged) -> str:
        if judged.verdict.availability is not Availability.AVAILABLE:
            return judged.verdict.notice
        element = self._main_element(view, judged)
        return "" if element is None else view.whole_text(element, _MAX_MAIN)

    def _long_enough(
        self, view: View, content: ContentVerdict, judged: Judged
    ) -> tuple[ContentVerdict, Judged]:
        """A main region with less text than the policy asks for is a frame without its text."""
        wanted = self._verdict.main_characters
        if not wanted:
            return content, judged
        element = self._main_element(view, judged)
        there = 0 if element is None else view.count(element)
        if there >= wanted:
            return content, judged
        detail = f"the main region has {there} characters, and the policy asks for {wanted}"
        shown = Evidence(
            rule="content.shell",
            step=Step.CONTENT,
            region="" if element is None else view.selector(element),
            excerpt="" if element is None else view.text(element).strip()[:300],
        )
        verdict = replace(
            judged.verdict,
            availability=Availability.INCONCLUSIVE,
            undecided=Undecided.UNKNOWN,
            detail=detail,
        )
        return (
            ContentVerdict(kind=Content.SHELL, detail=detail, evidence=(shown,)),
            replace(judged, verdict=verdict),
        )

    def _identity(self, page: Page) -> str:
        """Return which page was asked for: by its address, else by what the page says itself."""
        if self._identities is None:
            return ""
        asked = ""
        for url in (page.requested_url, page.final_url):
            try:
                found = identity(url, self._identities)
            except ValueError:
                continue
            if found.final:
                return asked if asked and not found.key.startswith("wechat:") else found.key
            asked = asked or found.key
            stated = wechat_page(page.html)
            if stated is not None:
                return stated.key
        return asked


def main_sha256(text: str) -> str:
    """Return the hash of a main text as it is compared: NFKC, and white space is one space."""
    plain = " ".join(unicodedata.normalize("NFKC", text).split())
    return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()


def _hosts(page: Page) -> tuple[str, ...]:
    """Return the hosts by which rules are chosen: where it ended, and where it was asked for."""
    urls = (page.final_url, page.requested_url)
    return tuple(dict.fromkeys(host for host in map(host_of, urls) if host)) or ("",)


def _broken(error: Exception) -> tuple[ContentVerdict, Judged]:
    words = " ".join(str(error).split())[:200]
    detail = f"the page could not be judged: {type(error).__name__}: {words}"
    verdict = TakedownVerdict(
        availability=Availability.INCONCLUSIVE, undecided=Undecided.ERROR, detail=detail
    )
    return ContentVerdict(kind=Content.ERROR, detail=detail), Judged(verdict=verdict)
