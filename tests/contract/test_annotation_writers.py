"""Several writers annotate one store at once, and some are killed: no annotation is lost."""

import os
import signal
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from typing_extensions import override

from snapshotter.app.archive import annotation_checks, annotations
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.annotations import AnnotationKind, NewAnnotation
from snapshotter.model.finding import Verdict
from snapshotter.seal.signer import FileSigner
from tests.annotated import ONE, service_on
from tests.apart import APART
from tests.bundles import SoftwareKeyWithoutWacz
from tests.contract.stores import Place, Store, place_of, shut

pytestmark = pytest.mark.xdist_group("seaweedfs")

RECORDS = 4  # of each writer
_LIMIT_S = 120


@pytest.fixture(params=["directory", "plain"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_of(request.param, request, tmp_path)


def test_writers_at_once_all_succeed_and_no_exhibit_number_is_given_twice(
    place: Place, store: Store
) -> None:
    annotations.append(
        service_on(store),
        lambda state: NewAnnotation(kind=AnnotationKind.CASE_CREATED, case="harbour"),
    )
    writers = [
        APART.Process(target=_write, args=(place, letter, letter == "c")) for letter in "abc"
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(_LIMIT_S)

    assert [writer.exitcode for writer in writers] == [0, 0, -signal.SIGKILL]
    chain = annotations.read_chain(store)
    case = chain.state().cases["harbour"]
    # The killed one has stored all but its last record.
    assert sorted(case.captures.values()) == list(range(1, 3 * RECORDS))
    assert not chain.problems
    assert not chain.state().problems
    report = annotation_checks.check(store, is_trusted=lambda key_id: True, seen=None)
    assert [finding.code for finding in report.findings] == ["text-without-record"]
    assert report.verdict is Verdict.INDETERMINATE


def _write(place: Place, letter: str, is_killed: bool) -> None:
    store = place.open()
    key = ec.generate_private_key(ec.SECP384R1())
    signer = _Killed(key) if is_killed else FileSigner(key)
    service = service_on(store, signer=signer, name=letter, seed=letter)
    for number in range(RECORDS):

        def decide(state: AnnotationState, number: int = number) -> NewAnnotation:
            return NewAnnotation(
                kind=AnnotationKind.CASE_ADDED,
                case="harbour",
                bundles=(f"{ONE[:-2]}{letter}{'abcd'[number]}",),
                exhibits=(state.cases["harbour"].last_exhibit + 1,),
            )

        annotations.append(service, decide, text=f"{letter} {number}")
    shut(store)


class _Killed(SoftwareKeyWithoutWacz):
    """A key whose process is killed while it signs its last record."""

    @override
    def sign(self, message: bytes) -> bytes:
        if f'"{ONE[:-2]}c{"abcd"[RECORDS - 1]}"'.encode() in message:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().sign(message)
