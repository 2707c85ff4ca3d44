"""Read the notice that a capture of an event shows, with its translations, for a page."""

import logging

from snapshotter.app.archive import bundles
from snapshotter.app.archive.assessment import BundleFiles, read_assessment
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.model.takedown import Observation
from snapshotter.ports import ReadableStore
from snapshotter.report import statement
from snapshotter.value_class import dataclass

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a capture states about its page or account. Nothing is verified here."""

    texts: tuple[str, ...]  # verbatim
    detail: str = ""  # what the notice says beside that, verbatim
    language: str = ""  # of the page, BCP 47; "": not known
    translations: tuple[tuple[str, str], ...] = ()  # (language, text), from the rule file


def read_notice(store: ReadableStore, seen: Observation) -> Notice | None:
    """
    Return the notice of a capture of an event; None if the event has none.

    The words are those of the event. The directory, the record and the assessment of the bundle are
    read for the rest, and none of them is longer than its format allows.

    Args:
        seen: The capture, as the event has it.
    """
    texts = (seen.notice,) if seen.notice else tuple(dict.fromkeys(a.text for a in seen.accounts))
    if not any(texts):
        return None
    try:
        with store.open(store_keys.bundle_key(seen.bundle_id)) as stream:
            assessed = read_assessment(BundleFiles(stream))
            language = statement.page_language(bundles.read_record(stream))
    except (SnapshotterError, FileNotFoundError) as error:
        _log.warning("notice of %s: %s", seen.bundle_id, error)  # the words are shown without it
        return Notice(texts=texts)
    if assessed is None or not seen.notice or assessed.takedown.notice != seen.notice:
        return Notice(texts=texts, language=language)
    return Notice(
        texts=texts,
        detail=assessed.takedown.notice_detail,
        language=language,
        translations=tuple(statement.translations(seen.notice, assessed)),
    )
