"""A table in one test: each case is tried, and each that fails is named."""

from pathlib import Path

import pytest

from tests.cases import in_one_test

TRIED: list[object] = []


@in_one_test("word", ["one", "two"], ids=str.upper)
@in_one_test(("number", "square"), [(1, 1), (2, 4), (3, 9)])
def test_every_case_is_tried_with_the_fixtures(
    tmp_path: Path, word: str, number: int, square: int
) -> None:
    TRIED.append((word, number))
    assert tmp_path.is_dir()
    assert number**2 == square


def test_no_case_is_left_out() -> None:
    TRIED.clear()

    test_every_case_is_tried_with_the_fixtures(tmp_path=Path("/"))

    assert [(word, number) for word in ("one", "two") for number in (1, 2, 3)] == TRIED


def test_each_failed_case_is_named_with_its_failure() -> None:
    @in_one_test("number", [0, 1, 2, 3], ids=["none", "one", "two", "three"])
    def odd(number: int) -> None:
        if number == 0:
            pytest.fail("nothing there")
        assert number % 2, f"{number} is even"

    with pytest.raises(AssertionError) as failure:
        odd()

    said = str(failure.value)
    assert said.startswith("2 of 4 cases failed")
    assert "case 0, none:\nFailed: nothing there" in said
    assert "case 2, two:\nAssertionError: 2 is even" in said


def test_a_table_without_a_case_is_an_error() -> None:
    with pytest.raises(ValueError, match="without a case"):
        in_one_test("number", [])
