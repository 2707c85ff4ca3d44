"""
Name the parts and the values of a page as people call them, the same in all outputs.

The keys are technical names, as JSON objects and signed records have them. Outputs for people show
these phrases, and the technical name only as a detail. A phrase has no capital letter at the start.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from snapshotter.model.reading import Region
from snapshotter.translation import tr

REGION_NAMES: Final[Mapping[Region, str]] = MappingProxyType(
    {
        Region.MAIN: tr("main text"),
        Region.HEADLINE: tr("headline"),
        Region.CAPTION: tr("caption of a picture"),
        Region.STANDFIRST: tr("text above the main text, in the article"),
        Region.NOTE: tr("note below the main text, in the article"),
        Region.BYLINE: tr("line with the author"),
        Region.DATE: tr("date"),
        Region.NAV: tr("navigation"),
        Region.COMMENT: tr("comments"),
        Region.COMMENT_FORM: tr("form for comments"),
        Region.TEASER: tr("links to other articles"),
        Region.AD: tr("advertisement"),
        Region.FOOTER: tr("footer"),
        Region.OTHER: tr("other part of the page"),
    }
)
UNKNOWN_REGION: Final = tr("part of the page that is not known")

_VALUES: Final[Mapping[str, str]] = MappingProxyType(
    {
        # What a page states about itself.
        "account": tr("account"),
        "byline": tr("author"),
        "canonical": tr("address that the page gives itself"),
        "language": tr("language of the page"),
        "modified": tr("date of modification"),
        "place": tr("place"),
        "published": tr("date of publication"),
        "server": tr("clock of the server"),
        "site": tr("name of the site"),
        "title": tr("title"),
        "title_modified": tr("mark that the title was edited"),
        # What a server answered.
        "final_url": tr("final address"),
        "http_status": tr("HTTP status"),
        # How a capture was made.
        "block_hosts": tr("requests that the policy blocked"),
        "browser": tr("version of the browser"),
        "consent": tr("consent banners that were answered"),
        "expand": tr("controls that show hidden text and were clicked"),
        "fonts": tr("fonts of the capturing machine"),
        "locale": tr("language"),
        "network_path": tr("network path"),
        "policy": tr("policy"),
        "timezone": tr("time zone"),
        "user_agent": tr("name of the browser that is sent to servers"),
        "window": tr("size of the window"),
        # What a page counts.
        "comments": tr("comments"),
        "favourites": tr("favourites"),
        "followers": tr("followers"),
        "likes": tr("likes"),
        "reads": tr("reads"),
        "recommends": tr("recommendations"),
        "reposts": tr("reposts"),
        "shares": tr("shares"),
        "views": tr("views"),
    }
)
# Beginnings of the names of places in data for machines.
_IN_DATA: Final = ("json-ld ", "meta ")
_IN_MARKUP: Final = ("itemprop ", "microdata ")


def region_name(region: Region | None) -> str:
    """Return the name of a part of the page; None: the part is not known."""
    return REGION_NAMES[region] if region is not None else UNKNOWN_REGION


def value_name(name: str) -> str:
    """
    Return the name of a value, a condition or a count.

    The rules of a policy can name further values, which keep the name that they have there.
    """
    return _VALUES.get(name, name)


def is_known(name: str) -> bool:
    """Return whether a value has a name for people that differs from its technical name."""
    return _VALUES.get(name, name) != name


def place_name(where: str) -> str:
    """
    Return where on a page a difference is, by the name that a signed record has for the place.

    Returns:
        "" for a place that needs no name: the main text, or a value that the page has once.
    """
    if where in ("", Region.MAIN):
        return ""
    if where.startswith(_IN_DATA):
        return tr("data of the page, which a reader may not see")
    if where.startswith(_IN_MARKUP):
        return tr("offer on the page")
    try:
        return REGION_NAMES[Region(where)]
    except ValueError:  # a name of a later version
        return value_name(where)


def technical_place(where: str) -> str:
    """Return the name of a place in a signed record, if people read another one; else ""."""
    return "" if place_name(where) in ("", where) else where
