"""Prices in the data of a page: whose they are, and where they stand."""

from snapshotter.assess.dom import blocks_of, read_document
from snapshotter.assess.prices import read_prices
from snapshotter.assess.regions import read_regions
from tests.cases import in_one_test


def prices(markup: str) -> list[tuple[str, str]]:
    document = read_document(f"<!doctype html><html><body>{markup}</body></html>")
    assert document is not None
    return list(read_prices(document, read_regions(document, blocks_of(document))))


def json_ld(data: str) -> str:
    return f'<script type="application/ld+json">{data}</script>'


@in_one_test(
    ("markup", "expected"),
    [
        (
            json_ld('{"@type":"Product","offers":{"price":4.5,"priceCurrency":"EUR"}}'),
            [("json-ld offers.price", "4.5 EUR")],
        ),
        (
            json_ld(
                '{"@graph":[{"@type":"WebPage"},{"@type":["Thing","http://schema.org/Event"],'
                '"offers":[{"lowPrice":"9","highPrice":"12","priceCurrency":"CNY"}]}]}'
            ),
            [("json-ld offers.lowPrice", "9 CNY"), ("json-ld offers.highPrice", "12 CNY")],
        ),
        (
            json_ld(
                '{"@type":"Offer","priceSpecification":{"price":"1,50","priceCurrency":"EUR"}}'
            ),
            [("json-ld priceSpecification.price", "1,50 EUR")],
        ),
        (json_ld('{"@type":"NewsArticle","price":"4"}'), []),
        (json_ld('{"@type":"Product","offers":{"price":true}}'), []),
        (json_ld('{"@type":"Product","offers":{"price":"on request"}}'), []),
        (json_ld('{"@type":"Product", broken'), []),
        (
            '<meta property="product:price:amount" content="19.99">'
            '<meta property="product:price:currency" content="USD">',
            [("meta product:price:amount", "19.99 USD")],
        ),
        (
            '<div><span itemprop="price">7,00</span>'
            '<meta itemprop="priceCurrency" content="EUR"></div>',
            [("itemprop price", "7,00 EUR")],
        ),
        ('<aside><span itemprop="price">7,00</span></aside>', []),
        ("<p>A ticket costs €4.50.</p>", []),
    ],
)
def test_the_prices_of_the_page_are_read_and_those_beside_it_are_not(
    markup: str, expected: list[tuple[str, str]]
) -> None:
    assert prices(markup) == expected


def test_a_page_with_endless_prices_costs_a_bounded_list() -> None:
    one = json_ld('{"@type":"Offer","price":"%s"}')

    assert len(prices("".join(one % number for number in range(200)))) == 50


def test_a_page_that_is_no_document_has_no_prices() -> None:
    assert read_prices(None, read_regions(None, ())) == ()
