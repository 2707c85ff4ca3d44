"""
Declare value classes as `dataclasses.dataclass` does, at a seventh of its cost when a module loads.

`dataclass` compiles six methods for each class. The classes of one capture need 0.2 s of a core for
that, although most methods of most classes are never called. Here a class shares its methods with
all other classes, and its `__init__` is compiled when the first instance is made. The result is a
dataclass: `fields`, `replace`, `asdict` and `is_dataclass` work.

Differences: an instance of a subclass refuses every assignment, also to fields of the subclass; and
until the first instance exists, `inspect.signature` of the class shows no fields.
"""

import dataclasses
import reprlib
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(*, slots, frozen=False, kw_only=False, eq=True):
        """Return a decorator that takes these arguments as `dataclasses.dataclass` does."""
        if not slots:
            raise TypeError("a value class has slots")

        def decorate(cls: type[Any]) -> type[Any]:
            doc = cls.__doc__
            cls.__doc__ = doc or cls.__qualname__  # else one is made of a signature, at length
            made = dataclasses.dataclass(
                init=False, repr=False, eq=False, slots=True, kw_only=kw_only
            )(cls)
            made.__doc__ = doc
            _add_methods(made, frozen=frozen, eq=eq)
            return made

        return decorate


def _add_methods(cls: type[Any], *, frozen: bool, eq: bool) -> None:
    """Add the methods that the class does not define itself."""
    methods: dict[str, Any] = {"__init__": _first_init(cls), "__repr__": _repr}
    if eq:
        methods |= _comparison(cls)
        if not frozen:
            methods["__hash__"] = None
    if frozen:
        methods |= {
            "__setattr__": _refuse_assignment,
            "__delattr__": _refuse_deletion,
            "__getstate__": _state,
            "__setstate__": _set_state,
        }
    for name, method in methods.items():
        # Python itself writes `__hash__ = None` into a class that defines `__eq__`.
        if name not in cls.__dict__ or (name == "__hash__" and cls.__dict__[name] is None):
            setattr(cls, name, method)


def _first_init(cls: type[Any]) -> Any:
    """Return an `__init__` that replaces itself by a compiled one when it is called."""

    def __init__(self: Any, *arguments: Any, **values: Any) -> None:
        compiled = _compile_init(cls)
        cls.__init__ = compiled
        compiled(self, *arguments, **values)

    return __init__


def _compile_init(cls: type[Any]) -> Any:
    names: dict[str, Any] = {"_factory": _FACTORY}
    positional: list[str] = []
    named: list[str] = []
    body: list[str] = []
    for field in dataclasses.fields(cls):
        # The descriptor of a slot, because the class may refuse `setattr`.
        names[f"_set_{field.name}"] = getattr(cls, field.name).__set__
        value = field.name
        if field.default_factory is not dataclasses.MISSING:
            names[f"_make_{field.name}"] = field.default_factory
            given, made = f"{field.name}=_factory", f"_make_{field.name}()"
            value = f"{made} if {field.name} is _factory else {field.name}" if field.init else made
        elif field.default is not dataclasses.MISSING:
            names[f"_default_{field.name}"] = field.default
            given = f"{field.name}=_default_{field.name}"
            value = field.name if field.init else f"_default_{field.name}"
        else:
            given = field.name
            if not field.init:
                continue
        if field.init:
            (named if field.kw_only else positional).append(given)
        body.append(f" _set_{field.name}(self, {value})")
    if hasattr(cls, "__post_init__"):
        body.append(" self.__post_init__()")
    parameters = ", ".join(["self", *positional, *(["*", *named] if named else [])])
    source = "\n".join([f"def __init__({parameters}):", *(body or [" pass"])])
    exec(source, names)  # noqa: S102 - made of the names of fields, as `dataclass` does
    init = names["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__module__ = cls.__module__
    return init


_FACTORY = object()  # the default of a parameter whose value is made for each instance


def _comparison(cls: type[Any]) -> dict[str, Any]:
    """Return `__eq__` and `__hash__` over the fields that are compared."""
    compared = _tuple_of([field.name for field in dataclasses.fields(cls) if field.compare])
    hashed = _tuple_of(
        [
            field.name
            for field in dataclasses.fields(cls)
            if (field.compare if field.hash is None else field.hash)
        ]
    )

    def __eq__(self: Any, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return compared(self) == compared(other)

    def __hash__(self: Any) -> int:
        return hash(hashed(self))

    return {"__eq__": __eq__, "__hash__": __hash__}


def _tuple_of(names: list[str]) -> Any:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda instance: tuple(getattr(instance, name) for name in names)


@reprlib.recursive_repr()
def _repr(self: Any) -> str:
    shown = (
        f"{field.name}={getattr(self, field.name)!r}"
        for field in dataclasses.fields(self)
        if field.repr
    )
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_assignment(self: Any, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deletion(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    """Return the values of the fields, for copies and other processes."""
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
