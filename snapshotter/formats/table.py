"""
Read tables of TOML files into values of classes, and list every mistake in them.

A class lists its keys as annotations, with their bounds and defaults:

    class Wait(Table):
        quiet_ms: int = Field(default=250, ge=0, le=10_000)
        words: Annotated[tuple[Word, ...], Field(max_length=200)] = ()

`Wait.read({...})` returns a `Wait`, or raises `TableError` with all mistakes. Unknown keys and
wrong types are mistakes. Annotations are read when the first table of a class is read, so that a
class costs nothing in a program that reads none (docs/adr/0075).
"""

import enum
import re
import types
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from functools import cache
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    Self,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
)

from typing_extensions import override

from snapshotter.translation import tr
from snapshotter.value_class import dataclass

T = TypeVar("T")
Location = tuple[str | int, ...]  # keys, and numbers of entries from 0
_UNSET: Any = object()
_TRUE, _FALSE = frozenset({"1", "on", "true", "yes"}), frozenset({"0", "off", "false", "no"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake in a table."""

    where: Location
    message: str
    unknown_key: bool = False


class TableError(ValueError):
    """A table has mistakes: at least one, in the order of the keys of its class."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        first = self.mistakes[0]
        place = ".".join(map(str, first.where))
        super().__init__(f"{place}: {first.message}" if place else first.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """The default and the bounds of a key, or of each entry of a list."""

    default: Any = _UNSET
    default_factory: Callable[[], Any] | None = None
    alias: str = ""  # the key's name in the file
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    pattern: str = ""  # for the whole text
    min_length: int | None = None  # characters or entries
    max_length: int | None = None
    discriminator: str = ""  # the key that names one of several tables
    repr: bool = True


def Field(
    *,
    default: Any = _UNSET,
    default_factory: Callable[[], Any] | None = None,
    alias: str = "",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    pattern: str = "",
    min_length: int | None = None,
    max_length: int | None = None,
    discriminator: str = "",
    repr: bool = True,
) -> Any:
    """Return a `FieldRule`, as a default of a key or in an `Annotated`."""
    return FieldRule(
        default=default, default_factory=default_factory, alias=alias, ge=ge, gt=gt, le=le,
        pattern=pattern, min_length=min_length, max_length=max_length,
        discriminator=discriminator, repr=repr,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """A function in an `Annotated` that returns the value or raises ValueError."""

    function: Callable[[Any], Any]


def check_key(*names: str, before: bool = False) -> Callable[[T], T]:
    """
    Mark a class method that returns the value of these keys, or raises ValueError.

    Args:
        before: It gets the value as it is in the file, before its type is checked.
    """

    def mark(method: T) -> T:
        method.__dict__["checked_keys"] = (names, before)
        return method

    return mark


def check_table(method: T) -> T:
    """Mark a method that raises ValueError for keys that do not fit together, and returns self."""
    method.__dict__["checks_table"] = True
    return method


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """What a class states about one of its keys."""

    name: str  # in Python
    given: str  # in the file
    annotation: Any  # without `Annotated`
    default: Callable[[], Any] | None  # None: the key is required
    repr: bool
    check: Callable[[Any, Location, list[Mistake]], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """How tables of a class are read."""

    keys: tuple[KeyInfo, ...]
    given: frozenset[str]
    table_checks: tuple[str, ...]


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class Table:
    """
    A table. Instances do not change, and are equal if their values are.

    Class arguments:
        from_text: Texts are converted to numbers and truth values, as variables are texts.
    """

    _plan_of_class: ClassVar[_Plan | None] = None
    _from_text: ClassVar[bool] = False

    @override
    def __init_subclass__(cls, *, from_text: bool | None = None) -> None:
        super().__init_subclass__()
        cls._plan_of_class = None
        if from_text is not None:
            cls._from_text = from_text

    def __init__(self, **values: Any) -> None:
        mistakes: list[Mistake] = []
        self._fill(values, (), mistakes)
        if mistakes:
            raise TableError(mistakes)

    @classmethod
    def read(cls, values: object) -> Self:
        """
        Return the table with these values.

        Raises:
            TableError: A key is unknown or missing, or a value is invalid.
        """
        mistakes: list[Mistake] = []
        table: Self = cls._read(values, (), mistakes)
        if mistakes:
            raise TableError(mistakes)
        return table

    @classmethod
    def key_infos(cls) -> tuple[KeyInfo, ...]:
        """Return the keys of the class, those of its parents first."""
        return cls._plan().keys

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """Return a copy with other values, by their names in Python. They are not checked."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.__dict__.update(values)
        return copy

    def as_dict(self) -> dict[str, Any]:
        """Return the values by their names in the file; inner tables too."""
        return {info.given: _plain(self.__dict__[info.name]) for info in self.key_infos()}

    @classmethod
    def _plan(cls) -> _Plan:
        plan = cls._plan_of_class
        if plan is None:
            plan = cls._plan_of_class = _make_plan(cls)
        return plan

    @classmethod
    def _read(cls, values: object, where: Location, mistakes: list[Mistake]) -> Any:
        if isinstance(values, cls):
            return values
        if not isinstance(values, Mapping):
            mistakes.append(Mistake(where=where, message=tr("must be a table")))
            return None
        table = object.__new__(cls)
        table._fill(values, where, mistakes)
        return table

    def _fill(self, values: Mapping[str, Any], where: Location, mistakes: list[Mistake]) -> None:
        plan, before = self._plan(), len(mistakes)
        found = self.__dict__
        for info in plan.keys:
            if info.given in values:
                found[info.name] = info.check(values[info.given], (*where, info.given), mistakes)
            elif info.default is not None:
                found[info.name] = info.default()
            else:
                missing = tr("this key is missing")
                mistakes.append(Mistake(where=(*where, info.given), message=missing))
        for name in values:
            if name not in plan.given:
                mistakes.append(
                    Mistake(
                        where=(*where, name),
                        message=tr("no key with this name exists"),
                        unknown_key=True,
                    )
                )
        if len(mistakes) > before:
            return
        for name in plan.table_checks:
            try:
                getattr(self, name)()
            except ValueError as error:
                mistakes.append(Mistake(where=where, message=str(error)))
                return

    @override
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")

    @override
    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    @override
    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.values()))

    @override
    def __repr__(self) -> str:
        shown = [
            f"{info.name}={self.__dict__.get(info.name)!r}"
            for info in self.key_infos()
            if info.repr
        ]
        return f"{type(self).__qualname__}({', '.join(shown)})"


def _plain(value: Any) -> Any:
    if isinstance(value, Table):
        return value.as_dict()
    if isinstance(value, tuple | list):
        return type(value)(map(_plain, value))
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return value


def _make_plan(cls: type[Table]) -> _Plan:
    annotations: dict[str, Any] = {}
    methods: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if issubclass(base, Table) and base is not Table:
            annotations |= base.__annotations__
            methods |= vars(base)
    checks: dict[str, list[tuple[str, bool]]] = {}
    table_checks = []
    for name, method in methods.items():
        marks = getattr(method, "__dict__", {}) if not isinstance(method, type) else {}
        for checked in marks.get("checked_keys", ((), False))[0]:
            checks.setdefault(checked, []).append((name, marks["checked_keys"][1]))
        if marks.get("checks_table"):
            table_checks.append(name)
    keys = tuple(
        _key_info(cls, name, annotation, checks.get(name, []))
        for name, annotation in annotations.items()
    )
    return _Plan(
        keys=keys,
        given=frozenset(info.given for info in keys),
        table_checks=tuple(table_checks),
    )


def _key_info(
    cls: type[Table], name: str, annotation: Any, checks: list[tuple[str, bool]]
) -> KeyInfo:
    steps = list(annotation.__metadata__) if get_origin(annotation) is Annotated else []
    inner = annotation.__origin__ if steps else annotation
    default = getattr(cls, name, _UNSET)
    if isinstance(default, FieldRule):
        steps.append(default)
    found: FieldRule | None = None
    for step in steps:
        if isinstance(step, FieldRule) and (
            found is None or step.default is not _UNSET or step.default_factory is not None
            or step.alias
        ):  # fmt: skip
            found = step
    factory: Callable[[], Any] | None = None
    if not isinstance(default, FieldRule) and default is not _UNSET:
        factory = _constant(default)
    elif found is not None and found.default_factory is not None:
        factory = found.default_factory
        if isinstance(factory, type) and issubclass(factory, Table):
            factory = cache(factory)  # it does not change, so all may have the same
    elif found is not None and found.default is not _UNSET:
        factory = _constant(found.default)
    first = [getattr(cls, method) for method, is_before in checks if is_before]
    last = [getattr(cls, method) for method, is_before in checks if not is_before]
    return KeyInfo(
        name=name,
        given=next(
            (step.alias for step in steps if isinstance(step, FieldRule) and step.alias), name
        ),
        annotation=inner,
        default=factory,
        repr=all(step.repr for step in steps if isinstance(step, FieldRule)),
        check=_chain(
            _checker(inner, steps, from_text=cls._from_text), (*_bounds(steps), *last), first
        ),
    )


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value


_Checker = Callable[[Any, Location, list[Mistake]], Any]


def _chain(
    checker: _Checker,
    after: Iterable[Callable[[Any], Any]],
    before: Iterable[Callable[[Any], Any]] = (),
) -> _Checker:
    """Return a checker that calls functions before and after another one; they raise ValueError."""
    first, last = tuple(before), tuple(after)
    if not first and not last:
        return checker

    def check(value: Any, where: Location, mistakes: list[Mistake]) -> Any:
        count = len(mistakes)
        try:
            for function in first:
                value = function(value)
            value = checker(value, where, mistakes)
            if len(mistakes) == count:
                for function in last:
                    value = function(value)
        except ValueError as error:
            mistakes.append(Mistake(where=where, message=str(error)))
        return value

    return check


def _checker(annotation: Any, steps: list[Any], *, from_text: bool) -> _Checker:
    """Return what checks the type of a value, and the bounds of what is in it."""
    tag = next((step.discriminator for step in steps if isinstance(step, FieldRule)), "")
    origin = get_origin(annotation)
    if origin is Annotated:
        inner = list(annotation.__metadata__)
        checker = _checker(annotation.__origin__, inner, from_text=from_text)
        return _chain(checker, _bounds(inner))
    if origin in (Union, types.UnionType):
        return _union(get_args(annotation), tag, from_text=from_text)
    if origin is Literal:
        return _one_of(get_args(annotation))
    if origin in (tuple, list):
        return _sequence(origin, get_args(annotation), from_text=from_text)
    if origin is dict:
        return _dictionary(get_args(annotation), from_text=from_text)
    if annotation is Any:
        return lambda value, _where, _mistakes: value
    if issubclass(annotation, Table):
        return lambda value, where, mistakes: annotation._read(value, where, mistakes)
    if issubclass(annotation, enum.Enum):
        return _enumeration(annotation)
    return _plain_type(annotation, from_text=from_text)


def _plain_type(kind: type[Any], *, from_text: bool) -> _Checker:
    convert, message = _KINDS[kind]

    def check(value: Any, where: Location, mistakes: list[Mistake]) -> Any:
        converted = convert(value, from_text)
        if converted is _UNSET:
            mistakes.append(Mistake(where=where, message=message))
        return converted

    return check


def _string(value: Any, _from_text: bool) -> Any:
    return value if isinstance(value, str) else _UNSET


def _integer(value: Any, from_text: bool) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if from_text and isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,30}\s*", value):
        return int(value)
    return _UNSET


def _number(value: Any, from_text: bool) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if from_text and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return _UNSET
    return _UNSET


def _truth(value: Any, from_text: bool) -> Any:
    if isinstance(value, bool):
        return value
    if from_text and str(value).lower() in _TRUE | _FALSE:
        return str(value).lower() in _TRUE
    return _UNSET


def _day(value: Any, _from_text: bool) -> Any:
    return value if isinstance(value, date) and not isinstance(value, datetime) else _UNSET


_KINDS: dict[type[Any], tuple[Callable[[Any, bool], Any], str]] = {
    str: (_string, tr("must be a string")),
    int: (_integer, tr("must be an integer")),
    float: (_number, tr("must be a number")),
    bool: (_truth, tr("must be true or false")),
    date: (_day, tr("must be a date")),
}


def _one_of(allowed: tuple[Any, ...]) -> _Checker:
    def check(value: Any, where: Location, mistakes: list[Mistake]) -> Any:
        if not any(value == item and type(value) is type(item) for item in allowed):
            mistakes.append(Mistake(where=where, message=_must_be(allowed)))
        return value

    return check


def _enumeration(kind: type[enum.Enum]) -> _Checker:
    def check(value: Any, where: Location, mistakes: list[Mistake]) -> Any:
        try:
            return kind(value)
        except ValueError:
            allowed = tuple(item.value for item in kind)
            mistakes.append(Mistake(where=where, message=_must_be(allowed)))
            return value

    return check


def _must_be(allowed: tuple[Any, ...]) -> str:
    words = [f'"{item}"' for item in allowed]
    if len(words) == 1:
        return tr("must be {word}", word=words[0])
    return tr("must be {words} or {last}", words=", ".join(words[:-1]), last=words[-1])


def _sequence(kind: type[Any], items: tuple[Any, ...], *, from_text: bool) -> _Checker:
    """Return a checker of a list: of equal entries, or of as many as the annotation names."""
    is_pair = kind is tuple and items[-1] is not Ellipsis
    checkers = [_checker(item, [], from_text=from_text) for item in items if item is not Ellipsis]

    def check(value: Any, where: Location, mistakes: list[Mistake]) -> Any:
        if not isinstance(value, list | tuple):
            mistakes.append(Mistake(where=where, message=tr("must be a list")))
            return value
        if is_pair and len(value) != len(checkers):
            message = tr("must be a list of {count} entries", count=len(checkers))
            mistakes.append(Mistake(where=where, message=message))
            return value
        of_each = checkers if is_pair else checkers * len(value)
        return kind(
            [of_each[number](item, (*where, number), mistakes) for number, item in enumerate(value)]
        )

    return check


def _dictionary(types_of: tuple[Any, ...], *, from_text: bool) -> _Checker:
    of_key, of_value = (_checker(kind, [], from_text=from_text) for kind in types_of)

    def check(value: Any, where: Location, mistakes: list[Mistake]) -> Any:
        if not isinstance(value, Mapping):
            mistakes.append(Mistake(where=where, message=tr("must be a table")))
            return value
        return {
            of_key(name, (*where, name), mistakes): of_value(item, (*where, name), mistakes)
            for name, item in value.items()
        }

    return check


def _union(kinds: tuple[Any, ...], tag: str, *, from_text: bool) -> _Checker:
    if tag:
        return _by_tag(kinds, tag)
    is_optional = type(None) in kinds
    checkers = [_checker(kind, [], from_text=from_text) for kind in kinds if kind is not type(None)]

    def check(value: Any, where: Location, mistakes: list[Mistake]) -> Any:
        if value is None and is_optional:
            return None
        least: list[Mistake] = []
        for checker in checkers:
            found: list[Mistake] = []
            checked = checker(value, where, found)
            if not found:
                return checked
            least = least or found
        mistakes.extend(least)
        return value

    return check


def _by_tag(kinds: tuple[Any, ...], tag: str) -> _Checker:
    by_tag: dict[Any, type[Table]] = {}
    for kind in kinds:
        (info,) = (info for info in kind.key_infos() if info.name == tag)
        by_tag |= dict.fromkeys(get_args(info.annotation), kind)

    def check(value: Any, where: Location, mistakes: list[Mistake]) -> Any:
        if isinstance(value, kinds):
            return value
        if not isinstance(value, Mapping):
            mistakes.append(Mistake(where=where, message=tr("must be a table")))
            return value
        named = value.get(tag)
        if not isinstance(named, str) or named not in by_tag:
            mistakes.append(Mistake(where=(*where, tag), message=_must_be(tuple(by_tag))))
            return value
        return by_tag[named]._read(value, where, mistakes)

    return check


def _bounds(steps: Iterable[Any]) -> tuple[Callable[[Any], Any], ...]:
    found: list[Callable[[Any], Any]] = []
    for step in steps:
        if isinstance(step, Check):
            found.append(step.function)
        elif isinstance(step, FieldRule) and (
            step.pattern
            or any(
                bound is not None
                for bound in (step.ge, step.gt, step.le, step.min_length, step.max_length)
            )
        ):
            found.append(_bounded(step))
    return tuple(found)


def _bounded(step: FieldRule) -> Callable[[Any], Any]:
    whole: list[re.Pattern[str]] = []  # compiled when it is needed

    def check(value: Any) -> Any:
        if value is None:
            return value
        if step.ge is not None and not value >= step.ge:
            raise ValueError(tr("must be {bound} or more", bound=step.ge))
        if step.gt is not None and not value > step.gt:
            raise ValueError(tr("must be greater than {bound}", bound=step.gt))
        if step.le is not None and not value <= step.le:
            raise ValueError(tr("must be {bound} or less", bound=step.le))
        if step.min_length is not None and len(value) < step.min_length:
            raise ValueError(_length(value, step.min_length, is_least=True))
        if step.max_length is not None and len(value) > step.max_length:
            raise ValueError(_length(value, step.max_length, is_least=False))
        if step.pattern:
            if not whole:
                whole.append(re.compile(step.pattern.removeprefix("^").removesuffix("$")))
            if not whole[0].fullmatch(value):
                raise ValueError(tr("must match the pattern {pattern}", pattern=step.pattern))
        return value

    return check


def _length(value: Any, bound: int, *, is_least: bool) -> str:
    if is_least and bound == 1:
        return tr("must not be empty")
    if isinstance(value, str):
        if is_least:
            return tr("is shorter than {bound} characters", bound=bound)
        return tr("is longer than {bound} characters", bound=bound)
    if is_least:
        return tr("has fewer than {bound} entries", bound=bound)
    return tr("has more than {bound} entries", bound=bound)
