"""
Run a local timestamp authority for demonstrations: `openssl ts -reply` on loopback.

Requests and tokens are real (RFC 3161), under a root certificate that is made at the start. It
proves nothing to anybody else, because its clock and its key are on this machine. It shows how a
token is requested and checked, without a network.
"""

import http.server
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from typing_extensions import override

from snapshotter.errors import ServiceUnavailable
from snapshotter.translation import tr

NAME: Final = "demo authority"
POLICY_OID: Final = "1.2.3.4.1"  # of an example: no authority has it
_DAYS = 2  # for which its certificates hold
_OPENSSL_S = 30  # for one call
_MAX_REQUEST = 1 << 16  # bytes
_POLL_S = 0.02
_REPLY = "application/timestamp-reply"
_CONFIG = """\
[req]
distinguished_name = none
prompt = no
[none]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[signer]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[tsa]
serial = {serial}
signer_digest = sha256
default_policy = {policy}
other_policies = {policy}
digests = sha256, sha384, sha512
accuracy = millisecs:500
clock_precision_digits = 3
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def is_possible() -> bool:
    """Whether openssl is here."""
    return shutil.which("openssl") is not None


class LocalAuthority:
    """
    The authority as a server on loopback. Use as a context manager.

    Args:
        folder: Of ours, where its keys and certificates are made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Make its keys, and start to answer. Raises ServiceUnavailable: openssl did not."""
        self._make()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.authority = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="authority", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    @property
    def url(self) -> str:
        """Where it answers."""
        if self._server is None:
            raise ValueError(
                "the timestamp authority is not running: use the object as a context manager"
            )
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    @property
    def root(self) -> Path:
        """Its root certificate, PEM."""
        return self._folder / "root.pem"

    def reply(self, request: bytes) -> bytes:
        """Return the answer (DER) to a request; one at a time, for it counts in a file."""
        # The folder is a demo's, which the next one sweeps.
        folder = tempfile.TemporaryDirectory(dir=self._folder)  # noqa: TID251
        with self._lock, folder as work:
            query, answer = Path(work, "query.tsq"), Path(work, "answer.tsr")
            query.write_bytes(request)
            self._openssl(
                *("ts", "-reply", "-config", self._at("tsa.cnf"), "-section", "tsa"),
                *("-queryfile", query, "-signer", self._at("signer.pem")),
                *("-inkey", self._at("signer.key"), "-out", answer),
            )
            return answer.read_bytes()

    def _make(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        config = self._at("tsa.cnf")
        config.write_text(_CONFIG.format(serial=self._at("serial"), policy=POLICY_OID))
        self._at("serial").write_text("01\n")
        for name in ("root", "signer"):
            self._openssl(
                *("ecparam", "-name", "secp384r1", "-genkey", "-noout"),
                *("-out", self._at(f"{name}.key")),
            )
        self._openssl(
            *("req", "-new", "-x509", "-config", config, "-extensions", "root"),
            *("-key", self._at("root.key"), "-subj", f"/O=snapshotter demo/CN={NAME} root"),
            *("-days", str(_DAYS), "-sha384", "-out", self.root),
        )
        self._openssl(
            *("req", "-new", "-config", config, "-key", self._at("signer.key")),
            *("-subj", f"/O=snapshotter demo/CN={NAME}", "-out", self._at("signer.csr")),
        )
        self._openssl(
            *("x509", "-req", "-in", self._at("signer.csr"), "-CA", self.root),
            *("-CAkey", self._at("root.key"), "-set_serial", "2"),
            *("-extfile", config, "-extensions", "signer"),
            *("-days", str(_DAYS), "-sha384", "-out", self._at("signer.pem")),
        )

    def _at(self, name: str) -> Path:
        return self._folder / name

    def _openssl(self, *arguments: str | Path) -> None:
        program = shutil.which("openssl")
        if program is None:
            raise ServiceUnavailable(
                tr("the timestamp authority of the demo needs openssl, which is not installed"),
                hint=tr("install openssl, and run the demo again"),
            )
        try:
            done = subprocess.run(  # noqa: S603  # a program of the system, and our own words
                [program, *map(str, arguments)],
                capture_output=True,
                timeout=_OPENSSL_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServiceUnavailable(
                tr(
                    "openssl {arguments} did not end in time: {error}",
                    arguments=arguments[0],
                    error=error,
                )
            ) from error
        if done.returncode:
            words = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise ServiceUnavailable(
                tr(
                    "openssl {arguments} failed: {words}",
                    arguments=arguments[0],
                    words=words[-1] if words else done.returncode,
                )
            )


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    authority: LocalAuthority

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked has gone, or openssl failed: no answer is an answer too."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = 60

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "0")
        request = self.rfile.read(min(int(length) if length.isdigit() else 0, _MAX_REQUEST))
        body = self.server.authority.reply(request)
        self.send_response_only(200)
        self.send_header("Content-Type", _REPLY)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
