"""What a document of very many elements costs whoever reads it."""

from snapshotter.assess.dom import MAX_ELEMENTS, read_document


def test_of_a_document_of_very_many_elements_no_more_is_parsed_than_may_be_looked_at() -> None:
    found = read_document("<p>a</p>" * (3 * MAX_ELEMENTS))

    assert found is not None
    assert len(found.elements) == MAX_ELEMENTS
    assert sum(1 for _ in found.root.iter()) <= 2 * MAX_ELEMENTS + 2
