"""A value class behaves as the same class made by the standard library."""

import copy
import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from typing_extensions import override

from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """A value with every kind of field."""

    name: str
    count: int = 3
    words: tuple[str, ...] = ()
    found: list[str] = dataclasses.field(default_factory=list)
    secret: str = dataclasses.field(default="", repr=False)
    seen: dict[str, int] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("no name")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    """A value with every kind of field."""

    name: str
    count: int = 3
    words: tuple[str, ...] = ()
    found: list[str] = dataclasses.field(default_factory=list)
    secret: str = dataclasses.field(default="", repr=False)
    seen: dict[str, int] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("no name")


@dataclass(slots=True)
class Changing:
    """A value that changes, with a field that is not an argument."""

    first: int
    total: int = dataclasses.field(init=False, default=0)
    inner: "Changing | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class More(Ours):
    """A value with the fields of another, and its own."""

    extra: float = 0.5


@dataclass(slots=True, eq=False)
class Same:
    """A value that equals only itself."""

    number: int


@dataclass(frozen=True, slots=True)
class One:
    """A value with one field."""

    only: str


@dataclass(frozen=True, slots=True)
class Own:
    """A value with methods of its own."""

    text: str

    @override
    def __repr__(self) -> str:
        return "own"

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own)

    @override
    def __hash__(self) -> int:
        return 7


def _told(action: Callable[[], object]) -> tuple[str, str]:
    try:
        return "", repr(action())
    except Exception as error:  # noqa: BLE001 - which one, and what it says, is compared
        return type(error).__name__, str(error)


@pytest.mark.parametrize(
    "action",
    [
        lambda kind: kind(name="a"),
        lambda kind: kind(name="a", count=5, words=("b",), found=["c"], secret="s", seen={"d": 1}),
        lambda kind: kind(),
        lambda kind: kind("a"),
        lambda kind: kind(name=""),
        lambda kind: kind(name="a", unknown=1),
        lambda kind: setattr(kind(name="a"), "name", "b"),
        lambda kind: delattr(kind(name="a"), "name"),
        lambda kind: kind(name="a").unknown,
        lambda kind: kind(name="a").found is kind(name="a").found,
        lambda kind: kind(name="a") == kind(name="a"),
        lambda kind: kind(name="a") == kind(name="a", secret="s"),
        lambda kind: kind(name="a", seen={"d": 1}) == kind(name="a"),
        lambda kind: kind(name="a") == "a",
        lambda kind: hash(kind(name="a")),
        lambda kind: hash(kind(name="a", found=())) == hash(kind(name="a", found=())),
        lambda kind: dataclasses.replace(kind(name="a"), count=8),
        lambda kind: dataclasses.replace(kind(name="a"), name=""),
        lambda kind: dataclasses.asdict(kind(name="a", words=("b",))),
        lambda kind: [field.name for field in dataclasses.fields(kind)],
        lambda kind: copy.deepcopy(kind(name="a", found=["c"])),
        lambda kind: pickle.loads(pickle.dumps(kind(name="a", found=["c"]))),  # noqa: S301
        lambda kind: (kind.__doc__, kind.__slots__, kind.__match_args__),
        lambda kind: kind(name="a").__dict__,
    ],
)
def test_a_value_class_does_what_a_dataclass_does(action: Callable[[Any], object]) -> None:
    error, words = _told(lambda: action(Ours))

    assert (error, words.replace("Ours", "Theirs")) == _told(lambda: action(Theirs))


def test_a_value_that_changes_is_compared_and_has_no_hash() -> None:
    value = Changing(1)
    value.total = 4

    assert value != Changing(1)
    assert repr(value) == "Changing(first=1, total=4, inner=None)"
    with pytest.raises(TypeError, match="unhashable"):
        hash(value)
    with pytest.raises(TypeError, match="total"):
        Changing(1, total=2)  # type: ignore[call-arg]


def test_a_value_that_holds_itself_is_shown() -> None:
    value = Changing(1)
    value.inner = value

    assert repr(value) == "Changing(first=1, total=0, inner=...)"


def test_a_value_inherits_fields_and_checks() -> None:
    assert repr(More(name="a", extra=2.0)) == (
        "More(name='a', count=3, words=(), found=[], extra=2.0)"
    )
    assert More(name="a") != Ours(name="a")
    with pytest.raises(ValueError, match="no name"):
        More(name="")
    with pytest.raises(dataclasses.FrozenInstanceError):
        More(name="a").extra = 1.0  # type: ignore[misc]


def test_methods_of_the_class_itself_stay() -> None:
    assert (repr(Own("a")), Own("a") == Own("b"), hash(Own("a"))) == ("own", True, 7)
    assert Same(1) != Same(1)
    assert {One("a"): 1}[One("a")] == 1


def test_no_method_is_compiled_while_a_class_is_made() -> None:
    """That is what such a class is for: its cost at start-up."""
    code = (
        "import builtins\n"
        "compiled = []\n"
        "real = builtins.exec\n"
        "def count(*given):\n"
        "    compiled.extend([given[0]] if 'def __init__' in str(given[0]) else [])\n"
        "    return real(*given)\n"
        "builtins.exec = count\n"
        "from snapshotter.value_class import dataclass\n"
        "@dataclass(frozen=True, slots=True, kw_only=True)\n"
        "class Value:\n"
        "    name: str\n"
        "made = len(compiled)\n"
        "Value(name='a'), Value(name='b')\n"
        "print(made, len(compiled))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout == "0 1\n"
