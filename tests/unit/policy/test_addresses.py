"""Hosts by pattern, and parameters that are taken out of an address before the visit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.policy.addresses import matches_host_pattern, strip_parameters, strip_request_url

PAGE = "https://mp.weixin.qq.com/s"


@pytest.mark.parametrize(
    ("host", "pattern", "is_one"),
    [
        ("example.org", "example.org", True),
        ("www.example.org", "example.org", False),
        ("www.example.org", "*.example.org", True),
        ("a.b.example.org", "*.example.org", True),
        ("example.org", "*.example.org", False),
        ("badexample.org", "*.example.org", False),
        ("::1", "[::1]", True),
    ],
)
def test_a_pattern_is_a_host_or_all_that_lie_under_it(
    host: str, pattern: str, is_one: bool
) -> None:
    assert matches_host_pattern(host, ("other.example", pattern)) is is_one


@pytest.mark.parametrize(
    ("query", "names", "left", "gone"),
    [
        ("a=1&srcid=2&b=3", ("srcid",), "a=1&b=3", ("srcid",)),
        ("SrcID=2", ("srcid",), "", ("SrcID",)),
        ("sharer_id=1&sharer=2&chksm=3", ("sharer_*",), "sharer=2&chksm=3", ("sharer_id",)),
        ("key=1&key=2&monkey=3", ("key",), "monkey=3", ("key", "key")),
        ("%6Bey=1", ("key",), "", ("key",)),  # as a server reads the name
        ("key", ("key",), "", ("key",)),
        ("a=%E4%BD%A0&&b", ("key",), "a=%E4%BD%A0&&b", ()),
        ("", ("key",), "", ()),
    ],
)  # fmt: skip
def test_parameters_are_taken_out_by_name_and_the_rest_stays_byte_for_byte(
    query: str, names: tuple[str, ...], left: str, gone: tuple[str, ...]
) -> None:
    url = f"{PAGE}?{query}#rd" if query else f"{PAGE}#rd"

    found = strip_parameters(url, names)

    assert found == (f"{PAGE}?{left}#rd" if left else f"{PAGE}#rd", gone)


@given(st.text(max_size=60))
def test_an_address_without_the_parameter_comes_back_as_it_was(query: str) -> None:
    url = f"{PAGE}?{query}"

    assert strip_parameters(url, ("no-such-name",)) == (url, ())


def test_what_was_asked_for_is_kept_apart_from_what_is_visited() -> None:
    decision = Decision(policy_name="x", policy_text="", strip_params=("uin", "key"))
    asked = f"{PAGE}?__biz=MzA&uin=SECRET&key=OTHER"

    request = strip_request_url(CaptureRequest(url=asked), decision)

    assert request.url == f"{PAGE}?__biz=MzA"
    assert (request.original, request.stripped) == (asked, ("uin", "key"))
    assert "SECRET" not in repr(request)


def test_a_request_without_them_is_the_request_itself() -> None:
    decision = Decision(policy_name="x", policy_text="", strip_params=("uin",))
    request = CaptureRequest(url=PAGE)

    assert strip_request_url(request, decision) is request
