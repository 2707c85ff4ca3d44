"""Tables of TOML files: the right values, and every mistake with its place."""

import enum
import subprocess
import sys
from datetime import date, datetime
from typing import Annotated, Literal

import pytest

from snapshotter.formats.table import Check, Field, Table, TableError, check_key, check_table


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


def _is_lower(text: str) -> str:
    if text != text.lower():
        raise ValueError("is not in lower case")
    return text


_Word = Annotated[str, Field(min_length=1, max_length=5), Check(_is_lower)]


class Inner(Table):
    a: int = Field(default=1, ge=0, le=9)
    b: float = Field(default=0.5, gt=0)


class Circle(Table):
    type: Literal["circle"]
    radius: int


class Square(Table):
    type: Literal["square"]
    side: int


class Whole(Table):
    name: str = Field(pattern=r"^[a-z]+(-[a-z]+)?$")
    words: Annotated[tuple[_Word, ...], Field(max_length=2)] = ()
    pair: tuple[int, int] = (1, 2)
    colour: Colour = Colour.RED
    kind: Literal["x", "y", "z"] = "x"
    on: bool = False
    day: date | None = None
    mixed: tuple[str | int | bool, ...] = ()
    texts: dict[_Word, str] = Field(default_factory=dict)
    begin: str = Field(default="", alias="from")
    inner: Inner = Field(default_factory=Inner)
    many: tuple[Inner, ...] = ()
    shapes: tuple[Annotated[Circle | Square, Field(discriminator="type")], ...] = ()

    @check_key("words", before=True)
    @classmethod
    def _split(cls, value: object) -> object:
        return value.split() if isinstance(value, str) else value

    @check_key("kind")
    @classmethod
    def _is_not_z(cls, kind: str) -> str:
        if kind == "z":
            raise ValueError("z is not possible")
        return kind

    @check_table
    def _fits(self) -> "Whole":
        if self.on and not self.words:
            raise ValueError("`on` needs `words`")
        return self


class Lenient(Table, from_text=True):
    count: int = 0
    share: float = 0
    on: bool = False
    text: str = ""


@pytest.mark.parametrize(
    ("values", "where", "message"),
    [
        ({}, ("name",), "this key is missing"),
        ({"name": 1}, ("name",), "must be a string"),
        ({"name": "a\n"}, ("name",), "must match the pattern ^[a-z]+(-[a-z]+)?$"),
        ({"name": "a", "other": 1}, ("other",), "no key with this name exists"),
        ({"name": "a", "begin": "1"}, ("begin",), "no key with this name exists"),
        ({"name": "a", "words": ["a", "b", "c"]}, ("words",), "has more than 2 entries"),
        ({"name": "a", "words": ["a", "abcdef"]}, ("words", 1), "is longer than 5 characters"),
        ({"name": "a", "words": [""]}, ("words", 0), "must not be empty"),
        ({"name": "a", "words": ["A"]}, ("words", 0), "is not in lower case"),
        ({"name": "a", "words": 5}, ("words",), "must be a list"),
        ({"name": "a", "pair": [1]}, ("pair",), "must be a list of 2 entries"),
        ({"name": "a", "pair": [1, True]}, ("pair", 1), "must be an integer"),
        ({"name": "a", "colour": "green"}, ("colour",), 'must be "red" or "blue"'),
        ({"name": "a", "kind": "w"}, ("kind",), 'must be "x", "y" or "z"'),
        ({"name": "a", "kind": "z"}, ("kind",), "z is not possible"),
        ({"name": "a", "on": "true"}, ("on",), "must be true or false"),
        ({"name": "a", "on": 1}, ("on",), "must be true or false"),
        ({"name": "a", "day": datetime(2026, 1, 1)}, ("day",), "must be a date"),  # noqa: DTZ001
        ({"name": "a", "mixed": [1.5]}, ("mixed", 0), "must be a string"),
        ({"name": "a", "texts": {"A": "b"}}, ("texts", "A"), "is not in lower case"),
        ({"name": "a", "texts": {"a": 1}}, ("texts", "a"), "must be a string"),
        ({"name": "a", "inner": 1}, ("inner",), "must be a table"),
        ({"name": "a", "inner": {"a": -1}}, ("inner", "a"), "must be 0 or more"),
        ({"name": "a", "inner": {"a": 10}}, ("inner", "a"), "must be 9 or less"),
        ({"name": "a", "inner": {"a": "1"}}, ("inner", "a"), "must be an integer"),
        ({"name": "a", "inner": {"b": 0}}, ("inner", "b"), "must be greater than 0"),
        ({"name": "a", "inner": {"b": float("nan")}}, ("inner", "b"), "must be greater than 0"),
        ({"name": "a", "inner": {"b": "1"}}, ("inner", "b"), "must be a number"),
        ({"name": "a", "many": [{}, {"c": 1}]}, ("many", 1, "c"), "no key with this name exists"),
        (
            {"name": "a", "shapes": [{"type": "line"}]},
            ("shapes", 0, "type"),
            'must be "circle" or "square"',
        ),
        (
            {"name": "a", "shapes": [{"type": "circle", "side": 1, "radius": 1}]},
            ("shapes", 0, "side"),
            "no key with this name exists",
        ),
        ({"name": "a", "on": True}, (), "`on` needs `words`"),
    ],
)
def test_a_mistake_is_found_with_its_place(
    values: dict[str, object], where: tuple[str | int, ...], message: str
) -> None:
    with pytest.raises(TableError) as caught:
        Whole.read(values)

    assert [(mistake.where, mistake.message) for mistake in caught.value.mistakes] == [
        (where, message)
    ]
    place = ".".join(map(str, where))
    assert str(caught.value) == (f"{place}: {message}" if place else message)


def test_all_mistakes_are_listed_in_the_order_of_the_keys() -> None:
    with pytest.raises(TableError) as caught:
        Whole.read({"unknown": 1, "inner": {"a": 10, "b": -1}, "kind": "w", "words": ["A", "b"]})

    assert [mistake.where for mistake in caught.value.mistakes] == [
        ("name",), ("words", 0), ("kind",), ("inner", "a"), ("inner", "b"), ("unknown",),
    ]  # fmt: skip
    assert [mistake.unknown_key for mistake in caught.value.mistakes] == [False] * 5 + [True]


def test_values_have_their_types_and_defaults() -> None:
    table = Whole.read(
        {
            "name": "a-b",
            "words": "c d",
            "colour": "blue",
            "day": date(2026, 1, 2),
            "mixed": [1, "a", True],
            "from": "x",
            "inner": {"b": 2},
            "many": [{"a": 2}],
            "shapes": [{"type": "square", "side": 3}],
        }
    )

    assert (table.words, table.colour, table.day) == (("c", "d"), Colour.BLUE, date(2026, 1, 2))
    assert (table.mixed, table.begin, table.pair) == ((1, "a", True), "x", (1, 2))
    assert (table.inner.b, type(table.inner.b), table.inner.a) == (2.0, float, 1)
    assert table.many == (Inner(a=2),)
    assert table.shapes == (Square(type="square", side=3),)
    assert Whole.read(table.as_dict()) == table
    assert table.as_dict()["from"] == "x"
    assert table.as_dict()["many"] == ({"a": 2, "b": 0.5},)


def test_a_table_does_not_change_and_a_copy_has_other_values() -> None:
    table = Inner(a=2)
    copy = table.with_values({"a": 3})

    assert (table.a, copy.a, copy.b, copy == Inner(a=3)) == (2, 3, 0.5, True)
    assert hash(copy) == hash(Inner(a=3))
    assert repr(copy) == "Inner(a=3, b=0.5)"
    with pytest.raises(AttributeError):
        table.a = 5  # type: ignore[misc]
    with pytest.raises(TableError):
        Inner(a=-1)


def test_a_secret_is_not_shown() -> None:
    class Secret(Table):
        word: str = Field(repr=False)

    assert "hidden" not in repr(Secret(word="hidden"))


def test_texts_are_converted_only_where_the_class_says_so() -> None:
    lenient = Lenient.read({"count": " 12", "share": "0.5", "on": "Yes", "text": "3"})

    assert lenient == Lenient(count=12, share=0.5, on=True, text="3")
    assert Lenient.read({"on": "off"}).on is False
    for values in ({"count": "1.5"}, {"count": True}, {"share": "x"}, {"on": "2"}, {"text": 3}):
        with pytest.raises(TableError):
            Lenient.read(values)


def test_a_class_costs_nothing_until_a_table_is_read() -> None:
    code = (
        "import snapshotter.policy.tables as tables\n"
        "before = tables.Policy._plan_of_class, tables.LimitsTable._plan_of_class\n"
        "tables.Policy.read({'name': 'a'})\n"
        "print(before, tables.LimitsTable._plan_of_class is not None)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout == "(None, None) True\n"
