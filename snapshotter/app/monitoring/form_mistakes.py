"""Name what is wrong with a form, field by field, and read the addresses of a form."""

import contextlib
from collections.abc import Iterator

from snapshotter.app.monitoring.remote_requests import checked_urls
from snapshotter.app.url_lists import numbered_urls
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.model.sentences import as_sentence, capitalized
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FormMistake:
    """What is wrong with a field of a form."""

    field: str
    sentence: str


@contextlib.contextmanager
def noting(mistakes: list[FormMistake], field: str) -> Iterator[None]:
    """Note what is wrong with a field, and go on with the next one."""
    try:
        yield
    except ServiceUnavailable:
        raise
    except (SnapshotterError, ValueError) as error:
        sentence = as_sentence(str(error).rstrip("."))
        mistakes.append(FormMistake(field=field, sentence=sentence))


def read_addresses(
    text: str, mistakes: list[FormMistake], *, most: int, field: str = "addresses"
) -> list[str]:
    """
    Return the addresses of a text, one in each line, each once; note what is wrong with them.

    Args:
        most: Addresses of one form.
    """
    urls: dict[str, None] = {}
    before = len(mistakes)
    for number, line in numbered_urls(text.encode("utf-8", "surrogatepass")):
        try:
            (url,) = checked_urls([line])
        except SnapshotterError as error:
            sentence = tr("Line {number}: {value}.", number=number, value=error.message)
            if error.hint and "\n" not in error.hint:
                sentence = f"{sentence} {capitalized(error.hint)}"
            mistakes.append(FormMistake(field=field, sentence=sentence))
        else:
            urls[url] = None
    if not urls and len(mistakes) == before:
        sentence = tr("Enter the address of a page, such as https://example.org.")
        mistakes.append(FormMistake(field=field, sentence=sentence))
    if len(urls) > most:
        sentence = tr(
            "The form has {count} addresses. Enter at most {most} at once.",
            count=len(urls),
            most=most,
        )
        mistakes.append(FormMistake(field=field, sentence=sentence))
    return list(urls)
