"""What a document of very many elements costs whoever reads it."""

from typing import Any

from snapshotter.assess import dom
from snapshotter.assess.dom import MAX_ELEMENTS, read_document


def test_of_a_document_of_very_many_elements_no_more_is_parsed_than_may_be_looked_at() -> None:
    found = read_document("<p>a</p>" * (3 * MAX_ELEMENTS))

    assert found is not None
    assert len(found.elements) == MAX_ELEMENTS
    assert sum(1 for _ in found.root.iter()) <= 2 * MAX_ELEMENTS + 2


def test_of_a_row_without_end_no_more_is_looked_at_than_a_row_has() -> None:
    """A minute of work, for 40,000 dates side by side: each was told how many there are."""
    looked_at: list[Any] = []

    class Row:
        tag, text = "div", ""

        def __iter__(self) -> Any:
            for number in range(1000):
                looked_at.append(number)
                yield number

    class Date:
        def getparent(self) -> Row:
            return Row()

    assert not dom._has_own_line(Date())
    assert len(looked_at) == 21
