"""The type of a selector in our TOML files: one that `formats/selectors.py` matches."""

from typing import Annotated

from pydantic import AfterValidator

from snapshotter.errors import SnapshotterError
from snapshotter.formats.selectors import parse_selector


def _matched_by_us(text: str) -> str:
    try:
        parse_selector(text)
    except SnapshotterError as error:
        raise ValueError(error.message) from error
    return text


OurSelector = Annotated[str, AfterValidator(_matched_by_us)]  # by us, not by the browser
