"""
A timestamp authority for tests: `openssl ts -reply` behind HTTP on 127.0.0.1.

Real requests, real tokens, a chain of its own. What it does is chosen by the
path, so that one server shows every way in which an authority can go wrong:

    /good          a token (root → leaf)
    /intermediate  a token (root → intermediate → leaf)
    /untrusted     a token under a root that nobody knows, with the same names
    /wrong-policy  a good token under another policy (1.2.3.4.2)
    /wrong-nonce   the answer to an older request, over the same bytes
    /other-bytes   a good token with the right nonce, over other bytes
    /html          a web page, status 200
    /html-as-token a web page that calls itself a token
    /500           an error
    /redirect      to /good; /loop: to itself
    /slow          takes the request, never answers
    /drip          one byte a second, for ever
    /rejected      a proper refusal, with a reason
    /garbage       random bytes of the right content type
    /huge          more than anybody should read
    /close         hangs up without an answer

Run by hand: `python -m tests.servers.authority --dir D --port P`; it writes
`D/root.pem` and prints where it listens. Its policy is 1.2.3.4.1, a test's own:
never put it into a trust file that is used in earnest.
"""

import argparse
import http.server
import secrets
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from typing_extensions import override

POLICY_OID = "1.2.3.4.1"
OTHER_POLICY_OID = "1.2.3.4.2"
KINDS = (
    *("good", "intermediate", "untrusted", "wrong-policy", "wrong-nonce", "other-bytes"),
    *("html", "html-as-token", "500", "redirect", "loop", "slow", "drip", "rejected"),
    *("garbage", "huge", "close"),
)
_HUGE = 8 << 20
_HTML = b"<!doctype html><title>Sign in</title><p>This network asks you to sign in.</p>"
_REPLY = "application/timestamp-reply"
_MAX_REQUEST = 1 << 16
_OPENSSL_S = 30  # limit for one call

_CONFIG = """\
[req]
distinguished_name = none
prompt = no
[none]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[intermediate]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[leaf]
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
digests = {digests}
accuracy = millisecs:500, microsecs:250
clock_precision_digits = 3
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@dataclass(frozen=True, slots=True)
class Chain:
    """A root, what hangs below it, and the key that signs tokens; all files in one folder."""

    folder: Path
    name: str
    intermediate: bool = False
    days: int = 3650  # until the signer's certificate ends
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def root_pem(self) -> Path:
        return self.folder / "root.pem"

    @property
    def leaf_pem(self) -> Path:
        return self.folder / "leaf.pem"

    def make(self) -> None:
        """Make keys and certificates; does nothing if they are there."""
        if self.leaf_pem.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_config("tsa.cnf", POLICY_OID, "sha256, sha384, sha512")
        self._write_config("other-policy.cnf", OTHER_POLICY_OID, "sha256, sha384, sha512")
        self._write_config("rejecting.cnf", POLICY_OID, "sha1")
        (self.folder / "serial").write_text("01\n")
        for key in ("root", "intermediate", "leaf"):
            _openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", self._key(key))
        _openssl(
            *("req", "-new", "-x509", "-config", self._at("tsa.cnf"), "-extensions", "root"),
            *("-key", self._key("root"), "-subj", f"/O=snapshotter tests/CN={self.name} root"),
            *("-days", "7300", "-sha384", "-out", self.root_pem),
        )
        issuer = "root"
        if self.intermediate:
            self._issue("intermediate", "root")
            issuer = "intermediate"
        self._issue("leaf", issuer)

    def reply(self, request: bytes, *, config: str = "tsa.cnf") -> bytes:
        """Return `openssl ts`'s answer. One at a time: it reads and writes the serial file."""
        with self.lock, tempfile.TemporaryDirectory(dir=self.folder) as work:
            query, answer = Path(work, "q.tsq"), Path(work, "a.tsr")
            query.write_bytes(request)
            chain = ("-chain", self._at("intermediate.pem")) if self.intermediate else ()
            _openssl(
                *("ts", "-reply", "-config", self._at(config), "-section", "tsa"),
                *("-queryfile", query, "-signer", self.leaf_pem, "-inkey", self._key("leaf")),
                *chain,
                *("-out", answer),
            )
            return answer.read_bytes()

    def _issue(self, name: str, issuer: str) -> None:
        request = self._at(f"{name}.csr")
        _openssl(
            *("req", "-new", "-config", self._at("tsa.cnf"), "-key", self._key(name)),
            *("-subj", f"/O=snapshotter tests/CN={self.name} {name}", "-out", request),
        )
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self._at(f"{issuer}.pem")),
            *("-CAkey", self._key(issuer), "-set_serial", str(secrets.randbits(120) | 1 << 120)),
            *("-extfile", self._at("tsa.cnf"), "-extensions", name),
            *("-days", str(self.days), "-sha384", "-out", self._at(f"{name}.pem")),
        )

    def _write_config(self, name: str, policy: str, digests: str) -> None:
        text = _CONFIG.format(serial=self._at("serial"), policy=policy, digests=digests)
        self._at(name).write_text(text)

    def _key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def _at(self, name: str) -> Path:
        return self.folder / name


class TestAuthority:
    """A running authority. Close it with `stop`, or use it as a context manager."""

    __test__ = False  # not a test case, whatever its name says

    policy_oid = POLICY_OID

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.good = Chain(folder, "test authority")
        self.intermediate = Chain(folder / "intermediate", "test authority", intermediate=True)
        self.untrusted = Chain(folder / "untrusted", "test authority")  # same names, other keys
        for chain in (self.good, self.intermediate, self.untrusted):
            chain.make()
        self.requests: list[str] = []  # paths, in the order in which they came
        self._first: dict[bytes, bytes] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.authority = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def root_pem(self) -> bytes:
        """The root of /good and of all kinds that are not named for another one."""
        return self.good.root_pem.read_bytes()

    @property
    def intermediate_root_pem(self) -> bytes:
        """The root of /intermediate."""
        return self.intermediate.root_pem.read_bytes()

    def url(self, kind: str = "good") -> str:
        """Return the address of one kind of behaviour."""
        if kind not in KINDS:
            raise ValueError(f"no such kind of behaviour: {kind}")
        return f"http://127.0.0.1:{self.port}/{kind}"

    def stop(self) -> None:
        """Stop answering and wait until the port is free."""
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def answer(self, kind: str, request: bytes) -> tuple[int, str, bytes]:
        """Return status, content type and body for one request."""
        match kind:
            case "good":
                return 200, _REPLY, self.good.reply(request)
            case "intermediate":
                return 200, _REPLY, self.intermediate.reply(request)
            case "untrusted":
                return 200, _REPLY, self.untrusted.reply(request)
            case "wrong-policy":
                return 200, _REPLY, self.good.reply(request, config="other-policy.cnf")
            case "wrong-nonce":
                return 200, _REPLY, self._older(request)
            case "other-bytes":
                return 200, _REPLY, self.good.reply(_over_other_bytes(request))
            case "rejected":
                return 200, _REPLY, self.good.reply(request, config="rejecting.cnf")
            case "html":
                return 200, "text/html; charset=utf-8", _HTML
            case "html-as-token":
                return 200, _REPLY, _HTML
            case "500":
                return 500, "text/plain", b"out of order\n"
            case "garbage":
                return 200, _REPLY, secrets.token_bytes(900)
            case "huge":
                return 200, _REPLY, bytes(_HUGE)
            case _:
                return 404, "text/plain", b"no such kind of behaviour\n"

    def wait_for_the_end(self, seconds: float) -> bool:
        """Wait; true when the authority is being stopped."""
        return self._stopping.wait(seconds)

    def _older(self, request: bytes) -> bytes:
        # The same bytes under a nonce of another time: what a replay looks like.
        older = _with_other_nonce(request)
        return self.good.reply(older)


def start_authority(folder: Path, port: int = 0) -> TestAuthority:
    """Make the keys below `folder` if there are none, and start to answer."""
    return TestAuthority(folder, port)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    authority: TestAuthority

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client may hang up
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = 60

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a test's output is its own."""

    def do_POST(self) -> None:
        kind = self.path.strip("/")
        authority = self.server.authority
        authority.requests.append(self.path)
        length = min(int(self.headers.get("Content-Length", "0")), _MAX_REQUEST)
        request = self.rfile.read(length)
        if kind == "close":
            self.close_connection = True
        elif kind == "slow":
            authority.wait_for_the_end(600)
        elif kind == "drip":
            self._start(200, _REPLY, 1 << 16)
            while not authority.wait_for_the_end(0.2):
                self.wfile.write(b"0")
                self.wfile.flush()
        elif kind in {"redirect", "loop"}:
            target = "good" if kind == "redirect" else "loop"
            self.send_response(307)
            self.send_header("Location", f"/{target}")
            self.send_header("Content-Encoding", "br")
            self.send_header("Content-Length", "9")
            self.end_headers()
            self.wfile.write(b"no Brotli")  # whoever undoes the coding of a redirect breaks off
        else:
            if self.headers.get("Content-Type") != "application/timestamp-query":
                status, media_type, body = 415, "text/plain", b"not a timestamp query\n"
            else:
                status, media_type, body = authority.answer(kind, request)
            self._start(status, media_type, len(body))
            self.wfile.write(body)

    def _start(self, status: int, media_type: str, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(length))
        self.send_header("Set-Cookie", "visited=1")  # nobody should send it back
        self.end_headers()


def _over_other_bytes(request: bytes) -> bytes:
    # The imprint follows its algorithm: OCTET STRING of 64 bytes (SHA-512).
    at = request.index(b"\x04\x40") + 2
    return request[:at] + secrets.token_bytes(64) + request[at + 64 :]


def _with_other_nonce(request: bytes) -> bytes:
    # The nonce lies between the imprint and the final BOOLEAN (01 01 ff).
    at = len(request) - 4
    return request[:at] + bytes([request[at] ^ 0x01]) + request[at + 1 :]


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, timeout=_OPENSSL_S, check=False
    )
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.decode(errors='replace')}")


def main() -> None:
    """Run until interrupted."""
    parser = argparse.ArgumentParser(description="A timestamp authority for tests.")
    parser.add_argument("--dir", type=Path, required=True, help="where keys and root.pem live")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    arguments = parser.parse_args()
    with start_authority(arguments.dir.resolve(), arguments.port) as authority:
        print(authority.url("good"), flush=True)  # noqa: T201 — what whoever started it waits for
        print(f"root: {authority.good.root_pem}", file=sys.stderr)  # noqa: T201
        try:
            while not authority.wait_for_the_end(3600):
                pass
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
