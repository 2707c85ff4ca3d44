"""Where politeness plugs into the queue."""

import pytest

from snapshotter.jobs.gate import host_of


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.ORG/a?b#c", "example.org"),
        ("http://example.org.:8080/", "example.org"),
        ("http://127.0.0.3:8001/x", "127.0.0.3"),
        ("http://[::1]/", "::1"),
        ("http:///no-host", ""),
    ],
)
def test_limits_are_kept_by_the_host_in_lower_case_without_its_port(url: str, host: str) -> None:
    assert host_of(url) == host
