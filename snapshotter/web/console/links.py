"""Make addresses of pages of the console, with the values of a list in their query."""

from collections.abc import Mapping
from urllib.parse import urlencode


def path_with(path: str, values: Mapping[str, str], **changes: str) -> str:
    """
    Return a path with a query.

    Args:
        values: Of the query; empty ones are left out.
        changes: Replace values. An empty one removes a value.
    """
    chosen = {name: value for name, value in {**values, **changes}.items() if value}
    # Half of a surrogate pair cannot be in an address.
    query = urlencode(chosen, errors="replace")
    return f"{path}?{query}" if query else path
