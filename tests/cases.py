"""
Try the cases of a table in one test.

`pytest.mark.parametrize` makes a test of each case, which costs two milliseconds of a core, in
collection, fixtures and reports. That is more than most checks of pure data need. `in_one_test`
takes the same arguments, tries every case, and names each that failed. All cases share the
fixtures of the test, so it is for tests that change nothing.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

_NAME = 100  # characters of a value that names a case


def in_one_test(
    arguments: str | Sequence[str],
    cases: Iterable[Any],
    ids: Iterable[str] | Callable[[Any], str] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """
    Call the test with each case, and fail with the name and the failure of each that fails.

    Args:
        arguments: Names of arguments of the test, as for `pytest.mark.parametrize`.
        cases: A value for each argument; the value itself if there is one argument.
        ids: What names each case, or how a value names it; without it the value does.
    """
    names = [arguments] if isinstance(arguments, str) else list(arguments)
    values = [(case,) if len(names) == 1 else tuple(case) for case in cases]
    if callable(ids):
        labels = [ids(case[0]) for case in values]
    else:
        labels = list(ids) if ids else [", ".join(map(_label, case)) for case in values]
    if not values:
        raise ValueError("a test without a case shows nothing")

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            failures = {}
            for number, (label, case) in enumerate(zip(labels, values, strict=True)):
                try:
                    test(**fixtures, **dict(zip(names, case, strict=True)))
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001  raised below
                    failures[f"case {number}, {label}"] = error
            if failures:
                said = [f"{name}:\n{type(it).__name__}: {it}" for name, it in failures.items()]
                head = f"{len(failures)} of {len(values)} cases failed"
                first = next(iter(failures.values()))  # with its traceback
                raise AssertionError("\n\n".join([head, *said])) from first

        signature = inspect.signature(test)
        left = [it for name, it in signature.parameters.items() if name not in names]
        run.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return run

    return decorate


def _label(value: object) -> str:
    if callable(value) and hasattr(value, "__name__"):
        return str(value.__name__)
    return (value if isinstance(value, str) else repr(value))[:_NAME]
