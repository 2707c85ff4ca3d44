"""Addresses as policies speak of them: hosts by pattern, parameters by name. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import unquote_plus, urlsplit, urlunsplit

from snapshotter.model.request import CaptureRequest, Decision


def matches_host_pattern(host: str, patterns: Iterable[str]) -> bool:
    """
    Whether a host is one of those that are named.

    Args:
        host: Lowercase, as the resolver would be asked.
        patterns: "example.org" is that host alone, "*.example.org" all that lie under it.
    """
    return any(
        host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern.strip("[]")
        for pattern in patterns
    )


def strip_parameters(url: str, names: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """
    Return an address without some parameters of its query, and the names of those taken out.

    What is left stays byte for byte; the address itself comes back where none of them is there.

    Args:
        names: In any case; one that ends in "*" means all that begin so.
    """
    parts = urlsplit(url)
    exact, beginnings = set(), []
    for name in names:
        if name.endswith("*"):
            beginnings.append(name[:-1].lower())
        else:
            exact.add(name.lower())
    kept: list[str] = []
    gone: list[str] = []
    for pair in parts.query.split("&"):
        name = unquote_plus(pair.partition("=")[0])
        is_named = name.lower() in exact or name.lower().startswith(tuple(beginnings))
        if pair and is_named:
            gone.append(name)
        else:
            kept.append(pair)
    if not gone:
        return url, ()
    return urlunsplit(parts._replace(query="&".join(kept))), tuple(gone)


def strip_request_url(request: CaptureRequest, decision: Decision) -> CaptureRequest:
    """Return the request for the address that is visited, with what was asked for kept apart."""
    url, stripped = strip_parameters(request.url, decision.strip_params)
    return (
        replace(request, url=url, original=request.url, stripped=stripped) if stripped else request
    )
