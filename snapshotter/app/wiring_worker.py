"""
Build a worker, with all that it does beside captures.

As in `wiring.py`, each builder imports what it needs when it is called.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import snapshotter
from snapshotter.app import machine, wiring_jobs, wiring_store
from snapshotter.app.settings import Settings
from snapshotter.ports import JobObserver, Tell

if TYPE_CHECKING:
    from snapshotter.app.takedowns import TakedownDesk
    from snapshotter.jobs.database import Database
    from snapshotter.jobs.duty import Duty
    from snapshotter.jobs.slot import Workshop
    from snapshotter.jobs.worker import Worker
    from snapshotter.jobs.worker_context import WorkerSettings


def worker(
    settings: Settings,
    rules: "WorkerSettings",
    *,
    tell: Tell,
    told: Callable[..., Any],
    observer: JobObserver | None = None,
    more: "Sequence[Duty]" = (),
    adopt: bool = False,
) -> "Worker":
    """
    Return a worker of the configured queue.

    Args:
        tell: Says a sentence to whoever runs it.
        told: Hears what happens: an event's name, and its fields.
        observer: Hears what is counted, and what people may want to be told.
        more: Duties beside those of every worker.
        adopt: Move a queue that belongs to another store to the configured one.

    Raises:
        ServiceUnavailable: The database did not answer for `rules.start_s` seconds.
        SnapshotterError: What is configured makes no sense.
    """
    from snapshotter.jobs.belonging import Belonging
    from snapshotter.jobs.worker import Worker
    from snapshotter.jobs.worker_context import WorkerParts

    polite = wiring_jobs.politeness(settings)
    if rules.slots > polite.worker_at_once:
        tell(
            f"{polite.worker_at_once} captures at a time, not {rules.slots}: so many may a worker "
            f"have at most, as {polite.source} says"
        )
        rules = replace(rules, slots=polite.worker_at_once)
    heard = observer or JobObserver()
    opened = wiring_jobs.opened_within(settings, rules.start_s, tell=tell)
    return Worker(
        opened,
        WorkerParts(
            opener=partial(open_workshop, settings),
            gate=wiring_jobs.gate(settings, heard),
            duties=(*duties(settings, opened, tell=tell, observer=heard), *more),
            observer=heard,
            log=told,
            chance=random.SystemRandom().random,
        ),
        replace(rules, limits=wiring_jobs.limits(settings)),
        store=Belonging(
            store=wiring_store.receipts_place(settings), place=wiring_store.store(settings).url
        ),
        version=snapshotter.__version__,
        adopt=adopt,
    )


def duties(
    settings: Settings, opened: "Database", *, tell: Tell, observer: JobObserver | None = None
) -> "tuple[Duty, ...]":
    """Return what a worker does beside captures; each is added here by who makes it."""
    from snapshotter.app import wiring_watch
    from snapshotter.jobs.duty import Duty
    from snapshotter.jobs.politeness import trimming
    from snapshotter.jobs.sweep import EVERY_S

    due = wiring_jobs.sweep(settings, opened, ask=None, tell=tell, observer=observer)
    return (
        Duty(name="schedules", every_s=EVERY_S, work=due.turn),
        trimming(opened),
        wiring_watch.duty(settings, opened, tell=tell, observer=observer),
        monitoring(settings, opened, tell=tell),
    )


def monitoring(settings: Settings, opened: "Database", *, tell: Tell) -> "Duty":
    """
    Return what follows captures of watched pages up: events, and what is captured next.

    One worker at a time does it. Two that overlap do the same, and nothing comes of it twice.
    """
    from snapshotter.jobs.duty import Duty
    from snapshotter.jobs.monitor import EVERY_S, EndedJobs

    ended, jobs = EndedJobs(opened), wiring_jobs.queue(settings, opened)

    def turn() -> None:
        if not ended.untold():
            return
        # Only now: what judges captures takes memory, and most workers watch nothing.
        from snapshotter.app import policy_choice, wiring_takedown
        from snapshotter.app.monitoring import Monitor, World

        def prove(desk: "TakedownDesk", event_id: str, target: Path, pdf: bool) -> None:
            from snapshotter.app import wiring_proof  # what draws and prints, for the few events

            wiring_proof.prove(settings, desk, event_id, target, pdf=pdf, tell=tell)

        from snapshotter.policy.decide import monitoring as rules_of

        Monitor(
            World(
                ended=ended,
                queue=jobs,
                rules=cache(
                    lambda named, url: rules_of(policy_choice.policy_for(settings, named, url))
                ),
                desk=partial(wiring_takedown.desk, settings, ask=None, tell=tell, quick=True),
                proofs=wiring_takedown.proofs_dir(settings),
                prove=prove,
                tell=tell,
                now=machine.SystemClock().now,
            )
        ).turn()

    return Duty(name="monitor", every_s=EVERY_S, work=turn)


def open_workshop(settings: Settings, tell: Tell) -> "Workshop":
    """Return what does the work in a slot; called in the slot's own process."""
    from snapshotter.app.workshop import CaptureWorkshop

    return CaptureWorkshop(settings, tell)
