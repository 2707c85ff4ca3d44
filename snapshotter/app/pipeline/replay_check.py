"""
Replay a bundle in pywb, and compare what it shows with the pictures in the bundle.

pywb serves the bundle as a proxy, without any network behind it. The page is captured from it with
a new browser in its sandbox, by the same policy and the same steps. The only upstream of the
egress guard is that proxy, so that all that is shown comes from the bundle.

pywb is under the GPL. It is run as a program of this machine. It is never imported, and is no
dependency.
"""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any

from warcio.archiveiterator import ArchiveIterator

from snapshotter.capture.pictures import pixel_comparison
from snapshotter.errors import SnapshotterError
from snapshotter.formats.digest import CHUNK
from snapshotter.model.capture import Capture
from snapshotter.model.replay import (
    MissedRequest,
    PictureDifference,
    Replay,
    ReplayVerdict,
    unchecked,
)
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.ports import Capturer, Progress
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FULL_PAGE_PX = 30_000  # CSS pixels of height up to which the full page is compared
_VIEWPORT = "capture/viewport.png"
_SCREENSHOT = re.compile(r"capture/screenshot(-\d\d+)?\.png")  # the page in its first window
_RECORD = "archive/data.warc.gz"
_INDEX = "indexes/index.cdx"
_COLLECTION = "replay"
_MANAGE_S = 120.0  # for pywb to take a bundle in
_START_S = 60.0  # for its server to answer
_STOP_S = 5.0
_LOOK_S = 0.05
_ANSWER_S = 5.0
_ATTEMPTS = 3  # at a port that nobody takes between our look and pywb's
_MISSED = 100  # requests that are named
_WORDS = 300  # characters of another program's complaint

# A child that ends with us however we end (prctl(2), PR_SET_PDEATHSIG), even by SIGKILL.
_ENDS_WITH_US = """
import ctypes, os, signal, sys
if sys.platform.startswith("linux"):
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PywbPrograms:
    """The paths of pywb's two programs."""

    wayback: Path
    manager: Path


@cache
def find_pywb(directory: Path | None) -> PywbPrograms:
    """
    Return pywb's programs, from a directory or else from PATH.

    Raises:
        SnapshotterError: They are not installed.
    """
    found: list[Path] = []
    for name in ("wayback", "wb-manager"):
        path = shutil.which(name, path=str(directory) if directory else None)
        if path is None:
            where = f"in {directory}" if directory else "on PATH"
            raise SnapshotterError(
                tr(
                    "the program {name} of pywb was not found {where}. The check of a replay "
                    "needs pywb",
                    name=name,
                    where=where,
                ),
                hint=tr(
                    "install pywb in a separate folder, and set SNAPSHOTTER_PYWB_DIR to the "
                    "folder with its programs:\n  python3 -m venv ~/pywb && ~/pywb/bin/pip "
                    "install pywb\n  export SNAPSHOTTER_PYWB_DIR=~/pywb/bin"
                ),
            )
        found.append(Path(path).absolute())
    return PywbPrograms(wayback=found[0], manager=found[1])


class PywbReplayer:
    """
    `ports.Replayer` with pywb.

    Args:
        browser: Makes a capturer whose every connection goes through this proxy.
    """

    def __init__(self, pywb: PywbPrograms, browser: Callable[[str], Capturer]) -> None:
        self._pywb = pywb
        self._browser = browser

    def check(
        self,
        request: CaptureRequest,
        decision: Decision,
        captured: Capture,
        bundle: Path,
        folder: Path,
        progress: Progress,
    ) -> Replay:
        """Replay a bundle and compare; see `ports.Replayer`."""
        # The directory of the page is in `folder` itself, where a sweep after a crash finds the
        # files of its browser.
        work, spool = folder / "replay", folder / "replay-page"
        try:
            work.mkdir()
            spool.mkdir()
            return self._check(request, decision, captured, bundle, work, spool, progress)
        except (SnapshotterError, OSError, zipfile.BadZipFile) as error:
            return unchecked(str(error))
        except Exception as error:  # noqa: BLE001 - shown, and costs no bundle that is stored
            return unchecked(f"{type(error).__name__}: {error}"[:_WORDS])
        finally:
            shutil.rmtree(work, ignore_errors=True)
            shutil.rmtree(spool, ignore_errors=True)

    def _check(
        self,
        request: CaptureRequest,
        decision: Decision,
        captured: Capture,
        bundle: Path,
        work: Path,
        spool: Path,
        progress: Progress,
    ) -> Replay:
        pictures = _pictures(bundle, work / "captured")
        if _VIEWPORT not in pictures:
            return unchecked(tr("the bundle has no picture that can be compared with the replay"))
        height = captured.page_size.captured_height if captured.page_size else 0
        if not 0 < height <= FULL_PAGE_PX:
            pictures = {_VIEWPORT: pictures[_VIEWPORT]}
        progress("replay", "starting pywb")
        with _serving(self._pywb, bundle, _moment(captured), work / "pywb") as proxy:
            shown = self._browser(proxy).capture(
                request,
                _as_replayed(decision, full_page=len(pictures) > 1),
                spool,
                lambda stage, _: progress("replay", stage),
            )
        progress("replay", "comparing pictures")
        replayed = {artifact.path: artifact.file for artifact in shown.artifacts}
        if _VIEWPORT not in replayed:
            why = "; ".join(f"{reason.code}: {reason.detail}" for reason in shown.reasons)
            return unchecked(tr("the replay produced no picture: {why}", why=why))
        compared = tuple(_compared(path, file, replayed) for path, file in pictures.items())
        unanswered = {request.url for request in captured.failed_requests} | _without_answer(bundle)
        missed = tuple(_missed(replayed.get(_RECORD), shown, unanswered, _errors_in(bundle)))
        same = not any(
            difference.differing or difference.replayed_px is None for difference in compared
        )
        return Replay(
            verdict=ReplayVerdict.REPLAYS if same else ReplayVerdict.DIFFERS,
            detail=_not_compared(pictures, captured),
            pictures=compared,
            missed=missed[:_MISSED],
            missed_count=len(missed),
        )


def _as_replayed(decision: Decision, *, full_page: bool) -> Decision:
    """Return the same decision for a page that comes from pywb."""
    height = FULL_PAGE_PX if full_page else decision.viewport_px[1]
    return replace(
        decision,
        # pywb does not have the key of the captured server, so it signs with an authority of its
        # own, made for this replay. That deceives nobody, since the browser reaches only pywb.
        ignore_certificate_errors=True,
        keep_streams_for=(),
        pictures=replace(decision.pictures, viewports=(), elements=(), pdf=False),
        limits=replace(decision.limits, height_px=min(height, decision.limits.height_px)),
    )


def _moment(captured: Capture) -> str:
    """
    Return the instant to replay, 14 digits of UTC.

    It is the end of the capture: of several responses of one address the photographed page had the
    last.
    """
    return f"{captured.ended_at.astimezone(UTC):%Y%m%d%H%M%S}"


def _pictures(bundle: Path, folder: Path) -> dict[str, Path]:
    """Take first view and full page out of a bundle; return them by their path in it."""
    folder.mkdir()
    found: dict[str, Path] = {}
    with zipfile.ZipFile(bundle) as archive:
        for name in archive.namelist():
            if name == _VIEWPORT or _SCREENSHOT.fullmatch(name):
                file = folder / name.rpartition("/")[2]
                with archive.open(name) as source, file.open("wb") as target:
                    shutil.copyfileobj(source, target, CHUNK)
                found[name] = file
    return {name: found[name] for name in sorted(found, key=lambda name: (name != _VIEWPORT, name))}


def _compared(path: str, file: Path, replayed: dict[str, Path]) -> PictureDifference:
    if path not in replayed:
        width, height = pixel_comparison.read_png_size(file)
        return PictureDifference(
            path=path,
            captured_px=(width, height),
            replayed_px=None,
            pixels=width * height,
            differing=width * height,
        )
    found = pixel_comparison.compare(file, replayed[path])
    return PictureDifference(
        path=path,
        captured_px=found.first,
        replayed_px=found.second,
        pixels=found.pixels,
        differing=found.differing,
    )


def _not_compared(pictures: dict[str, Path], captured: Capture) -> str:
    if len(pictures) > 1:
        return ""
    height = captured.page_size.captured_height if captured.page_size else 0
    if not height:
        return tr("the bundle has no picture of the full page, so only the first view was compared")
    return tr(
        "the page is {height} CSS pixels high, so only the first view was compared. The "
        "limit for a comparison of the full page is {full_page_px} CSS pixels",
        height=height,
        full_page_px=FULL_PAGE_PX,
    )


def _missed(
    record: Path | None,
    shown: Capture,
    unanswered: Collection[str],
    errors: frozenset[tuple[str, str]],
) -> Iterator[MissedRequest]:
    """
    Yield the requests of the replay that the bundle has no response to.

    Requests that had no response when the page was captured are not counted.

    Args:
        record: The network record of the replay.
        unanswered: Addresses that had no response when the page was captured, or that opened a
            socket.
        errors: Address and status of the bundle's own error responses.
    """
    reported: set[str] = set()
    for method, url, status in _without_memento(record):
        if url not in unanswered and (url, status) not in errors:
            reported.add(url)
            yield MissedRequest(
                method=method, url=url, why=tr("the bundle has no response to this request")
            )
    for request in shown.failed_requests:
        if request.url not in unanswered and request.url not in reported:
            reported.add(request.url)
            yield MissedRequest(method="", url=request.url, why=request.error)


def _without_answer(bundle: Path) -> set[str]:
    """Return the addresses that the page requested and that the index has no response of."""
    with zipfile.ZipFile(bundle) as archive:
        with archive.open(_INDEX) as lines:
            answered = {str(json.loads(line.split(b" ", 2)[2])["url"]) for line in lines}
        with archive.open(_RECORD) as stream:
            asked = {
                str(record.rec_headers.get_header("WARC-Target-URI"))
                for record in ArchiveIterator(stream)
                if record.rec_type == "request"
            }
    return asked - answered


def _errors_in(bundle: Path) -> frozenset[tuple[str, str]]:
    """Return address and status of each recorded response of 400 and above, by the index."""
    found: set[tuple[str, str]] = set()
    with zipfile.ZipFile(bundle) as archive, archive.open(_INDEX) as lines:
        for line in lines:
            facts = json.loads(line.split(b" ", 2)[2])  # key, 14 digits, JSON
            if facts["status"] >= "400":
                found.add((facts["url"], facts["status"]))
    return frozenset(found)


def _without_memento(record: Path | None) -> Iterator[tuple[str, str, str]]:
    """
    Yield method, address and status of the error responses that pywb itself seems to make.

    A response from an archive states its time (RFC 7089, section 2.1.1); pywb leaves that out for
    requests of scripts. Preflights are skipped, since pywb answers each of them.
    """
    if record is None:
        return
    own: dict[str, tuple[str, str]] = {}  # id of a response -> address and status
    methods: dict[str, str] = {}  # id of a response -> method of its request
    with record.open("rb") as stream:
        for item in ArchiveIterator(stream):
            fields, head = item.rec_headers, item.http_headers
            if head is None:
                continue
            if item.rec_type == "request":
                methods[str(fields.get_header("WARC-Concurrent-To"))] = str(head.protocol)
            elif item.rec_type == "response":
                status = str(head.get_statuscode())
                if status >= "400" and head.get_header("Memento-Datetime") is None:
                    identifier = str(fields.get_header("WARC-Record-ID"))
                    own[identifier] = (str(fields.get_header("WARC-Target-URI")), status)
    for identifier, (address, status) in own.items():
        method = methods.get(identifier, "")
        if method != "OPTIONS":
            yield method, address, status


@contextlib.contextmanager
def _serving(pywb: PywbPrograms, bundle: Path, moment: str, home: Path) -> Iterator[str]:
    """
    Serve a bundle as a proxy on loopback while the block runs; yield the address of the proxy.

    Raises:
        SnapshotterError: pywb does not accept the bundle, or does not start.
    """
    (home / "tmp").mkdir(parents=True)
    for name in ("archive", "indexes"):  # what `wb-manager init` would make, in a second more
        (home / "collections" / _COLLECTION / name).mkdir(parents=True)
    _manage(pywb, ("add", "--unpack-wacz", _COLLECTION, str(bundle)), home)
    # Instead of the option --proxy, which opens the live web as well. Bodies are not rewritten,
    # and pywb adds nothing to a page.
    (home / "config.yaml").write_text(
        f"proxy:\n  coll: {_COLLECTION}\n  default_timestamp: '{moment}'\n"
        "  enable_content_rewrite: false\n  enable_banner: false\n  enable_wombat: false\n"
    )
    for attempt in range(1, _ATTEMPTS + 1):
        port = _free_port()
        with _running(pywb, port, home) as server:
            if _comes_up(server, port):
                yield f"http://127.0.0.1:{port}"
                return
            ended = server.poll() is not None
        if not ended or attempt == _ATTEMPTS:
            break
    said = _last_words((home / "pywb.log").read_bytes())
    raise SnapshotterError(
        tr("pywb did not start{value}{said}", value=": " if said else "", said=said)
    )


def _manage(pywb: PywbPrograms, arguments: tuple[str, ...], home: Path) -> None:
    """Run `wb-manager` to its end."""
    with (home / "manager.log").open("wb") as log:
        child = _start((str(pywb.manager), *arguments), home, log)
        try:
            code = child.wait(_MANAGE_S)
        except subprocess.TimeoutExpired:
            code = -1
        finally:
            _end(child)
    if code:
        said = _last_words((home / "manager.log").read_bytes())
        raise SnapshotterError(
            tr(
                "pywb does not accept the bundle{value}{said}",
                value=": " if said else "",
                said=said,
            )
        )


@contextlib.contextmanager
def _running(pywb: PywbPrograms, port: int, home: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with (home / "pywb.log").open("wb") as log:
        command = (str(pywb.wayback), "--bind", "127.0.0.1", "--port", str(port))
        server = _start(command, home, log)
        try:
            yield server
        finally:
            _end(server)


def _start(command: tuple[str, ...], home: Path, log: Any) -> "subprocess.Popen[bytes]":
    """Start a program in a process group of its own, without our environment."""
    return subprocess.Popen(  # noqa: S603  pywb's programs, as the settings name them
        (sys.executable, "-I", "-S", "-c", _ENDS_WITH_US, str(os.getpid()), *command),
        cwd=home,
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
        },
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Kill a program and its children; it has nothing to save."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_STOP_S)


def _comes_up(server: "subprocess.Popen[bytes]", port: int) -> bool:
    """Wait for pywb's first response; return False if pywb ends, or does not respond in time."""
    end = time.monotonic() + _START_S
    while server.poll() is None and time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)
        try:
            connection.request("GET", f"/{_COLLECTION}/")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            time.sleep(_LOOK_S)
        else:
            return server.poll() is None  # and it was not another program that answered
        finally:
            connection.close()
    return False


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def _last_words(log: bytes) -> str:
    lines = [line.strip() for line in log.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:_WORDS] if lines else ""
