"""
Parse the file that states where the pages of known sites have counts, dates and other values
(`policies/readings/sites.toml`).

A bundle contains the file by which its page was read. There it may come from a stranger, so it is
data: its selectors are those of `formats/page/selectors.py`, and it has no regular expressions.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal, Self

from snapshotter.errors import SnapshotterError
from snapshotter.formats import toml
from snapshotter.formats.table import Field, Table, TableError, check_table
from snapshotter.model.assessment import RuleFile
from snapshotter.model.reading import Region
from snapshotter.model.reading_rules import (
    CountLocation,
    MetadataLocation,
    Rounding,
    SiteReadings,
    ValueLocation,
)
from snapshotter.policy.files import first_validation_mistake, read_limited, shipped_directory
from snapshotter.policy.selectors import CssSelector
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_MAX_BYTES = 1 << 18  # of a file


_Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
_Host = Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)*$", max_length=253)]
_Selector = Annotated[CssSelector, Field(min_length=1, max_length=500)]
_Selectors = Annotated[tuple[_Selector, ...], Field(max_length=50)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z_$][\w$]*$", max_length=100)]
_Path = Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$", max_length=200)]
_Word = Annotated[str, Field(min_length=1, max_length=60)]
_Unit = Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,29}$")]
_Field = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{1,60}\*?$")]
_MetadataName = Literal[
    "title", "byline", "site", "canonical", "published", "modified", "language", "server",
    "account", "place", "title_modified",
]  # fmt: skip


class _Place(Table):
    select: _Selector | Literal[""] = ""
    attribute: _Name | Literal[""] = ""
    variable: _Name | Literal[""] = ""
    data: _Path | Literal[""] = ""

    @check_table
    def _is_somewhere(self) -> Self:
        if not (self.select or self.variable or self.data):
            raise ValueError("give one of select, variable and data")
        if self.select and (self.variable or self.data):
            raise ValueError("select cannot be combined with variable or data: write two entries")
        if self.attribute and not self.select:
            raise ValueError("`attribute` needs `select`")
        return self

    def place(self) -> ValueLocation:
        return ValueLocation(
            select=self.select, attribute=self.attribute, variable=self.variable, data=self.data
        )


class _Count(_Place):
    unit: _Unit


class _Metadatum(_Place):
    name: _MetadataName
    epoch: bool = False


class _Site(Table):
    id: _Id
    reason: str = ""
    hosts: Annotated[tuple[_Host, ...], Field(max_length=100)] = ()
    detect: _Selectors = ()
    rounding: Rounding = Rounding.EITHER
    age: Rounding = Rounding.EITHER
    main: _Selectors = ()
    regions: dict[str, _Selectors] = Field(default_factory=dict)
    count: Annotated[tuple[_Count, ...], Field(max_length=200)] = ()
    metadata: Annotated[tuple[_Metadatum, ...], Field(max_length=200)] = ()
    viewer_fields: Annotated[tuple[_Field, ...], Field(max_length=100)] = ()
    units: dict[_Unit, Annotated[tuple[_Word, ...], Field(max_length=200)]] = Field(
        default_factory=dict
    )

    @check_table
    def _regions_are_known(self) -> Self:
        if unknown := set(self.regions) - {region.value for region in Region}:
            raise ValueError(f"{sorted(unknown)[0]} is not a region")
        return self

    def site(self) -> SiteReadings:
        return SiteReadings(
            id=self.id,
            hosts=self.hosts,
            detect=self.detect,
            rounding=self.rounding,
            age=self.age,
            main=self.main,
            regions=tuple(
                (Region(name), css) for name, some in self.regions.items() for css in some
            ),
            counts=tuple(
                CountLocation(unit=count.unit, place=count.place()) for count in self.count
            ),
            metadata=tuple(
                MetadataLocation(
                    name=metadatum.name, place=metadatum.place(), epoch=metadatum.epoch
                )
                for metadatum in self.metadata
            ),
            viewer_fields=self.viewer_fields,
            units={word.lower(): unit for unit, words in self.units.items() for word in words},
        )


class _File(Table):
    schema_: Literal["snapshotter/reading-rules@1"] = Field(alias="schema")
    id: _Id
    version: Annotated[str, Field(pattern=r"^\d{4}\.\d{1,2}\.\d{1,3}$")]
    reason: str = ""
    site: Annotated[tuple[_Site, ...], Field(max_length=500)]

    @check_table
    def _ids_differ(self) -> Self:
        ids = [site.id for site in self.site]
        if len(set(ids)) < len(ids):
            raise ValueError("two sites have the same id")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSites:
    """A parsed file."""

    file: RuleFile
    text: str  # as it lies in bundles
    sites: tuple[SiteReadings, ...]


def parse(text: str, name: str = "the file") -> KnownSites:
    """
    Parse a file.

    Raises:
        SnapshotterError: Not TOML, too long, or an invalid key or value.
    """
    data = text.encode("utf-8", "replace")
    if len(data) > _MAX_BYTES:
        raise SnapshotterError(
            tr("{name} is longer than {max_bytes} bytes", name=name, max_bytes=_MAX_BYTES)
        )
    try:
        values: Mapping[str, object] = toml.loads(text)
        file = _File.read(values)
    except TableError as error:
        raise SnapshotterError(
            tr(
                "the rules for readings in {name} are invalid: {first_validation_mistake}",
                name=name,
                first_validation_mistake=first_validation_mistake(error),
            ),
            hint=tr("see docs/reference/readings.md, which lists every key"),
        ) from error
    except (ValueError, RecursionError) as error:
        raise SnapshotterError(
            tr("the rules for readings in {name} are invalid: {error}", name=name, error=error)
        ) from error
    return KnownSites(
        file=RuleFile(id=file.id, version=file.version, sha256=hashlib.sha256(data).hexdigest()),
        text=text,
        sites=tuple(site.site() for site in file.site),
    )


@cache
def shipped_sites() -> KnownSites:
    """
    Return the shipped file.

    Raises:
        SnapshotterError: It cannot be read.
    """
    path = shipped_directory() / "readings" / "sites.toml"
    return parse(read_limited(path).decode("utf-8"), str(path))
