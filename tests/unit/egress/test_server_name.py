"""The server that a TLS client asks for, from real ClientHellos in any pieces."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.egress.server_name import ServerName


def hello(name: str | None) -> bytes:
    """Return what OpenSSL says first."""
    context = ssl.create_default_context()
    context.check_hostname = False
    outgoing = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


HELLO = hello("www.site.example")


def in_records(data: bytes, size: int) -> bytes:
    """Return the same handshake in records of `size` bytes (RFC 8446 section 5.1)."""
    message = data[5:]
    return b"".join(
        b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece
        for piece in (message[offset : offset + size] for offset in range(0, len(message), size))
    )


def read(*pieces: bytes) -> ServerName:
    found = ServerName()
    for piece in pieces:
        found.feed(piece)
    return found


def test_the_name_is_read_from_a_whole_hello() -> None:
    assert read(HELLO).name == "www.site.example"
    assert read(HELLO).done


def test_the_name_is_read_from_single_bytes_and_small_records() -> None:
    assert read(*(bytes([byte]) for byte in HELLO)).name == "www.site.example"
    assert read(in_records(HELLO, 3)).name == "www.site.example"
    assert not read(HELLO[:-1]).done


def test_a_hello_without_a_name_has_none() -> None:
    found = read(hello(None))
    assert (found.name, found.done) == ("", True)


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"\x16\x02\x00", b"\x16\x03\x01\0\1\2"])
def test_what_is_no_hello_is_not_waited_for(data: bytes) -> None:
    found = read(data + b"\0" * 8)
    assert (found.name, found.done) == ("", True)


def test_a_hello_that_does_not_end_is_given_up() -> None:
    record = b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xff" + b"\0" * (16384 - 4)
    found = read(*[record] * 3)
    assert found.done


@given(st.binary(max_size=400), st.integers(0, 400))
def test_any_bytes_are_read_without_an_error(data: bytes, at: int) -> None:
    read(data)
    read(HELLO[:at] + data)
    found = read(HELLO[:at], data, HELLO[at:])
    assert isinstance(found.name, str)
