"""Normalise a text so that it can be searched and compared (UAX #15, NFKC)."""

import re
import unicodedata

# Soft hyphen, zero width space, word joiner, byte order mark.
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")


def normalise_text(text: str) -> str:
    """
    Return a text for searching and comparing: NFKC, one space for each run of white space,
    no empty lines, and none of the characters that only say where a line may break.

    No space is put anywhere: Chinese and Japanese stay as they are.
    """
    lines = (
        " ".join(_INVISIBLE.sub("", line).split())
        for line in unicodedata.normalize("NFKC", text).splitlines()
    )
    return "".join(f"{line}\n" for line in lines if line)
