"""Write a policy as TOML with every key, so that a reader needs no defaults."""

from collections.abc import Iterator, Mapping

from snapshotter.policy.tables import Policy


def as_toml(policy: Policy) -> str:
    """Return the policy with every key written out; it parses to an equal policy."""
    return "\n".join(_lines(policy.as_dict(), "")) + "\n"


def value_toml(value: object) -> str:
    """
    Return a value as TOML: a text, a number, a list, or a table in one line.

    Raises:
        TypeError: A policy has no values of this type.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(value_toml, value)) + "]"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key} = {value_toml(element)}" for key, element in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(map(_character, escaped)) + '"'
    raise TypeError(f"{type(value).__name__} cannot be written in a policy")


def _lines(table: Mapping[str, object], name: str) -> Iterator[str]:
    """Yield the lines of a table: its own keys, then the tables in it."""
    inner: list[tuple[str, Mapping[str, object]]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            inner.append((f"{name}.{key}" if name else key, value))
        else:
            yield f"{key} = {value_toml(value)}"
    for path, content in inner:
        yield ""
        yield f"[{path}]"
        yield from _lines(content, path)


def _character(character: str) -> str:
    if character == "\n":
        return "\\n"
    return character if character.isprintable() else f"\\U{ord(character):08X}"
