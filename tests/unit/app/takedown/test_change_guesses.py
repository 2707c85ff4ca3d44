"""
An event of a change whose main text was guessed, judged with another version of the guesser.

The page has no structure, so trafilatura guesses its main text. The later capture has another word
in a paragraph and in a line outside the main text. An event that states the second word follows
from the captures only if the guess of another version has that line.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
import trafilatura

from snapshotter.app.takedown.bundle_finder import find_in_folders
from snapshotter.app.takedown.event_verification import verify_event
from snapshotter.assess.change_events import conclude_change
from snapshotter.assess.takedown_events import event_id
from snapshotter.formats.statements import takedown
from snapshotter.model.bundle import Bundle
from snapshotter.model.change import Change, ChangedItem, ChangeSubject, DerivedChange
from snapshotter.model.comparison import Op, TextPiece
from snapshotter.model.finding import Finding, Verdict
from snapshotter.model.takedown import Observation, Takedown
from snapshotter.verify.trust import Trust, trusted_key
from tests import bundles
from tests.changed import LONG, ShownPage, at, shoot
from tests.unit.app.takedown.test_change_derivation import BY, SIGNER, article, compared, shown

pytestmark = pytest.mark.long

EVENTS = bundles.new_signer()
HERE = f"trafilatura {trafilatura.__version__}"
OTHER = "trafilatura 1.0.0"
TRUST = Trust(
    source="a test",
    keys=tuple(trusted_key(signer.public_key, owner="test") for signer in (SIGNER, EVENTS)),
    authorities=(),
)


def guessed(word: str, line: str) -> ShownPage:
    """Return a page without structure."""
    return ShownPage(
        markup="<!doctype html><html><head><title>Harbour news</title></head><body>"
        f"<div class='sidebar'><p>The tide is {line} today.</p></div>"
        f"<div><p>The market hall stays closed until {word}.</p><p>{LONG}</p><p>{LONG[::-1]}</p>"
        "</div></body></html>"
    )


@dataclass(frozen=True)
class Guessed:
    """A change of which all bundles are in a folder."""

    folder: Path
    event: Takedown

    def stating(self, change: Callable[[Change], Change], url: str = "") -> list[Finding]:
        """Return what the verifier finds about the conclusion of an event with another change."""
        assert self.event.change is not None
        event = replace(self.event, change=change(self.event.change), url=url or self.event.url)
        data = takedown.encode(replace(event, event_id=event_id(event)), EVENTS)
        find = partial(find_in_folders, [self.folder], [], TRUST, at(10_000))
        report = verify_event(data, TRUST, find, BY)
        return [finding for finding in report.findings if finding.check == "conclusion"]


def make(folder: Path, before: ShownPage, after: ShownPage) -> Guessed:
    made = [shoot(folder, at(n), page, signer=SIGNER) for n, page in ((0, before), (60, after))]
    derived = compared(made[0], made[1])
    assert isinstance(derived, DerivedChange), derived
    seen = [kept(folder, bundle) for bundle in made]
    return Guessed(folder=folder, event=conclude_change(seen[0], seen[1], derived.change))


def kept(folder: Path, bundle: Bundle) -> Observation:
    """Keep a bundle where the verifier looks for it; return what it shows."""
    path = folder / f"{bundle.id}.wacz"
    if not path.exists():
        path.write_bytes(bundle.file.read_bytes())
    with path.open("rb") as stream:
        return shown(stream).observation


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Guessed:
    folder = tmp_path_factory.mktemp("guessed")
    return make(folder, guessed("spring", "low"), guessed("summer", "high"))


def line(before: str, after: str, by: str = OTHER) -> Callable[[Change], Change]:
    """Return the statement that the line outside the main text has another word."""
    item = ChangedItem(
        subject=ChangeSubject.WORDS,
        where="main",
        pieces=(
            TextPiece(op=Op.SAME, text="The tide is "),
            TextPiece(op=Op.REMOVED, text=before),
            TextPiece(op=Op.ADDED, text=after),
            TextPiece(op=Op.SAME, text=" today."),
        ),
        sha256="1" * 64,
        seen=True,
    )
    return lambda change: replace(
        change, items=(*change.items, item), count=2, sha256="2" * 64, guessed_by=by
    )


def test_the_event_names_the_software_that_guessed_and_its_version(case: Guessed) -> None:
    assert case.event.change is not None
    assert (case.event.change.main_by, case.event.change.guessed_by) == (("guess",), HERE)
    assert [finding.verdict for finding in case.stating(lambda change: change)] == [Verdict.PASSED]


def test_another_version_with_the_same_result_is_passed_and_named(case: Guessed) -> None:
    (found,) = case.stating(lambda change: replace(change, guessed_by=OTHER))

    assert found.verdict is Verdict.PASSED
    assert OTHER in found.detail
    assert HERE in found.detail


def test_another_version_with_another_result_leaves_the_event_open(case: Guessed) -> None:
    (found,) = case.stating(line("low", "high"))

    assert found.verdict is Verdict.INDETERMINATE
    assert OTHER in found.detail
    assert HERE in found.detail


@pytest.mark.parametrize(
    "change",
    [
        line("low", "dangerous"),
        line("closed", "high"),
        line("high", "low"),
        line("low", "high", HERE),
        line("low", "high", "guesser 1.0.0"),
        line("low", "high", "trafilatura of-mine"),
        line("low", "high", "trafilatura"),
        line("low", "high", ""),
        lambda change: replace(line("low", "high")(change), main_by=("structure",)),
        lambda change: replace(line("low", "high")(change), masked=3),
        lambda change: replace(line("low", "high")(change), removal="few-words"),
    ],
    ids=[
        "invented word", "other word", "swapped", "this version", "other software", "no version",
        "no version at all", "no software", "no guess", "masks", "removal",
    ],
)  # fmt: skip
def test_an_invented_version_does_not_help_an_invented_change(
    change: Callable[[Change], Change], case: Guessed
) -> None:
    found = case.stating(change)

    assert {finding.verdict for finding in found} == {Verdict.FAILED}


def test_an_invented_version_does_not_help_another_field(case: Guessed) -> None:
    found = case.stating(line("low", "high"), url=f"{case.event.url}/other")

    assert {finding.verdict for finding in found} == {Verdict.FAILED}


@pytest.mark.parametrize(
    ("timezone", "verdict"), [("", Verdict.INDETERMINATE), ("Asia/Tokyo", Verdict.FAILED)]
)
def test_a_confirmation_in_another_time_zone_confirms_by_no_version(
    case: Guessed, tmp_path: Path, timezone: str, verdict: Verdict
) -> None:
    page = guessed("summer", "high")
    later = shoot(tmp_path, at(120), page, signer=SIGNER, timezone=timezone)
    for path in case.folder.glob("*.wacz"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    ends, change = case.event, case.event.change
    assert change is not None
    event = conclude_change(
        ends.last_seen, ends.first_gone, change, confirmation=kept(tmp_path, later)
    )

    found = Guessed(folder=tmp_path, event=event).stating(line("low", "high"))

    assert {finding.verdict for finding in found} == {verdict}


@pytest.mark.parametrize(
    ("subject", "verdict"),
    [(ChangeSubject.WORDS, Verdict.INDETERMINATE), (ChangeSubject.TITLE, Verdict.FAILED)],
)
def test_captures_without_a_change_have_no_other_title_by_any_version(
    case: Guessed, tmp_path: Path, subject: ChangeSubject, verdict: Verdict
) -> None:
    seen = [
        kept(tmp_path, shoot(tmp_path, at(n), guessed("spring", word), signer=SIGNER))
        for n, word in ((0, "low"), (60, "high"))
    ]
    assert case.event.change is not None
    event = conclude_change(seen[0], seen[1], case.event.change)

    def forged(change: Change) -> Change:
        (*_, item) = line("low", "high")(change).items
        if subject is ChangeSubject.TITLE:
            pieces = (
                TextPiece(op=Op.REMOVED, text="Harbour"),
                TextPiece(op=Op.ADDED, text="news"),
            )
            item = replace(item, subject=subject, where="", pieces=pieces)
        return replace(change, items=(item,), subjects=(subject,), guessed_by=OTHER)

    found = Guessed(folder=tmp_path, event=event).stating(forged)

    assert {finding.verdict for finding in found} == {verdict}


def test_a_page_whose_structure_names_its_main_text_needs_no_guess(tmp_path: Path) -> None:
    case = make(tmp_path, article("Traders ask for a longer stay."), article("Traders wait."))

    found = case.stating(
        lambda change: replace(change, main_by=("guess",), guessed_by=OTHER, count=change.count + 1)
    )

    assert {finding.verdict for finding in found} == {Verdict.FAILED}


def test_an_invented_method_does_not_help_an_invented_change(case: Guessed) -> None:
    def later(change: Change) -> Change:
        return replace(change, method=99)

    (honest,) = case.stating(later)
    (forged,) = case.stating(lambda change: later(line("low", "dangerous")(change)))

    assert (honest.verdict, forged.verdict) == (Verdict.INDETERMINATE, Verdict.FAILED)
