"""
Define the rules for reading a site's pages: where its values are, and how it rounds them.

The values are counts, dates and metadata. The rules are data, in `policies/readings/sites.toml`.
The file's text goes into the bundle, so that a reading can be made again from the bundle alone.
"""

import enum
from collections.abc import Mapping
from dataclasses import field

from snapshotter.model.reading import Region
from snapshotter.value_class import dataclass

MARK = "title_modified"  # name of a metadatum: the platform says that a title was edited


class Rounding(enum.StrEnum):
    """How a site shortens a number, or an age."""

    TRUNCATED = "truncated"  # 6.19 is 6.1
    ROUNDED = "rounded"  # 6.19 is 6.2
    EITHER = "either"  # unknown: the interval contains both


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueLocation:
    """
    Where a value is: one of an element, a variable of a script, a path in data.

    `variable` is a name that a script of the page assigns a value to, by `=` or by `:`.
    `data` is a path of keys and numbers in JSON: in the page's response or in a script.
    """

    select: str = ""  # CSS
    attribute: str = ""  # of the element; "" for its text
    variable: str = ""
    data: str = ""  # "status.reposts_count"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountLocation:
    """Where a count is."""

    unit: str
    place: ValueLocation


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataLocation:
    """Where the page states a value about itself."""

    name: str  # of a `Metadatum`
    place: ValueLocation
    epoch: bool = False  # the value is a number of seconds since 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteReadings:
    """The rules for one site, for one software of sites, or for all pages."""

    id: str  # "wechat"
    hosts: tuple[str, ...] = ()  # and those below them; () with no `detect`: every page
    detect: tuple[str, ...] = ()  # CSS: pages that have one of these, at any host
    rounding: Rounding = Rounding.EITHER  # of counts
    age: Rounding = Rounding.EITHER  # of "3 weeks ago"
    main: tuple[str, ...] = ()  # CSS, in the order of preference
    regions: tuple[tuple[Region, str], ...] = ()  # CSS of what is to be labelled so
    counts: tuple[CountLocation, ...] = ()
    metadata: tuple[MetadataLocation, ...] = ()
    viewer_fields: tuple[str, ...] = ()  # names of what its pages say of their visitor
    units: Mapping[str, str] = field(default_factory=dict)  # word, lowercase → unit
