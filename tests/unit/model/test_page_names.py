"""The names of parts and values of a page: one table for people, technical names as details."""

import re
import tomllib
from pathlib import Path

import pytest

from snapshotter.app.archive import comparison
from snapshotter.assess import metadata
from snapshotter.model import page_names
from snapshotter.model.reading import Region
from tests.tools import ROOT


def test_each_part_of_a_page_has_a_name_that_is_not_its_code() -> None:
    assert set(page_names.REGION_NAMES) == set(Region)
    short = [region for region in Region if page_names.region_name(region) == region.value]
    assert set(short) <= {Region.HEADLINE, Region.DATE, Region.FOOTER}  # words that people use
    assert page_names.region_name(None)


def test_each_value_that_is_read_from_pages_and_each_condition_is_named() -> None:
    rules = tomllib.loads((ROOT / "policies/readings/sites.toml").read_text())
    names = {
        value[kind]
        for site in rules["site"]
        for table, kind in (("metadata", "name"), ("count", "unit"))
        for value in site.get(table, ())
    }
    assert {"title_modified", "reads"} <= names
    names |= set(metadata._META)
    conditions = re.findall(r'^            "(\w+)": ', _source(), re.MULTILINE)
    assert "network_path" in conditions
    unnamed = [name for name in {*names, *conditions} if name not in page_names._VALUES]
    assert unnamed == []


def _source() -> str:
    """Return the source of the function that names the conditions of a capture."""
    return Path(comparison.__file__).read_text().partition("def _conditions(")[2]


@pytest.mark.parametrize(
    ("where", "name", "technical"),
    [
        ("", "", ""),
        ("main", "", ""),
        ("headline", "headline", ""),
        ("byline", "line with the author", "byline"),
        (
            "json-ld offers.price",
            "data of the page, which a reader may not see",
            "json-ld offers.price",
        ),
        ("itemprop price", "offer on the page", "itemprop price"),
        ("a name of a later version", "a name of a later version", ""),
    ],
)
def test_a_place_of_a_signed_event_has_a_name_and_keeps_its_code(
    where: str, name: str, technical: str
) -> None:
    assert page_names.place_name(where) == name
    assert page_names.technical_place(where) == technical
