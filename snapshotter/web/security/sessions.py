"""
Log a person in by a one-time link, and keep sessions that survive a restart.

A link and a session are each a private file in `data_dir`, named after the SHA-256 of the secret.
Therefore the files do not reveal the secrets, several servers of one user share them, and removing
a file revokes what it stands for.

    links/<sha256>      the instant at which the link was made; the file is removed at its use
    sessions/<sha256>   the instant of the log-in; the time of the file is that of the last use
"""

import base64
import contextlib
import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from snapshotter.app.private_files import write_private
from snapshotter.ports import Clock, IdSource
from snapshotter.value_class import dataclass

LINK_LIFETIME: Final = timedelta(minutes=10)
IDLE_LIFETIME: Final = timedelta(hours=12)  # without a request
SESSION_LIFETIME: Final = timedelta(days=7)
_SECRET_BYTES: Final = 32
_TOUCH_AFTER: Final = timedelta(minutes=1)  # between two notes of a use


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session that has not ended."""

    secret: str  # as the cookie has it
    since: datetime
    used_at: datetime


class Sessions:
    """
    Log-in links and sessions of one user. Safe to use from several threads and processes.

    Args:
        folder: Below `data_dir`; made when it is needed.
    """

    def __init__(self, folder: Path, clock: Clock, ids: IdSource) -> None:
        self._links = folder / "links"
        self._sessions = folder / "sessions"
        self._clock = clock
        self._ids = ids

    def make_link_token(self) -> str:
        """
        Make a token for a log-in link, and remove what has ended.

        Raises:
            SnapshotterError: The folder cannot be written.
        """
        self._sweep()
        token = self._new_secret()
        write_private(self._links / _name(token), self._stamp(), is_new=True)
        return token

    def log_in(self, token: str) -> Session | None:
        """
        Use a log-in link; return a new session, or None if the link is unknown, used or too old.

        Raises:
            SnapshotterError: The folder cannot be written.
        """
        link = self._links / _name(token)
        made_at = _read_instant(link)
        try:
            link.unlink()  # of several requests at the same time, one succeeds
        except OSError:  # the link does not exist, or another request used it first
            return None
        now = self._clock.now()
        if made_at is None or not timedelta(0) <= now - made_at <= LINK_LIFETIME:
            return None
        secret = self._new_secret()
        write_private(self._sessions / _name(secret), self._stamp(), is_new=True)
        return Session(secret=secret, since=now, used_at=now)

    def find(self, secret: str) -> Session | None:
        """Return the session that a cookie names and note its use; None if there is none."""
        file = self._sessions / _name(secret)
        since = _read_instant(file)
        if since is None:
            return None
        now = self._clock.now()
        try:
            used_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
            if _has_ended(since, used_at, now):
                file.unlink(missing_ok=True)
                return None
            if abs(now - used_at) > _TOUCH_AFTER:
                os.utime(file, (now.timestamp(), now.timestamp()))
        except FileNotFoundError:  # revoked at this moment
            return None
        return Session(secret=secret, since=since, used_at=now)

    def end(self, secret: str) -> None:
        """End one session."""
        (self._sessions / _name(secret)).unlink(missing_ok=True)

    def end_all(self) -> None:
        """End all sessions, and make all links invalid."""
        for file in (*_files(self._links), *_files(self._sessions)):
            file.unlink(missing_ok=True)

    def _sweep(self) -> None:
        now = self._clock.now()
        for file in _files(self._links):
            made_at = _read_instant(file)
            if made_at is None or abs(now - made_at) > LINK_LIFETIME:
                file.unlink(missing_ok=True)
        for file in _files(self._sessions):
            since = _read_instant(file)
            with contextlib.suppress(FileNotFoundError):  # another process removed it
                used_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
                if since is None or _has_ended(since, used_at, now):
                    file.unlink()

    def _new_secret(self) -> str:
        data = self._ids.random_bytes(_SECRET_BYTES)
        return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")

    def _stamp(self) -> bytes:
        return f"{self._clock.now().isoformat()}\n".encode("ascii")


def _name(secret: str) -> str:
    """Return the name of the file for a secret, which may be any text of a client."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _read_instant(file: Path) -> datetime | None:
    try:
        at = datetime.fromisoformat(file.read_text("ascii").strip())
    except (OSError, ValueError):  # it does not exist, or is not ours: no link and no session
        return None
    return at if at.tzinfo is not None else None


def _has_ended(since: datetime, used_at: datetime, now: datetime) -> bool:
    # A session from the future means that the clock was set back: nobody knows its age.
    return not (-_TOUCH_AFTER <= now - since <= SESSION_LIFETIME and now - used_at <= IDLE_LIFETIME)


def _files(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError):  # nobody logged in yet
        yield from folder.iterdir()
