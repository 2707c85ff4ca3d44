"""
Hold what is known about the documents of the page's main frame: how many there were, and whether
the last one has loaded or failed.
"""

from collections.abc import Mapping
from dataclasses import field

from snapshotter.value_class import dataclass


@dataclass(slots=True)
class MainDocument:
    """State of the main frame's documents."""

    count: int = 0  # documents that were committed; error pages do not count
    frame: str = ""  # the browser's id of the main frame
    loaded: bool = False  # the last one's load event came
    broken: bool = False  # the last one's body broke off: no load event will come
    status: int = 0  # HTTP status of the last answer to a main-frame navigation
    headers: Mapping[str, str] = field(default_factory=dict)  # of it, lowercase names
    asked: str = ""  # address of the last navigation that failed
    error: str = ""  # of the last one's body, where it broke off: "net::ERR_CONNECTION_RESET"
    kept: bool = False  # a navigation away from the last one failed: its load may never come
    away: str = ""  # address of a document that replaced it and came from no server: about:blank
    failed: bool = False  # that one is the browser's error page: nothing came from `away`
    expected_at: float | None = None  # when a redirect that the page announced is due
    moves: int = 0  # within the document: fragments and history entries
    cut_at: int = 0  # how many documents there were when one was cut off at a limit
    scripts_stopped: bool = False  # by us: no script of the page runs any more
    stuck_requests: int = 0  # requests that have no end although loading was stopped
