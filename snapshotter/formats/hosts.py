"""Find the host of a URL, in the form by which hosts are compared."""

from urllib.parse import urlsplit


def host_of(url: str) -> str:
    """
    Return the host of an address in lower case, without port and final dot; "" if it has none.

    Any text may be asked about: addresses come from strangers.
    """
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
