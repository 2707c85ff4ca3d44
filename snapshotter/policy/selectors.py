"""
Define the type of a CSS selector in TOML files, which accepts the selectors that
`formats/page/selectors.py` can match.
"""

from typing import Annotated

from snapshotter.errors import SnapshotterError
from snapshotter.formats.page.selectors import parse_selector
from snapshotter.formats.table import Check


def _check_selector(text: str) -> str:
    try:
        parse_selector(text)
    except SnapshotterError as error:
        raise ValueError(error.message) from error
    return text


CssSelector = Annotated[str, Check(_check_selector)]  # by us, not by the browser
