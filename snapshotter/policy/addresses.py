"""Match hosts against patterns, and remove parameters from addresses by name."""

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import unquote_plus, urlsplit, urlunsplit

from snapshotter.model.request import CaptureRequest, Decision


def matches_host_pattern(host: str, patterns: Iterable[str]) -> bool:
    """
    Return whether a host matches one of the patterns.

    Args:
        host: Lowercase, as it is resolved.
        patterns: "example.org" is that host alone, "*.example.org" all hosts under it.
    """
    return any(
        host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern.strip("[]")
        for pattern in patterns
    )


def strip_parameters(url: str, names: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """
    Return an address without some parameters of its query, and the names of those removed.

    The rest stays byte for byte; an address without any of them is returned unchanged.

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
    remaining: list[str] = []
    removed: list[str] = []
    for pair in parts.query.split("&"):
        name = unquote_plus(pair.partition("=")[0])
        is_named = name.lower() in exact or name.lower().startswith(tuple(beginnings))
        if pair and is_named:
            removed.append(name)
        else:
            remaining.append(pair)
    if not removed:
        return url, ()
    return urlunsplit(parts._replace(query="&".join(remaining))), tuple(removed)


def strip_request_url(request: CaptureRequest, decision: Decision) -> CaptureRequest:
    """Return the request for the address that is visited; it keeps the original address apart."""
    url, stripped = strip_parameters(request.url, decision.strip_params)
    return (
        replace(request, url=url, original=request.url, stripped=stripped) if stripped else request
    )
