"""
Read the prices that the data of a page state about its offer: JSON-LD, `meta` and microdata.

A price in the main text is not read here, because the words of the main text are compared.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from snapshotter.assess.dom import DomDocument, text_of
from snapshotter.assess.regions import Regions
from snapshotter.assess.script_data import parse_json
from snapshotter.model.reading import Region

_MAX_JSON_LD = 1 << 20  # characters of one script
_MAX_NODES = 300
_MAX_PRICES = 50
_MAX_VALUE = 60  # characters
_AMOUNTS = ("price", "lowPrice", "highPrice", "minPrice", "maxPrice")
# Names of `meta`, lowercase, and the name of the currency that belongs to each.
_META = {
    "product:price:amount": "product:price:currency",
    "og:price:amount": "og:price:currency",
    "product:sale_price:amount": "product:sale_price:currency",
}
_OFFERS = ("offers", "priceSpecification", "hasVariant")
_THINGS = frozenset(
    {
        "product", "productgroup", "individualproduct", "offer", "aggregateoffer", "event",
        "service", "book", "softwareapplication", "hotelroom", "vehicle", "car", "trip",
    }
)  # fmt: skip
_OF_OTHERS = frozenset({Region.COMMENT, Region.TEASER, Region.AD, Region.NAV, Region.FOOTER})


def read_prices(document: DomDocument | None, regions: Regions) -> tuple[tuple[str, str], ...]:
    """Return the name of the place and the value of each price: `("meta …", "19.99 EUR")`."""
    if document is None:
        return ()
    found: dict[tuple[str, str], None] = {}
    for source in (_of_json_ld(document), _of_meta(document), _of_microdata(document, regions)):
        for where, amount, currency in source:
            value = " ".join(f"{amount} {currency}".split())[:_MAX_VALUE]
            if any(character.isdigit() for character in value):
                found[where, value] = None
            if len(found) == _MAX_PRICES:
                break
    return tuple(found)


def _of_json_ld(document: DomDocument) -> Iterator[tuple[str, str, str]]:
    for _, text in document.json_ld:
        if len(text) > _MAX_JSON_LD:
            continue
        data = parse_json(text)
        some = data if isinstance(data, list) else [data]
        if isinstance(data, dict) and isinstance(data.get("@graph"), list):
            some = [data, *data["@graph"]]
        for node in some[:_MAX_NODES]:
            if isinstance(node, dict) and _is_thing(node):
                yield from _prices_of(node, "", 0)


def _is_thing(node: Mapping[str, Any]) -> bool:
    kinds = node.get("@type", "")
    some = kinds if isinstance(kinds, list) else [kinds]
    return any(str(kind).rpartition("/")[2].lower() in _THINGS for kind in some[:20])


def _prices_of(node: Mapping[str, Any], path: str, depth: int) -> Iterator[tuple[str, str, str]]:
    """Yield the prices of an offer and of the offers in it."""
    for name in _AMOUNTS:
        if amount := _as_amount(node.get(name)):
            yield f"json-ld {path}{name}", amount, _as_amount(node.get("priceCurrency"))
    for name in _OFFERS if depth < 4 else ():
        inner = node.get(name)
        for thing in (inner if isinstance(inner, list) else [inner])[:_MAX_PRICES]:
            if isinstance(thing, dict):
                yield from _prices_of(thing, f"{path}{name}.", depth + 1)


def _as_amount(value: Any) -> str:
    return str(value).strip()[:_MAX_VALUE] if type(value) in (int, float, str) else ""


def _of_meta(document: DomDocument) -> Iterator[tuple[str, str, str]]:
    said: dict[str, str] = {}
    for element in document.elements:
        if element.tag == "meta":
            name = (element.get("property") or element.get("name") or "").strip().lower()
            said.setdefault(name, (element.get("content") or "").strip())
    for name, currency in _META.items():
        if name in said:
            yield f"meta {name}", said[name], said.get(currency, "")


def _of_microdata(document: DomDocument, regions: Regions) -> Iterator[tuple[str, str, str]]:
    for element in document.elements:
        names = (element.get("itemprop") or "").split()
        if not {"price", "lowPrice", "highPrice"} & set(names):
            continue
        if regions.element_labels.get(element) in _OF_OTHERS:
            continue
        amount = (element.get("content") or text_of(element)).strip()
        yield f"itemprop {names[0]}", re.sub(r"\s+", " ", amount), _currency_beside(element)


def _currency_beside(element: Any) -> str:
    """Return the currency that stands in the same offer; "" if none does."""
    parent = element.getparent()
    for other in parent if parent is not None else ():
        if "priceCurrency" in (other.get("itemprop") or "").split():
            return (other.get("content") or text_of(other)).strip()
    return ""
