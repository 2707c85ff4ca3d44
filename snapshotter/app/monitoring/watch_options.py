"""Check the options of a watch list, and return them as the values of a `Watch`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snapshotter.app.policies.configured_policy import policy_name_for_jobs
from snapshotter.app.url_lists import complete_urls
from snapshotter.formats.lists.html_links import matching
from snapshotter.formats.page.selectors import parse_selector
from snapshotter.model.capture_url import check_url
from snapshotter.model.watch import Existing
from snapshotter.ports import ShowMessage
from snapshotter.translation import tr

# `articles.csv` is the name of a file, although it has the form of a host.
_FILE_ENDINGS = (
    ".atom", ".csv", ".htm", ".html", ".list", ".rss", ".tab", ".tsv", ".txt", ".urls", ".xml",
)  # fmt: skip


def watch_values(
    given: Mapping[str, Any], policies_dir: Path | None, show_message: ShowMessage
) -> tuple[dict[str, Any], list[str]]:
    """
    Return the values of a `Watch` by the names of its fields, and warnings for the person.

    Args:
        given: Values by name of field; None and empty ones were not given and are left out.
        show_message: As for `complete_urls`.

    Raises:
        SnapshotterError: An address, a selector, a pattern or a policy is not valid.
    """
    values = {name: value for name, value in given.items() if value not in (None, "", ())}
    warnings = []
    source = values.get("source", "")
    if source and not _is_file_name(source):
        (source,) = complete_urls([source], show_message)
    if "://" in source:
        values["source"] = check_url(source)
    elif source:
        values["source"] = os.path.abspath(source)
        if not os.path.exists(source):
            warnings.append(
                tr(
                    "the file {source} does not exist on this machine now. The file must "
                    "exist on each machine that polls this list",
                    source=source,
                )
            )
    if "select" in values:
        parse_selector(values["select"])
    matching(values.get("match", ())), matching(values.get("exclude", ()))
    if "policy" in values:
        values["policy"] = policy_name_for_jobs(values["policy"], policies_dir)
    if "existing" in values:
        values["existing"] = Existing(values["existing"])
    return values, warnings


def _is_file_name(text: str) -> bool:
    return "/" not in text and text.lower().endswith(_FILE_ENDINGS)
