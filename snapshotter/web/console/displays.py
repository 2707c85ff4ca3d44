"""Remember which captures a session has shown, so that custody states each look once."""

import threading
from typing import Final

from snapshotter.web.security.sessions import Session

_MOST: Final = 20_000  # looks; the oldest are forgotten, and stated again


class Displays:
    """The captures that each session has shown. Used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str], None] = {}

    def is_first(self, session: Session, bundle_id: str) -> bool:
        """Return whether a session shows a capture for the first time, and remember it."""
        look = (session.secret, bundle_id)
        with self._lock:
            if look in self._seen:
                return False
            self._seen[look] = None
            if len(self._seen) > _MOST:
                del self._seen[next(iter(self._seen))]
        return True
