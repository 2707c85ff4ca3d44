"""The host that an address names."""

import pytest

from snapshotter.formats.hosts import host_of


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.ORG/a?b#c", "example.org"),
        ("http://user:word@example.org.:8080/", "example.org"),
        ("http://127.0.0.3:8001/x", "127.0.0.3"),
        ("http://[::1]/", "::1"),
        ("http:///no-host", ""),
        ("http://[::1/", ""),
        ("no address", ""),
    ],
)
def test_a_host_is_named_in_lower_case_without_its_port(url: str, host: str) -> None:
    assert host_of(url) == host
