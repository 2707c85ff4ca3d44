"""Events and a `notify.toml` for tests."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from snapshotter.model.notification import NotificationEvent, NotificationKind, NotificationScope
from snapshotter.notify import rules as reading
from snapshotter.notify.rules import NotifyRules
from tests.fakes.world import START

WEBHOOK = """
[[channel]]
name = "desk"
type = "webhook"
url = "https://hooks.example.org/snapshotter"
secret_file = "desk.secret"
"""
MAIL = """
[[channel]]
name = "mail"
type = "mail"
server = "smtp.example.org"
sender = "snapshotter@example.org"
to = ["desk@example.org"]
"""


def event(
    number: int = 1, kind: NotificationKind = NotificationKind.CAPTURE_FAILED, **more: object
) -> NotificationEvent:
    """Return an event of a job, which knows everything about its page."""
    given: dict[str, object] = {
        "id": f"{kind}/job-{number}",
        "kind": kind,
        "at": START + timedelta(seconds=number),
        "subject": f"job-{number}",
        "summary": "the capture failed",
        "reasons": ("forbidden-address",),
        "job_id": f"job-{number}",
        "origin": "schedule:news",
        "policy": "default",
        "tags": ("press",),
        "url": f"https://me:pw@news.example.org/{number}?id=7&token=abc",
        "host": "news.example.org",
        "detail": f"news.example.org was not resolved: http://news.example.org/{number}?key=x",
        **more,
    }
    of_job = {key: given.pop(key) for key in ("policy", "origin", "tags")}
    given.setdefault("about", (NotificationScope(**of_job),))  # type: ignore[arg-type]
    return NotificationEvent(**given)  # type: ignore[arg-type]


def load(folder: Path, text: str) -> NotifyRules:
    """Return the rules of a file with this text."""
    path = folder / "notify.toml"
    path.write_text(text)
    return reading.load(path)


def secret_file(folder: Path) -> Callable[[], str]:
    """Return what reads the secret of a webhook, which a test can change."""
    path = folder / "desk.secret"
    path.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    return path.read_text
