"""
Declare the tables of schedules.

A schedule has addresses (`TARGET`), pauses (`PAUSE`), visits (`VISIT`), and gaps for which a
record is to be made (`GAP`). The rows of a removed schedule stay, for its history.
"""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table

from snapshotter.jobs.database import TABLES, Instant, SafeText

ACTIVE, PAUSED, REMOVED = "active", "paused", "removed"
PLANNED, QUEUED, DONE, INCOMPLETE, MISSED, UNKNOWN = (
    "planned", "queued", "done", "incomplete", "missed", "unknown",
)  # fmt: skip
SCHEDULE = Table(
    "schedule",
    TABLES,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False),
    Column("live_name", String(64), unique=True),  # None: removed, so the name is free again
    Column("plan", SafeText, nullable=False),  # the whole plan as JSON
    Column("policy", SafeText, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("tags", SafeText, nullable=False),  # JSON
    Column("state", String(16), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),  # last change of the state
)
TARGET = Table(
    "schedule_target",
    TABLES,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("schedule_id", ForeignKey("schedule.id"), nullable=False),
    Column("key", String(16), nullable=False),
    Column("url", SafeText, nullable=False),
    Column("since", Instant, nullable=False),  # when it was added, in whole seconds
    Column("next_slot", Instant),  # the first slot that is not handled yet; None: none is left
    Column("next_at", Instant),  # the same slot with jitter
    Index("schedule_target_key", "schedule_id", "key", unique=True),
    Index("schedule_target_due", "next_at"),
)
PAUSE = Table(
    "schedule_pause",
    TABLES,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("schedule_id", ForeignKey("schedule.id"), nullable=False, index=True),
    Column("since", Instant, nullable=False),
    Column("until", Instant),
    Column("by", String(200), nullable=False),
)
VISIT = Table(
    "schedule_visit",
    TABLES,
    Column("job_id", String(120), primary_key=True),
    Column("schedule_id", ForeignKey("schedule.id"), nullable=False),
    Column("target_id", ForeignKey("schedule_target.id"), nullable=False),
    Column("slot", Instant, nullable=False),
    Column("at", Instant, nullable=False),  # when it was due
    Column("not_after", Instant),
    Column("state", String(16), nullable=False),
    Column("check_at", Instant),  # when to look up its job; None: its end is known
    Column("checks", Integer, nullable=False, default=0),
    Column("was_held", Boolean, nullable=False, default=False),  # its host was not admitted
    Column("ended_at", Instant),
    Column("bundle_id", String(64), nullable=False, default=""),
    Column("outcome", String(16), nullable=False, default=""),
    Column("error", SafeText, nullable=False, default=""),
    Index("schedule_visit_of", "schedule_id", "at"),
    Index("schedule_visit_check", "check_at"),
    Index("schedule_visit_state", "state"),
)
GAP = Table(
    "schedule_gap",
    TABLES,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("schedule_id", ForeignKey("schedule.id"), nullable=False),
    Column("target_id", ForeignKey("schedule_target.id")),  # None: about the whole schedule
    Column("event", String(16), nullable=False),
    Column("reason", String(16), nullable=False),
    Column("detail", SafeText, nullable=False, default=""),
    Column("by", String(200), nullable=False, default=""),
    Column("slots", SafeText, nullable=False, default="[]"),  # JSON: a list of instants
    Column("since", Instant, nullable=False),
    Column("until", Instant),
    Column("noted_at", Instant, nullable=False),
    Column("gap_id", String(64), nullable=False, default="", index=True),  # id of the record
    Column("claimed_at", Instant),
    Column("stored", Boolean, nullable=False, default=False),  # record signed, stored and logged
    Index("schedule_gap_of", "schedule_id", "since"),
    Index("schedule_gap_owed", "stored", "noted_at"),
)
