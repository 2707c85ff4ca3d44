"""Requests to every address of the API that can be read, as the description lists the addresses."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence

from scripts.make_openapi import encoded
from tests.webclient import Console


def read_all(
    api: Console, names: Mapping[str, Sequence[str]], queries: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, int, str]]:
    """
    Yield the address of each answer, its status and its text.

    Args:
        names: Of existing objects, by the beginning of their address: "/cases/{name}". The address
            of each operation is used with all combinations of its names.
        queries: More queries, by the address of the operation.

    Raises:
        KeyError: No name is known for a part of an address: a test forgot a new resource.
    """
    for path, item in json.loads(encoded())["paths"].items():
        if "get" not in item:
            continue
        for address in _addresses(path, names):
            for query in ("", *queries.get(path, ())):
                answer = api.get(f"/api/v1{address}{query}")
                text = answer.content.decode("utf-8", "replace")
                yield f"{address}{query}", answer.status_code, text


def _addresses(path: str, names: Mapping[str, Sequence[str]]) -> list[str]:
    ends = [match.end() for match in re.finditer(r"\{[^}]*\}", path)]
    beginnings = [path[:end] for end in ends]
    begins = [0, *ends]
    fixed = [path[begin:].partition("{")[0] for begin in begins]
    return [
        "".join(itertools.chain.from_iterable(zip(fixed, (*chosen, ""), strict=True)))
        for chosen in itertools.product(*(names[beginning] for beginning in beginnings))
    ]
