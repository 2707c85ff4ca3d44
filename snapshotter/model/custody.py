"""Custody events: who did what to the evidence, when, with what outcome (PREMIS)."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyEvent:
    """One event in the life of the evidence."""

    at: datetime
    event: str  # a PREMIS event type: "capture", "message digest calculation" …
    agent: str  # the software; people are named outside the bundle
    object: str  # what it was done to: a member's path, or a URL
    outcome: str  # "success", "partial", "failure"
    detail: str = ""
