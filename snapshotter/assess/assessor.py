"""
Assess a page by the rules of one decision: `RuleAssessor` implements the port `Assessor`.

`judge` returns the verdicts alone, and `assess` also the readings. Neither raises, because a page
may be made to break them. If the verdicts cannot be found, the content verdict is `error` with the
reason. If a reading or another later step fails, `Assessment.unread` names it, and all other
results remain.
"""

from collections.abc import Sequence
from dataclasses import field, replace
from functools import lru_cache

from snapshotter.assess.availability import TakedownJudgement, judge
from snapshotter.assess.content import content_kind
from snapshotter.assess.dom import DomDocument
from snapshotter.assess.page_view import PageView
from snapshotter.assess.readings import read_page, regions_of
from snapshotter.assess.rule_matching import every_selector
from snapshotter.formats.hosts import host_of
from snapshotter.model.assessment import (
    MAX_EXCERPT,
    Assessment,
    Availability,
    Content,
    ContentVerdict,
    Evidence,
    FailedReading,
    Step,
    TakedownVerdict,
    Undecided,
)
from snapshotter.model.page import Page
from snapshotter.model.reading import Readings
from snapshotter.model.request import Decision, ReadingRules, VerdictRules
from snapshotter.model.rules import RuleSet
from snapshotter.policy.page_identity import wechat_identity_from_page
from snapshotter.policy.takedown_rules import load_rules, parse_rules, rules_for
from snapshotter.value_class import dataclass

_PREPARED = 100_000  # characters of a page whose assessment takes less than loading a library
_STATED = "wechat:"  # accounts whose pages state the number of the article


@dataclass(slots=True)
class _PageReading:
    """The parts of a page that several readings use."""

    document: DomDocument | None = None
    unread: list[FailedReading] = field(default_factory=list)


class RuleAssessor:
    """
    Judges pages by rule files, and reads data from the pages.

    Args:
        rule_sets: In the order of matching.
        verdict: The policy's rules for the main region.
        readings: What is read from a page.
    """

    def __init__(
        self,
        rule_sets: Sequence[RuleSet],
        verdict: VerdictRules | None = None,
        readings: ReadingRules | None = None,
    ) -> None:
        self._rule_sets = tuple(rule_sets)
        self._verdict = verdict or VerdictRules()
        self._readings = readings or ReadingRules()

    @classmethod
    def of(cls, decision: Decision) -> "RuleAssessor":
        """
        Return the assessor of a decision: with the texts of its rules, else with the shipped files.

        Raises:
            SnapshotterError: A rule file does not exist or is invalid.
        """
        verdict = decision.verdict
        rule_sets = (
            tuple(_parsed(name, text) for name, text in verdict.rule_texts)
            if verdict.rule_texts
            else load_rules(verdict.rules)
        )
        return cls(rule_sets, verdict, decision.readings)

    @property
    def rules(self) -> tuple[RuleSet, ...]:
        """The rule files, in the order of matching."""
        return self._rule_sets

    def judge(self, page: Page) -> tuple[ContentVerdict, TakedownVerdict]:
        """Return the verdicts alone, which is quick enough while the browser waits."""
        return self._verdicts(page, _PageReading())

    def assess(self, page: Page) -> Assessment:
        """Return the verdicts and all readings of the page."""
        reading = _PageReading()
        content, takedown = self._verdicts(page, reading)
        readings, stated = Readings(), ""
        try:
            readings = read_page(
                page,
                self._readings,
                main_regions=self._verdict.main_regions,
                document=reading.document,
                unread=reading.unread,
            )
        except Exception as error:  # noqa: BLE001 - recorded: the page made it so
            reading.unread.append(FailedReading(reading="document", why=type(error).__name__))
        try:
            stated = self._stated(page)
        except Exception as error:  # noqa: BLE001 - recorded: the page made it so
            reading.unread.append(FailedReading(reading="identity", why=type(error).__name__))
        if reading.unread:
            words = f"{content.detail}; it could not be read: {reading.unread[0].why}"
            content = replace(content, detail=words)
        return Assessment(
            content=content,
            takedown=takedown,
            rule_files=(*(rule_set.file for rule_set in self._rule_sets), *self._readings.files),
            identity=stated,
            main_sha256=readings.main_sha256,
            readings=readings,
            unread=tuple(reading.unread),
        )

    def prepare(self, page: Page) -> None:
        """
        Load what `assess` needs for pages like this one.

        A library that guesses the main part takes longer to load than all other things here take
        together, and pages that mark their main part do not need it. So a short page is assessed.
        """
        if len(page.html) <= _PREPARED:
            self.assess(page)

    def _verdicts(
        self, page: Page, reading: "_PageReading"
    ) -> tuple[ContentVerdict, TakedownVerdict]:
        try:
            return self._judged(page, reading)
        except Exception as error:  # noqa: BLE001 - recorded as the verdict: the page made it so
            return _broken(error)

    def _judged(
        self, page: Page, reading: "_PageReading"
    ) -> tuple[ContentVerdict, TakedownVerdict]:
        rule_sets = rules_for(self._rule_sets, hosts_of(page))
        view = PageView(
            page,
            every_selector(rule_sets),
            [json_script for rules in rule_sets for json_script in rules.json_scripts],
        )
        reading.document = view.document
        judged = judge(view, rule_sets)
        try:
            content = content_kind(view, judged, has_rules=bool(rule_sets))
        except Exception as error:  # noqa: BLE001 - recorded: the verdict was found before
            reading.unread.append(FailedReading(reading="kind", why=type(error).__name__))
            return _broken(error)[0], judged.verdict
        if self._verdict.main_characters and content.kind in (Content.CONTENT, Content.PARTIAL):
            try:
                return self._long_enough(page, content, judged, view.document)
            except Exception as error:  # noqa: BLE001 - recorded: the verdict was found before
                reading.unread.append(
                    FailedReading(reading="main_region", why=type(error).__name__)
                )
        return content, judged.verdict

    def _long_enough(
        self,
        page: Page,
        content: ContentVerdict,
        judged: TakedownJudgement,
        document: DomDocument | None,
    ) -> tuple[ContentVerdict, TakedownVerdict]:
        """
        Return the verdicts; "shell" if the main region has less text than the policy requires.
        """
        if page.media_type not in ("", "text/html", "application/xhtml+xml"):
            return content, judged.verdict  # a file has no main region
        regions = regions_of(
            page,
            self._readings,
            main_regions=self._verdict.main_regions,
            document=document,
        )
        there = sum(1 for character in regions.main_text if not character.isspace())
        wanted = self._verdict.main_characters
        if there >= wanted:
            return content, judged.verdict
        detail = f"the main region has {there} characters, and the policy asks for {wanted}"
        shown = Evidence(
            rule="content.shell",
            step=Step.CONTENT,
            region=regions.main_selector,
            excerpt=regions.main_text[:MAX_EXCERPT],
        )
        verdict = replace(
            judged.verdict,
            availability=Availability.INCONCLUSIVE,
            undecided=Undecided.UNKNOWN,
            detail=detail,
        )
        return ContentVerdict(kind=Content.SHELL, detail=detail, evidence=(shown,)), verdict

    def _stated(self, page: Page) -> str:
        """
        Return the page's identity if the page states it: that of an article behind a short link.
        """
        for rules in rules_for(self._rule_sets, hosts_of(page)):
            if rules.account_id is not None and rules.account_id.prefix == _STATED:
                found = wechat_identity_from_page(page.html)
                return found.key if found is not None else ""
        return ""


@lru_cache(maxsize=64)
def _parsed(name: str, text: str) -> RuleSet:
    """Parse a rule file, once for all captures of a batch."""
    return parse_rules(text, f"rules {name}")


def hosts_of(page: Page) -> tuple[str, ...]:
    """Return the hosts whose rules apply: those of the final and of the requested address."""
    urls = (page.final_url, page.requested_url)
    return tuple(dict.fromkeys(host for host in map(host_of, urls) if host)) or ("",)


def _broken(error: Exception) -> tuple[ContentVerdict, TakedownVerdict]:
    words = " ".join(str(error).split())[:200]
    detail = f"the page could not be judged: {type(error).__name__}: {words}"
    verdict = TakedownVerdict(
        availability=Availability.INCONCLUSIVE, undecided=Undecided.ERROR, detail=detail
    )
    return ContentVerdict(kind=Content.ERROR, detail=detail), verdict
