"""
Build a worker, with its periodic tasks and the job runner of its capture processes.

As in `capture.py`, each builder imports what it needs when it is called.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import snapshotter
from snapshotter.app import machine
from snapshotter.app.settings import Settings
from snapshotter.app.store_location import receipts_store_name
from snapshotter.app.wiring import queue as wiring_jobs
from snapshotter.app.wiring import store as wiring_store
from snapshotter.app.wiring import tasks as wiring_tasks
from snapshotter.ports import JobObserver, ShowMessage
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.annotations import AnnotationService
    from snapshotter.app.monitoring.job_runner import CaptureJobRunner
    from snapshotter.app.takedown.events import TakedownService
    from snapshotter.jobs.database import Database
    from snapshotter.jobs.periodic_task import PeriodicTask
    from snapshotter.jobs.workers.context import WorkerSettings
    from snapshotter.jobs.workers.worker import Worker


def worker(
    settings: Settings,
    rules: "WorkerSettings",
    *,
    show_message: ShowMessage,
    log_event: Callable[..., Any],
    observer: JobObserver | None = None,
    more: "Sequence[PeriodicTask]" = (),
    adopt: bool = False,
) -> "Worker":
    """
    Return a worker of the configured queue.

    Args:
        show_message: Shows a sentence to the person who runs the worker.
        log_event: Gets the name of an event and its fields.
        observer: Gets what is counted, and the events that people may be notified of.
        more: Periodic tasks besides those of every worker.
        adopt: Bind a queue that is bound to another store to the configured store.

    Raises:
        ServiceUnavailable: The database did not answer for `rules.start_s` seconds.
        SnapshotterError: The configuration is invalid.
    """
    from snapshotter.capture.pictures.raster_gate import usable_core_count
    from snapshotter.jobs.workers.context import WorkerParts
    from snapshotter.jobs.workers.store_binding import StoreBinding
    from snapshotter.jobs.workers.worker import Worker

    polite = wiring_jobs.politeness(settings)
    if rules.slots > polite.worker_at_once:
        show_message(
            tr(
                "the worker makes at most {worker_at_once} captures at the same time instead of "
                "{slots}, because {source} sets this limit for one worker",
                worker_at_once=polite.worker_at_once,
                slots=rules.slots,
                source=polite.source,
            )
        )
        rules = replace(rules, slots=polite.worker_at_once)
    job_observer = observer or JobObserver()
    opened = wiring_jobs.open_within(settings, rules.start_s, show_message=show_message)
    return Worker(
        opened,
        WorkerParts(
            opener=partial(open_job_runner, settings),
            admission=wiring_jobs.host_admission(settings, job_observer),
            periodic_tasks=(
                *periodic_tasks(settings, opened, show_message=show_message, observer=job_observer),
                *wiring_tasks.task_lanes(settings, opened, log_event=log_event),
                *more,
            ),
            observer=job_observer,
            log=log_event,
            chance=random.SystemRandom().random,
        ),
        # On a second processor, a bundle is completed beside the captures.
        replace(
            rules,
            limits=wiring_jobs.limits(settings),
            spare=1 if usable_core_count() > 1 else 0,
        ),
        store=StoreBinding(
            store_id=receipts_store_name(settings),
            url=wiring_store.store(settings).url,
        ),
        version=snapshotter.__version__,
        adopt=adopt,
    )


def periodic_tasks(
    settings: Settings,
    opened: "Database",
    *,
    show_message: ShowMessage,
    observer: JobObserver | None = None,
) -> "tuple[PeriodicTask, ...]":
    """Return the tasks that every worker repeats beside captures."""
    from snapshotter.app.wiring import watches as wiring_watch
    from snapshotter.jobs.periodic_task import PeriodicTask
    from snapshotter.jobs.queue.hosts import trim_task
    from snapshotter.jobs.schedules.scheduler import EVERY_S

    due = wiring_jobs.scheduler(
        settings, opened, ask=None, show_message=show_message, observer=observer
    )
    return (
        PeriodicTask(name="schedules", every_s=EVERY_S, work=due.turn),
        trim_task(opened),
        wiring_watch.poll_task(settings, opened, show_message=show_message, observer=observer),
        monitoring_task(settings, opened, show_message=show_message),
    )


def monitoring_task(
    settings: Settings, opened: "Database", *, show_message: ShowMessage
) -> "PeriodicTask":
    """
    Return the task that follows up captures of watched pages.

    One worker at a time does it. If two overlap, they enqueue and write the same, once.
    """
    from snapshotter.jobs.follow_ups import EVERY_S, JobsToFollowUp
    from snapshotter.jobs.periodic_task import PeriodicTask

    ended, jobs = JobsToFollowUp(opened), wiring_jobs.queue(settings, opened)

    def turn() -> None:
        if not ended.not_followed_up():
            return
        # Only now: what judges captures takes memory, and most workers watch nothing.
        from snapshotter.app.monitoring.capture_follow_up import Monitor, MonitorDependencies
        from snapshotter.app.policies import configured_policy
        from snapshotter.app.wiring import takedown as wiring_takedown

        def prove(service: "TakedownService", event_id: str, target: Path, pdf: bool) -> None:
            from snapshotter.app.wiring import (
                proof as wiring_proof,  # what draws and prints, for the few events
            )

            wiring_proof.write_event_pack(
                settings, service, event_id, target, pdf=pdf, show_message=show_message
            )

        from snapshotter.policy.capture_decision import monitoring as rules_of

        Monitor(
            MonitorDependencies(
                ended=ended,
                queue=jobs,
                rules=cache(
                    lambda named, url: rules_of(configured_policy.policy_for(settings, named, url))
                ),
                service=partial(
                    wiring_takedown.takedown_service,
                    settings,
                    ask=None,
                    show_message=show_message,
                    quick=True,
                ),
                proofs=wiring_takedown.proofs_dir(settings),
                prove=prove,
                show_message=show_message,
                now=machine.SystemClock().now,
            )
        ).turn()

    return PeriodicTask(name="monitor", every_s=EVERY_S, work=turn)


def open_job_runner(settings: Settings, show_message: ShowMessage) -> "CaptureJobRunner":
    """Return the object that captures jobs; called in a capture process."""
    from snapshotter.app.monitoring.job_runner import CaptureJobRunner
    from snapshotter.app.wiring import capture as wiring_capture
    from snapshotter.app.wiring import index as wiring_index

    return CaptureJobRunner(
        settings,
        show_message=show_message,
        dependencies=lambda these, locked: wiring_capture.capture_dependencies(
            these, ask=None, show_message=show_message, locked=locked
        ),
        observation_source=partial(wiring_index.observation_source, settings),
        annotations=_annotations(settings, show_message),
    )


def _annotations(
    settings: Settings, show_message: ShowMessage
) -> "Callable[[], AnnotationService]":
    """Return a function that builds the service on first use: most jobs have no labels."""

    @cache
    def service() -> "AnnotationService":
        from snapshotter.app.wiring import annotations as wiring_annotations

        return wiring_annotations.annotation_service(settings, ask=None, show_message=show_message)

    return service
