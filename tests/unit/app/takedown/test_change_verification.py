"""An event of a change, derived again from its bundles: what holds, and what does not follow."""

import io
import json
import shutil
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from snapshotter.app.takedown import (
    bundle_finder,
    change_derivation,
    change_verification,
    event_captures,
    event_verification,
)
from snapshotter.app.takedown.bundle_finder import find_in_folders
from snapshotter.app.takedown.change_derivation import compare_ends
from snapshotter.app.takedown.event_verification import verify_event
from snapshotter.app.takedown.pack_verification import judge_by_rules
from snapshotter.app.takedown.proof_pack import ProofCase, ProofService, make
from snapshotter.assess.change_events import conclude_change
from snapshotter.assess.takedown_events import event_id
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.signatures import signed_statement
from snapshotter.formats.statements import takedown
from snapshotter.model.change import METHOD, Change, ChangeSubject, DerivedChange
from snapshotter.model.comparison import Op
from snapshotter.model.finding import Code, Verdict
from snapshotter.model.proof import ENDS, Role
from snapshotter.model.takedown import Takedown, TakedownKind
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify import proof_pack_report
from snapshotter.verify.bundle_on_disk import verify_on_disk
from snapshotter.verify.event_without_rules import verify_event_without_rules
from snapshotter.verify.proof_pack import verify_pack
from snapshotter.verify.takedown import EventReport, as_json, headline, lines
from snapshotter.verify.trust import Trust, trusted_key
from tests import bundles, fields, packs
from tests.bundles import ChainAuthority, RealClock
from tests.changed import HOST, URL, ShownPage, at, shoot
from tests.servers.authority import Chain
from tests.unit.app.takedown.test_change_derivation import BY, SIGNER, shown
from tests.unit.policy.test_page_identity import RULES

pytestmark = pytest.mark.long

EVENTS = bundles.new_signer()
EDITED = ShownPage(words="The market hall will be closed for repairs until summer.")
OTHER = f"{HOST}/weather"
# Minute, page and address of each capture.
VISITS = (
    (0, ShownPage(), URL),
    (60, EDITED, URL),
    (65, ShownPage(words="Rain is expected on the coast for the whole week."), OTHER),
    (75, EDITED, URL),
    (90, ShownPage(), URL),
)


@dataclass(frozen=True)
class Case:
    """A folder of bundles and an event of a change that follows from them."""

    folder: Path
    trust: Trust
    now: datetime
    data: bytes

    @property
    def event(self) -> Takedown:
        return takedown.parse(self.data)[0]

    def verify(self, data: bytes) -> EventReport:
        find = partial(find_in_folders, [self.folder], [], self.trust, self.now)
        return verify_event(data, self.trust, find, BY)

    def signed(self, change: Callable[[Takedown], Takedown]) -> bytes:
        """Return another event, signed, with the id that it gives."""
        event = change(self.event)
        return takedown.encode(replace(event, event_id=event_id(event)), EVENTS)

    def stating(self, change: Callable[[Change], Change]) -> bytes:
        """Return the event with another change."""

        def other(event: Takedown) -> Takedown:
            assert event.change is not None
            return replace(event, change=change(event.change))

        return self.signed(other)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("change")
    chain = Chain(folder, "test authority")
    chain.make()
    authority = ChainAuthority(chain)
    exhibit = folder / "exhibit"
    exhibit.mkdir()
    made = []
    for minute, page, url in VISITS:
        bundle = shoot(folder / "spool", at(minute), page, signer=SIGNER, url=url)
        path = exhibit / f"{bundle.id}.wacz"
        shutil.copy(bundle.file, path)
        # Captures are of a time that the authority's clock has left behind: late tokens.
        path.with_name(f"{path.name}.late-01.tsr").write_bytes(authority.response(bundle.signature))
        made.append(path)
    now = datetime.now(at(0).tzinfo) + timedelta(minutes=1)
    trust = Trust(
        source="a test",
        keys=tuple(trusted_key(signer.public_key, owner="test") for signer in (SIGNER, EVENTS)),
        authorities=(authority.anchor,),
        max_lag=timedelta(days=3650),
    )
    with ExitStack() as stack:
        before, after, control, confirmation, _ = (
            shown(stack.enter_context(path.open("rb"))) for path in made
        )
        found = compare_ends(before, after, BY.assessor_of, BY.rules).derived
        assert isinstance(found, DerivedChange)
        event = conclude_change(
            before.observation,
            after.observation,
            found.change,
            confirmation=confirmation.observation,
            control=control.observation,
        )
    data = takedown.encode(event, EVENTS)
    return Case(folder=exhibit, trust=trust, now=now, data=data)


def codes(found: EventReport) -> set[tuple[str, Code, Verdict]]:
    """Return the findings that are not PASSED."""
    return {
        (finding.check, finding.code, finding.verdict)
        for finding in found.findings
        if finding.verdict is not Verdict.PASSED
    }


NOT_FOLLOWING = {("conclusion", Code.CONCLUSION, Verdict.FAILED)}


def test_a_change_that_follows_from_its_captures_is_passed(case: Case) -> None:
    found = case.verify(case.data)

    assert (codes(found), found.verdict) == (set(), Verdict.PASSED)
    assert not found.own_word  # nobody has to trust the signer for any field
    assert "was changed between" in headline(found)
    assert "words of the main text" in headline(found)
    text = "\n".join(lines(found))
    assert "for repairs until [-spring-]{+summer+}." in text
    assert "only by the signer" not in text
    assert "less confirmed" not in text
    assert as_json(found)["event"]["change"]["subjects"] == ["words"]


def _other_words(change: Change) -> Change:
    (item,) = change.items
    pieces = tuple(
        replace(piece, text="autumn") if piece.op is Op.ADDED else piece for piece in item.pieces
    )
    return replace(change, items=(replace(item, pieces=pieces),))


@pytest.mark.parametrize(
    "alter",
    [
        _other_words,
        lambda change: replace(change, sha256="0" * 64),
        lambda change: replace(change, count=2),
        lambda change: replace(change, removal="few-words"),
        lambda change: replace(change, masked=1),
        lambda change: replace(change, subjects=(ChangeSubject.WORDS, ChangeSubject.PRICE)),
    ],
    ids=["words", "digest", "count", "removal", "masked", "subjects"],
)
def test_a_change_that_the_captures_do_not_show_is_failed(
    alter: Callable[[Change], Change], case: Case
) -> None:
    found = case.verify(case.stating(alter))

    assert codes(found) == NOT_FOLLOWING


@pytest.mark.parametrize(
    "alter",
    [
        lambda event: replace(event, controls=(), confirm=event.confirm),
        lambda event: replace(event, confirmations=(), controls=(), at=event.first_gone.at),
        lambda event: replace(event, confirm=replace(event.confirm, after=timedelta())),
        lambda event: replace(event, at=event.first_gone.at),
        lambda event: replace(event, last_seen=event.first_gone, first_gone=event.confirmations[0],
                              confirmations=(), controls=()),
    ],
    ids=["control withheld", "confirmation withheld", "less required", "time", "same text"],
)  # fmt: skip
def test_an_event_that_its_captures_do_not_give_is_failed(
    alter: Callable[[Takedown], Takedown], case: Case
) -> None:
    found = case.verify(case.signed(alter))

    assert codes(found) == NOT_FOLLOWING


def test_a_capture_with_the_old_text_confirms_nothing(case: Case) -> None:
    name = next(path for path in case.folder.glob("20260527t0929*.wacz"))
    with name.open("rb") as stream:
        back = shown(stream).observation

    found = case.verify(
        case.signed(lambda event: replace(event, confirmations=(back,), at=back.at))
    )

    assert codes(found) == NOT_FOLLOWING
    assert any("does not show the same change" in finding.detail for finding in found.findings)


def test_a_change_without_a_confirmation_says_so(case: Case) -> None:
    event = case.event
    assert event.change is not None
    alone = conclude_change(event.last_seen, event.first_gone, event.change)

    found = case.verify(takedown.encode(alone, EVENTS))

    assert found.verdict is Verdict.PASSED
    assert any("no later capture shows the same change" in note for note in found.notes)


def test_a_method_of_a_later_version_is_not_judged(case: Case) -> None:
    later = METHOD + 1

    found = case.verify(case.stating(lambda change: replace(change, method=later)))

    assert codes(found) == {("conclusion", Code.CONCLUSION, Verdict.INDETERMINATE)}


def test_a_change_that_lacks_what_its_method_records_is_not_judged(case: Case) -> None:
    found = case.verify(case.stating(lambda change: replace(change, main_by=(), guessed_by="")))

    assert codes(found) == {("conclusion", Code.CONCLUSION, Verdict.INDETERMINATE)}


def test_a_missing_bundle_leaves_the_change_open(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "exhibit"
    shutil.copytree(case.folder, folder)
    (folder / f"{case.event.first_gone.bundle_id}.wacz").unlink()

    found = replace(case, folder=folder).verify(case.data)

    assert found.verdict is Verdict.INDETERMINATE
    assert ("conclusion", Code.CONCLUSION, Verdict.INDETERMINATE) in codes(found)


def test_a_capture_that_is_not_whole_leaves_the_change_open(case: Case, tmp_path: Path) -> None:
    bundle = shoot(
        tmp_path / "spool", at(60), EDITED, signer=SIGNER, missing="load-timeout",
        authorities=(),
    )  # fmt: skip
    folder = tmp_path / "exhibit"
    shutil.copytree(case.folder, folder)
    path = folder / f"{bundle.id}.wacz"
    path.unlink()
    shutil.copy(bundle.file, path)
    said = replace(case.event.first_gone, sha256=bundle.digests.sha256)

    found = replace(case, folder=folder).verify(
        case.signed(lambda event: replace(event, first_gone=said))
    )

    assert ("conclusion", Code.CONCLUSION, Verdict.INDETERMINATE) in codes(found)
    assert Verdict.FAILED not in {
        verdict for check, _, verdict in codes(found) if check == "conclusion"
    }


def test_an_event_alone_whose_id_does_not_follow_is_failed(case: Case, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    alone = replace(case, folder=tmp_path / "empty")
    other = replace(case.event, event_id=f"{case.event.event_id[:-1]}a")

    assert alone.verify(case.data).verdict is Verdict.INDETERMINATE
    assert alone.verify(takedown.encode(other, EVENTS)).verdict is Verdict.FAILED


def test_a_verifier_without_rules_leaves_a_change_open(case: Case) -> None:
    found = verify_event_without_rules(case.data, case.trust, now=case.now, folders=[case.folder])

    assert found.verdict is Verdict.INDETERMINATE
    assert ("conclusion", Code.CONCLUSION, Verdict.INDETERMINATE) in codes(found)


def _of_kind(data: bytes, kind: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(data.partition(b"\n")[0])
    value["event"]["kind"] = kind
    return value


def test_an_event_of_an_unknown_kind_is_not_judged(case: Case) -> None:
    value = _of_kind(case.data, "translated")
    value["event"]["language"] = "en"  # a field that this version does not know
    data = signed_statement.encode(value, EVENTS)

    for found in (
        case.verify(data),
        verify_event_without_rules(data, case.trust, now=case.now, folders=[case.folder]),
    ):
        assert codes(found) == {("event", Code.CONCLUSION, Verdict.INDETERMINATE)}
        assert "do not rely" not in headline(found).lower()


def test_an_unknown_kind_does_not_hide_a_broken_signature(case: Case) -> None:
    data = signed_statement.encode(_of_kind(case.data, "translated"), EVENTS)
    broken = data.replace(b'"translated"', b'"translates"')

    assert case.verify(broken).verdict is Verdict.FAILED


@pytest.mark.parametrize("kind", ["", "Changed!", 7, None])
def test_a_kind_that_is_no_word_is_failed(kind: Any, case: Case) -> None:
    data = signed_statement.encode(_of_kind(case.data, kind), EVENTS)

    assert case.verify(data).verdict is Verdict.FAILED


def _forms(event: Takedown) -> Iterable[Takedown]:
    yield replace(event, change=None)
    yield replace(event, kind=TakedownKind.REMOVED)
    yield replace(event, previous="0" * 64)
    yield replace(event, vantages=(event.first_gone,))
    yield replace(event, articles=(event.event_id,))


def test_a_record_that_mixes_two_kinds_of_events_is_not_written(case: Case) -> None:
    for event in _forms(case.event):
        with pytest.raises(ValueError, match="change"):
            takedown.encode(event, EVENTS)


def test_records_of_other_kinds_have_no_field_for_a_change(case: Case) -> None:
    removed = replace(case.event, kind=TakedownKind.REMOVED, change=None)

    data = takedown.encode(removed, EVENTS)

    assert b'"change"' not in data
    assert takedown.parse(data)[0] == removed


def test_no_field_of_a_change_event_can_be_changed_unnoticed(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds the key of events signs it again, with the id that follows."""
    look_once(monkeypatch)
    value = takedown.as_recorded(case.event)
    good = case.verify(case.data)
    tried, passed = set(), set()

    for source, event in fields.changed(Takedown, value):
        tried.add(source)
        its = event if source == ("event_id",) else replace(event, event_id=event_id(event))
        try:
            data = takedown.encode(its, EVENTS)
        except ValueError:
            continue  # no event at all
        found = case.verify(data)
        if found.verdict is not Verdict.PASSED:
            continue
        passed.add(source)
        assert set(found.notes) - set(good.notes) or found.own_word, source

    assert len([source for source in tried if source[0] == "change"]) > 10
    assert not [source for source in passed if source[0] == "change"]


def look_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Verify and look at each bundle, and compare each pair, once.

    They do not change, and the record does.
    """
    look, compare = event_captures.check_capture, change_derivation.compare_ends
    seen: dict[Any, Any] = {}

    def verified(stream: Any, path: Path, trust: Trust, *, now: datetime) -> Any:
        if path not in seen:
            seen[path] = verify_on_disk(stream, path, trust, now=now)
        return seen[path]

    def look_at(said: Any, here: Any, by: Any) -> Any:
        key = (said.bundle_id, said.sha256)
        if key not in seen:
            seen[key] = look(said, here, by)
        return seen[key]

    def compared(before: Any, after: Any, *more: Any, kept: object = None) -> Any:
        pair = (before.observation.bundle_id, after.observation.bundle_id)
        if pair not in seen:
            seen[pair] = compare(before, after, *more)
        return seen[pair]

    monkeypatch.setattr(bundle_finder, "verify_on_disk", verified)
    monkeypatch.setattr(event_verification, "check_capture", look_at)
    monkeypatch.setattr(change_verification, "compare_ends", compared)


def test_a_pack_of_a_change_is_passed_and_its_words_are_derived_again(
    case: Case, tmp_path: Path
) -> None:
    store = DirectoryStore(tmp_path / "store")
    for path in sorted(case.folder.glob("*.wacz*")):
        stem, _, beside = path.name.partition(".wacz")
        target = tmp_path / "store" / f"{store_keys.bundle_key(stem)}{beside}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    service = ProofService(
        store=store,
        signer=EVENTS,
        trust=case.trust,
        rules=RULES,
        clock=RealClock(),
        software="snapshotter 0.0.0-test",
        spool_dir=tmp_path / "spool",
        judge=judge_by_rules(case.trust, BY),
        assessor_of=BY.assessor_of,
    )

    made = make(service, ProofCase.of(case.event, case.data), tmp_path / "proof.html")

    assert made.report.verdict is Verdict.PASSED
    assert made.statement.marked
    page = made.file.read_text()
    assert "<del>spring</del>" in page
    assert "and two facts of the event" not in page
    with made.file.open("rb") as stream:
        alone = verify_pack(stream, case.trust, now=case.now)
    assert alone.verdict is Verdict.INDETERMINATE  # no rules
    assert "was changed between" in proof_pack_report.headline(alone)


def test_a_pack_with_an_event_of_an_unknown_kind_is_not_judged(case: Case) -> None:
    record = signed_statement.encode(_of_kind(case.data, "translated"), EVENTS)
    ends = (case.event.last_seen, case.event.first_gone)
    files = [
        *(
            packs.File(f"{seen.bundle_id}.wacz", role, _bytes(case, seen.bundle_id))
            for role, seen in zip(ENDS, ends, strict=True)
        ),
        packs.File(f"{packs.EVENT}.json", Role.EVENT, record),
    ]

    found = verify_pack(io.BytesIO(packs.written(files, signer=EVENTS)), case.trust, now=case.now)

    assert found.verdict is Verdict.INDETERMINATE
    assert "does not know the kind of the event" in proof_pack_report.headline(found)


def _bytes(case: Case, bundle_id: str) -> bytes:
    return (case.folder / f"{bundle_id}.wacz").read_bytes()
