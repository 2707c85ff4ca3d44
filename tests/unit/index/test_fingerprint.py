"""Nearly equal texts have nearly equal fingerprints, in every script."""

import random

from snapshotter.index import fingerprint as module
from snapshotter.index.fingerprint import SHARED, SIZE
from snapshotter.index.tokens import normalise, pieces
from tests.cases import in_one_test

chance = random.Random(1)  # noqa: S311  repeatable, not secret
ENGLISH = " ".join(f"word{chance.randrange(500)}" for _ in range(400))
CHINESE = "".join(chr(0x4E00 + chance.randrange(2000)) for _ in range(400))


def fingerprint(text: str) -> tuple[int, ...]:
    return module.fingerprint(pieces(normalise(text)))


def shared(one: str, other: str) -> int:
    return len({*fingerprint(one)} & {*fingerprint(other)})


@in_one_test("text", [ENGLISH, CHINESE])
def test_edits_leave_most_of_a_fingerprint(text: str) -> None:
    assert len(fingerprint(text)) == SIZE
    assert shared(text, text.upper()) == SIZE
    assert shared(text, f"An introduction. {text} The end.") > SHARED
    assert shared(text, text[: len(text) * 3 // 4]) > SHARED
    assert shared(text, text[::-1]) < SHARED / 2


def test_texts_of_one_desk_share_little() -> None:
    other = " ".join(f"word{chance.randrange(500)}" for _ in range(400))
    head = "From our correspondent in Vancouver, with material of the agencies. "
    assert shared(head + ENGLISH, head + other) < SHARED / 2


def test_a_short_text_has_none() -> None:
    assert fingerprint("This content was removed by its author.") == ()
    assert fingerprint("此内容因违规无法查看") == ()
    assert fingerprint("") == ()
