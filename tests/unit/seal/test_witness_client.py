"""A witness: what it cosigns, what it never does, and a log that is cosigned by it over HTTP."""

import asyncio
import base64
import dataclasses
import hashlib
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.proofs import merkle, note
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.proofs.note import Checkpoint
from snapshotter.seal.witness import MAX_REQUEST, WitnessService
from snapshotter.seal.witness_client import HttpWitness
from snapshotter.seal.witness_server import WitnessServer
from snapshotter.store.filesystem import DirectoryStore
from tests.bundles import RealClock
from tests.fakes.world import FixedClock
from tests.logs import (
    LOG_KEY,
    LOG_SIGNER,
    WITNESS_KEY,
    WITNESS_SIGNER,
    published,
    read_whole,
    some_leaf,
    writer,
)

LEAVES = [some_leaf(number) for number in range(12)]
OTHERS = [some_leaf(f"other {number}".replace(" ", "-")) for number in range(12)]
START = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def signed(size: int, leaves: Sequence[Leaf] = LEAVES) -> bytes:
    root = merkle.root(leaf.hash() for leaf in leaves[:size])
    text = Checkpoint(origin=LOG_KEY.name, size=size, root=root).text
    line = note.signature(LOG_KEY, LOG_SIGNER.sign(text.encode()))
    return note.Note(text=text, signatures=(line,)).encode()


def proof(old: int, new: int, leaves: Sequence[Leaf] = LEAVES) -> Sequence[bytes]:
    def node(level: int, index: int) -> bytes:
        return merkle.root(leaf.hash() for leaf in leaves[index << level : (index + 1) << level])

    return merkle.consistency_proof(old, new, node)


def request(old: int, new: int, leaves: Sequence[Leaf] = LEAVES) -> bytes:
    lines = [
        f"old {old}",
        *(base64.b64encode(digest).decode() for digest in proof(old, new, leaves)),
        "",
    ]
    return "".join(f"{line}\n" for line in lines).encode() + signed(new, leaves)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def witness(tmp_path: Path, clock: FixedClock) -> WitnessService:
    return WitnessService(tmp_path / "witness", WITNESS_SIGNER, [LOG_KEY], clock)


def cosigned(body: bytes, size: int, leaves: Sequence[Leaf] = LEAVES) -> datetime:
    """Return when this answer was cosigned. Fails unless it is a good cosignature."""
    lines = note.parse_signature_lines(body.decode())
    both = note.with_signatures(note.parse(signed(size, leaves)), lines)
    cosignature = note.find_cosignature(both, WITNESS_KEY)
    assert cosignature is not None
    return cosignature.time


def test_a_tree_that_extends_the_last_one_is_cosigned(
    witness: WitnessService, clock: FixedClock
) -> None:
    for old, new in ((0, 3), (3, 3), (3, 7), (7, 12)):
        clock.advance(timedelta(seconds=10))
        answer = witness.add_checkpoint(request(old, new))
        assert answer.status == 200
        assert cosigned(answer.body, new) == clock.now()


def test_an_empty_log_is_cosigned(witness: WitnessService) -> None:
    answer = witness.add_checkpoint(request(0, 0))

    assert answer.status == 200
    assert witness.add_checkpoint(request(0, 5)).status == 200


def test_an_old_size_that_is_another_is_told_the_right_one(witness: WitnessService) -> None:
    assert witness.add_checkpoint(request(0, 7)).status == 200
    for old, new in ((0, 9), (3, 9), (0, 7), (8, 9)):
        answer = witness.add_checkpoint(request(old, new))
        assert (answer.status, answer.body, answer.media_type) == (409, b"7\n", "text/x.tlog.size")
    # A rollback is one of these: the old size it would need is not the last one's.
    assert witness.add_checkpoint(request(3, 5)).status == 409


@pytest.mark.parametrize("new", [7, 9])
def test_a_fork_is_never_cosigned(witness: WitnessService, new: int, tmp_path: Path) -> None:
    assert witness.add_checkpoint(request(0, 7)).status == 200

    answer = witness.add_checkpoint(request(7, new, OTHERS))
    assert answer.status == 422
    kept = list((tmp_path / "witness").glob("*.fork-*"))
    assert [path.read_bytes() for path in kept] == ([signed(7, OTHERS)] if new == 7 else [])
    assert witness.add_checkpoint(request(7, 9)).status == 200


def test_of_many_forks_some_are_kept(witness: WitnessService, tmp_path: Path) -> None:
    witness.add_checkpoint(request(0, 1))
    for number in range(20):
        assert witness.add_checkpoint(request(1, 1, [some_leaf(f"x{number}")])).status == 422
        witness.add_checkpoint(request(1, 1, [some_leaf(f"x{number}")]))

    assert len(list((tmp_path / "witness").glob("*.fork-*"))) == 16


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"old 0\n", 400),
        (request(0, 3).replace(b"old 0", b"old 00"), 400),
        (request(0, 3).replace(b"old 0", b"old -1"), 400),
        (request(0, 3).replace(b"old 0\n", b"old 0\n====\n"), 400),
        (request(0, 3).replace(b"old 0\n", b"old 0\nAAAA\n"), 400),
        (request(0, 3).replace(b"old 0\n", b"old 0\n" + (b"A" * 43 + b"=\n") * 64), 400),
        (request(0, 3).replace(b"old 0", b"old 4"), 400),
        (request(0, 3)[:-5], 400),
        (request(0, 3) + b"x" * MAX_REQUEST, 400),
        (request(0, 3).replace(b"log.example", b"lug.example"), 404),
        (request(0, 3).replace(b"\n3\n", b"\n4\n"), 403),
        (
            b"old 0\n\n" + note.Note(
                text=note.parse(signed(3)).text,
                signatures=(dataclasses.replace(note.parse(signed(3)).signatures[0], id=b"abcd"),),
            ).encode(),
            403,
        ),
        (request(0, 3).replace(b"old 0\n", b"old 0\n" + b"A" * 43 + b"=\n"), 422),
    ],
)  # fmt: skip
def test_what_is_not_in_order_is_refused_as_the_protocol_says(
    witness: WitnessService, body: bytes, status: int
) -> None:
    assert witness.add_checkpoint(body).status == status
    # And nothing of it was kept.
    assert witness.add_checkpoint(request(0, 3)).status == 200


def test_an_empty_tree_has_one_root(witness: WitnessService) -> None:
    text = f"{LOG_KEY.name}\n0\n{base64.b64encode(bytes(32)).decode()}\n"
    line = note.signature(LOG_KEY, LOG_SIGNER.sign(text.encode()))
    body = b"old 0\n\n" + note.Note(text=text, signatures=(line,)).encode()

    assert witness.add_checkpoint(body).status == 422


def test_what_was_cosigned_is_not_forgotten(tmp_path: Path, clock: FixedClock) -> None:
    witnessing = WitnessService(tmp_path / "witness", WITNESS_SIGNER, [LOG_KEY], clock)
    witnessing.add_checkpoint(request(0, 7))

    again = WitnessService(tmp_path / "witness", WITNESS_SIGNER, [LOG_KEY], clock)
    assert again.add_checkpoint(request(0, 3, OTHERS)).body == b"7\n"
    assert again.add_checkpoint(request(7, 7, OTHERS)).status == 422


def test_an_answer_that_was_lost_is_given_again(witness: WitnessService, clock: FixedClock) -> None:
    """As after a kill between the record and the answer: the log asks from the size it is told."""
    witness.add_checkpoint(request(0, 7))
    assert witness.add_checkpoint(request(0, 7)).body == b"7\n"

    answer = witness.add_checkpoint(request(7, 7))
    assert (answer.status, cosigned(answer.body, 7)) == (200, clock.now())


def test_a_clock_that_was_set_back_does_not_make_a_word_earlier(
    witness: WitnessService, clock: FixedClock
) -> None:
    witness.add_checkpoint(request(0, 3))
    clock.set_wall_clock(START - timedelta(days=1))

    assert cosigned(witness.add_checkpoint(request(3, 7)).body, 7) == START


def test_a_record_that_is_damaged_ends_all_cosigning(
    witness: WitnessService, tmp_path: Path
) -> None:
    witness.add_checkpoint(request(0, 3))
    (record,) = (tmp_path / "witness").glob("*.checkpoint")
    for content in (b"", signed(3), record.read_bytes().replace(b"\n3\n", b"\n2\n")):
        record.write_bytes(content)
        with pytest.raises(SnapshotterError, match="not a record of this witness"):
            witness.add_checkpoint(request(3, 7))


def test_of_two_that_extend_one_tree_at_once_one_is_cosigned(
    tmp_path: Path, clock: FixedClock
) -> None:
    """Two instances, as two processes have them: only the file's lock is between them."""
    start = threading.Barrier(8)
    answers: list[int] = []

    def ask(leaves: Sequence[Leaf]) -> None:
        witnessing = WitnessService(tmp_path / "witness", WITNESS_SIGNER, [LOG_KEY], clock)
        start.wait()
        answers.append(witnessing.add_checkpoint(request(0, 5, leaves)).status)

    threads = [
        threading.Thread(target=ask, args=([LEAVES, OTHERS][number % 2],)) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [200, *[409] * 7]


def test_the_last_checkpoint_of_a_log_is_given_out(witness: WitnessService) -> None:
    name = hashlib.sha256(LOG_KEY.name.encode()).hexdigest()
    assert witness.checkpoint(name).status == 404
    witness.add_checkpoint(request(0, 7))

    answer = witness.checkpoint(name)
    opened = note.open_checkpoint(answer.body, LOG_KEY, [WITNESS_KEY])
    assert (answer.status, opened.size, len(opened.cosignatures)) == (200, 7, 1)
    assert witness.checkpoint("ab" * 32).status == 404


# --- over HTTP --------------------------------------------------------------------------------


@contextmanager
def served(witness: WitnessService) -> Iterator[str]:
    """Serve a witness on loopback; yield its address."""
    ready = threading.Event()
    state: dict[str, object] = {}

    async def run() -> None:
        server = WitnessServer(witness, lambda _: None)
        state["port"] = await server.start("127.0.0.1", 0)
        task = asyncio.ensure_future(server.wait())
        state["stop"] = task.cancel
        state["loop"] = asyncio.get_running_loop()
        ready.set()
        try:
            await task
        except asyncio.CancelledError:
            return

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert ready.wait(30)
    try:
        yield f"http://127.0.0.1:{state['port']}"
    finally:
        state["loop"].call_soon_threadsafe(state["stop"])  # type: ignore[attr-defined]
        thread.join(30)


def client(url: str, **more: object) -> HttpWitness:
    return HttpWitness(
        WITNESS_KEY,
        url,
        clock=RealClock(),
        transport=httpx.HTTPTransport,
        **more,  # type: ignore[arg-type]
    )


def test_a_log_is_cosigned_over_http_as_it_grows(tmp_path: Path, witness: WitnessService) -> None:
    store = DirectoryStore(tmp_path / "store")
    with served(witness) as url:
        said: list[str] = []
        mine = writer(store, witnesses=[client(url)], show_message=said.append)
        for number in range(4):
            mine.append([some_leaf(number)])
        # Another writer, who does not know what the witness saw last, and does not ask it.
        writer(store).append([some_leaf("quiet")])
        done = writer(store, witnesses=[client(url)], show_message=said.append).append(
            [some_leaf("last")]
        )

    assert said == []
    assert [cosignature.key for cosignature in done.signed.cosignatures] == [WITNESS_KEY]
    assert len(published(store).cosignatures) == 1
    assert len(read_whole(store)) == 6


def test_a_forked_log_is_refused_its_cosignature(tmp_path: Path, witness: WitnessService) -> None:
    with served(witness) as url:
        writer(DirectoryStore(tmp_path / "one"), witnesses=[client(url)]).append(LEAVES[:3])
        said: list[str] = []
        forked = writer(
            DirectoryStore(tmp_path / "other"), witnesses=[client(url)], show_message=said.append
        )
        assert forked.append(OTHERS[:5]).signed.cosignatures == ()

    assert "has seen ANOTHER HISTORY" in said[0]


def test_the_server_answers_what_it_is_for_and_nothing_else(witness: WitnessService) -> None:
    with served(witness) as url, httpx.Client(base_url=url, trust_env=False) as http:
        name = hashlib.sha256(LOG_KEY.name.encode()).hexdigest()
        assert http.post("/add-checkpoint", content=request(0, 3)).status_code == 200
        given = http.get(f"/{name}/checkpoint")
        assert given.status_code == 200
        assert note.open_checkpoint(given.content, LOG_KEY).size == 3
        for method, path, status in (
            ("GET", "/", 404),
            ("GET", "/add-checkpoint", 405),
            ("POST", f"/{name}/checkpoint", 405),
            ("POST", "/other", 404),
            ("HEAD", f"/{name}/checkpoint", 200),
        ):
            assert http.request(method, path).status_code == status
        assert http.post("/add-checkpoint", content=b"x" * (MAX_REQUEST + 1)).status_code == 413
        assert http.post("/add-checkpoint", content=iter([b"x"])).status_code == 411


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"BREW / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 2000 + b"\r\n",
    ],
)
def test_what_is_no_request_is_answered_and_the_connection_ends(
    witness: WitnessService, raw: bytes
) -> None:
    with served(witness) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(raw)
            answer = b""
            while chunk := connection.recv(4096):
                answer += chunk

    assert answer.startswith(b"HTTP/1.1 400 ")


class _Scripted:
    """A server that answers each request with the next of some answers."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []

    def __call__(self) -> httpx.BaseTransport:
        def handle(asked: httpx.Request) -> httpx.Response:
            self.requests.append(asked.read())
            if not self.answers:
                raise httpx.ConnectError("refused")
            answer = self.answers.pop(0)
            return httpx.Response(
                answer.status_code,
                headers=answer.headers,
                stream=httpx.ByteStream(answer.content),
            )

        return httpx.MockTransport(handle)


def ask(script: _Scripted) -> bytes:
    http_witness = HttpWitness(
        WITNESS_KEY, "http://w.example/", clock=RealClock(), transport=script
    )
    return http_witness.cosign(signed(7), 7, 3, lambda old: proof(old, 7))


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        ([], "cannot be reached"),
        ([httpx.Response(500)], "HTTP status 500"),
        ([httpx.Response(403)], "rejected the checkpoint, because the key that signed the "
        "checkpoint is unknown to the witness"),
        ([httpx.Response(422)], "ANOTHER HISTORY"),
        ([httpx.Response(301, headers={"Location": "http://elsewhere.example/"})], "status 301"),
        ([httpx.Response(200, content=b"")], "without a valid cosignature"),
        ([httpx.Response(200, content="— x.example AAAAAAAA\n".encode())], "without a "
        "cosignature by the key of the witness"),
        ([httpx.Response(200, content=b"\xff\n")], "without a valid cosignature"),
        ([httpx.Response(200, content=b"x" * 70_000)], "more than"),
        ([httpx.Response(409, content=b"5\n")], "has received another checkpoint of this "
        "log in the meantime"),
        (
            [httpx.Response(409, content=b"x\n", headers={"Content-Type": "text/x.tlog.size"})],
            "did not state the number of entries that the witness has seen",
        ),
        (
            [httpx.Response(409, content=b"9\n", headers={"Content-Type": "text/x.tlog.size"})],
            "has already seen 9 entries of this log, which is more than the log has",
        ),
    ],
)  # fmt: skip
def test_a_witness_that_gives_no_good_answer_gives_none(
    answers: list[httpx.Response], word: str
) -> None:
    with pytest.raises(ServiceUnavailable, match=word):
        ask(_Scripted(*answers))


def test_a_cosignature_over_something_else_is_not_taken() -> None:
    text = note.parse(signed(5)).text
    raw = WITNESS_SIGNER.sign(note.cosigned_message(text, 1_795_000_000))
    other = note.signature(WITNESS_KEY, raw, 1_795_000_000).line.encode()

    with pytest.raises(ServiceUnavailable, match="is not valid"):
        ask(_Scripted(httpx.Response(200, content=other)))


def test_a_witness_that_knows_another_size_is_asked_again_from_there(
    witness: WitnessService,
) -> None:
    witness.add_checkpoint(request(0, 5))
    first = witness.add_checkpoint(request(3, 7))
    second = witness.add_checkpoint(request(5, 7))
    script = _Scripted(
        httpx.Response(
            first.status, content=first.body, headers={"Content-Type": first.media_type}
        ),
        httpx.Response(second.status, content=second.body),
    )

    assert cosigned(ask(script), 7) == START
    assert [request.partition(b"\n")[0] for request in script.requests] == [b"old 3", b"old 5"]


def test_the_clients_key_is_a_witnesss() -> None:
    with pytest.raises(ValueError, match="key for cosignatures"):
        HttpWitness(LOG_KEY, "http://w.example", clock=RealClock(), transport=_Scripted())
    with pytest.raises(ValueError, match="neither http"):
        HttpWitness(WITNESS_KEY, "file:///x", clock=RealClock(), transport=_Scripted())
    with pytest.raises(ValueError, match="key for notes"):
        WitnessService(Path("x"), WITNESS_SIGNER, [WITNESS_KEY], FixedClock())
