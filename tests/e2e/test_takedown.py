"""It was there, it is gone: from two looks at a page to an event that a stranger verifies."""

import json
from pathlib import Path

import pytest

from snapshotter.site.server import FixtureSite
from snapshotter.site.state import removed
from tests.e2e.product import Installation, trusting
from tests.servers.authority import TestAuthority

pytestmark = pytest.mark.e2e

POLICY = """
name = "quick"
extends = "default"

[takedown.confirm]
reason = "a test does not wait"
after = "0s"
"""


def test_a_page_that_is_taken_down_between_two_looks_is_an_event_that_verifies(
    installation: Installation, authority: TestAuthority
) -> None:
    (installation.home / "quick.toml").write_text(POLICY)
    installation.configure(trusting(authority), policy="quick.toml")
    with FixtureSite() as site:
        page, other = (site.url(path, "127.0.0.1") for path in ("news/2014", "news"))
        seen = installation.run("check", "--json", page).object
        site.show("news/2014", removed("404"))
        gone, control, again = installation.run("check", "--json", page, other, page).objects
    assert [printed["verdict"]["availability"] for printed in (seen, gone, control, again)] == [
        "available", "unavailable", "available", "unavailable",
    ]  # fmt: skip

    derived = installation.run("takedown", "derive", "--json")

    assert derived.code == 0, derived.err
    (recorded,) = derived.object["recorded"]
    event = json.loads((installation.store / recorded["key"]).read_bytes().partition(b"\n")[0])
    ends = [event["event"][role]["bundle_id"] for role in ("last_seen", "first_gone")]
    assert ends == [Path(printed["bundle"]["path"]).stem for printed in (seen, gone)]

    exported = installation.run("takedown", "export", recorded["event_id"], "-o", "exhibit")
    assert exported.code == 0, exported.err
    record = f"exhibit/{recorded['event_id']}.json"
    verified = installation.run("verify", "--json", record)
    assert (verified.code, verified.object["verdict"]) == (0, "passed"), verified.out
    audited = installation.run("audit")
    assert audited.code == 0, audited.out

    bundle = installation.home / "exhibit" / f"{ends[1]}.wacz"
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(data)
    failed = installation.run("verify", record)
    assert failed.code == 10
    assert "FAIL first gone" in failed.out
