"""TOML of strangers is read in bounded time, and that of everybody else as it always was."""

import pytest

from snapshotter.formats import toml


@pytest.mark.parametrize(
    "text", ["a." * 100 + "a = 1", "[" + "a . " * 100 + "a]", "x = {" + '"a".' * 100 + "a = 1}"]
)
def test_a_key_of_a_hundred_parts_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="parts"):
        toml.loads(text)


def test_dots_that_stand_in_texts_and_lists_are_no_key() -> None:
    text = f'a.b = "{"x." * 200}"\nlist = [{"1.5, " * 100}]\n# {"and so on. " * 5}\n'

    found = toml.loads(text)

    assert (len(found["a"]["b"]), len(found["list"])) == (400, 100)
