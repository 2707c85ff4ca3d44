"""
Normalise the texts of notices before they are compared.

Platforms write one notice in several ways: 此帐号已被屏蔽, 内容… and 此账号已被屏蔽，内容…. The
normalised text is used for comparisons only. The original text is stored, shown and signed.
"""

import unicodedata

from snapshotter.model.rules import Normaliser

_TYPEWRITER = str.maketrans("‘’“”", "''\"\"")


def normalise_notice_text(text: str, how: Normaliser) -> str:
    """
    Return a text in the form in which it is compared.

    `zh-notice`: NFKC (so half- and full-width commas are one), no white space and no
    characters without a width, 帐 is 账, and one 。 at the end does not count.

    `notice`: NFKC, white space is one space, straight quotes, lower case, and one full
    stop at the end does not count.
    """
    plain = "".join(
        character
        for character in unicodedata.normalize("NFKC", text)
        if not _is_invisible(character)
    )
    if how is Normaliser.ZH_NOTICE:
        plain = "".join(plain.split()).replace("帐", "账")
        # Once more: what stood apart by something invisible has come together.
        return unicodedata.normalize("NFKC", plain).removesuffix("。")
    plain = " ".join(plain.translate(_TYPEWRITER).casefold().split())
    plain = unicodedata.normalize("NFKC", plain)
    return (plain[:-1] if plain.endswith((".", "。")) else plain).rstrip()


def _is_invisible(letter: str) -> bool:
    """Whether a character has no width: joiners, marks of direction, controls."""
    kind = unicodedata.category(letter)
    return kind == "Cf" or (kind == "Cc" and not letter.isspace())
