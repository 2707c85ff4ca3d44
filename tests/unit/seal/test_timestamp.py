"""What asking authorities does without a network: arguments, bugs, imports, shipped defaults."""

import subprocess
import sys
import tomllib
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from snapshotter.errors import ServiceUnavailable
from snapshotter.formats.proofs.rfc3161 import Anchor
from snapshotter.model.bundle import TokenState
from snapshotter.seal.timestamp import HttpTimestampAuthority, stamp_all
from tests.fakes.world import START, FixedClock, SeededIds

AUTHORITIES = Path(__file__).parents[3] / "policies" / "authorities"


class Scripted:
    """An authority that does what it was told: return a time, or raise."""

    def __init__(self, name: str, outcome: datetime | Exception) -> None:
        self.name = name
        self._outcome = outcome

    def stamp(self, message: bytes) -> tuple[bytes, datetime]:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return b"token over " + message, self._outcome


def shipped_anchor() -> Anchor:
    root = x509.load_pem_x509_certificate((AUTHORITIES / "digicert.pem").read_bytes())
    return Anchor(name="DigiCert", root=root)


def test_nobody_to_ask_is_no_results() -> None:
    assert stamp_all([], b"x", timeout_s=5) == ()


def test_a_bug_in_one_authority_costs_its_own_token_alone() -> None:
    broken, good = stamp_all(
        [Scripted("broken", KeyError("bug")), Scripted("good", START)], b"x", timeout_s=5
    )

    assert broken.state is TokenState.PENDING
    assert "broken failed: KeyError" in broken.detail
    assert good.state is TokenState.GRANTED
    assert (good.time, good.response) == (START, b"token over x")


def test_what_an_authority_says_of_itself_is_kept() -> None:
    (result,) = stamp_all(
        [Scripted("a", ServiceUnavailable("timestamp authority a is asleep"))], b"x", timeout_s=5
    )

    assert result.state is TokenState.PENDING
    assert result.detail == "timestamp authority a is asleep"


@pytest.mark.parametrize("url", ["ftp://a.example/", "timestamp.example", "http://", "file:///x"])
def test_an_address_that_is_not_http_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="neither http nor https"):
        HttpTimestampAuthority("a", url, shipped_anchor(), clock=FixedClock(), ids=SeededIds())


def test_the_password_in_a_bad_address_is_not_told() -> None:
    with pytest.raises(ValueError, match="neither") as caught:
        HttpTimestampAuthority(
            *("a", "ftp://user:SECRET@a.example/", shipped_anchor()),
            clock=FixedClock(),
            ids=SeededIds(),
        )
    assert "SECRET" not in str(caught.value)


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="limit"):
        HttpTimestampAuthority(
            *("a", "http://a.example", shipped_anchor()),
            clock=FixedClock(),
            ids=SeededIds(),
            timeout_s=0,
        )


def test_a_proxy_that_would_lead_past_a_transport_is_refused() -> None:
    with pytest.raises(ValueError, match="past the transport"):
        HttpTimestampAuthority(
            *("a", "http://a.example", shipped_anchor()),
            clock=FixedClock(),
            ids=SeededIds(),
            proxy="http://proxy.example:3128",
            transport=httpx.HTTPTransport,
        )


def test_importing_the_module_does_not_import_a_network_library() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import sys, snapshotter.seal.timestamp; print('httpx' in sys.modules)",
        ],
        cwd=AUTHORITIES.parents[1],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.strip() == "False"


def test_every_authority_that_we_ship_has_a_root_that_can_be_an_anchor() -> None:
    tables = tomllib.loads((AUTHORITIES / "authorities.toml").read_text())["authority"]

    assert [table["name"] for table in tables] == ["DigiCert", "Sectigo"]
    for table in tables:
        pem = (AUTHORITIES / table["root"]).read_bytes()
        (root,) = x509.load_pem_x509_certificates(pem)
        root.verify_directly_issued_by(root)
        anchor = Anchor(name=table["name"], root=root, policy_oids=frozenset(table["policy_oids"]))
        HttpTimestampAuthority(
            anchor.name, table["url"], anchor, clock=FixedClock(), ids=SeededIds()
        )
