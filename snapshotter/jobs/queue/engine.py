"""
Give each run of a job to one worker, with DBOS.

This is the only module that imports DBOS (`dbos>=3.4,<4`). A run of a job is one workflow,
`JOB#RUN`, in which a worker captures the page and stores the bundle. DBOS orders the runs by
priority, limits how many run at once (of one host, and in all), and assigns each run to one worker.
How the run went is recorded in our own tables.

docs/explanation/queue-engine.md says what DBOS does and what our code does; docs/adr/0027 gives
the reasons.
"""

import contextlib
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime

from dbos import DBOS, DBOSConfig, EnqueueOptions
from dbos import DBOSPortableJSONSerializer as PortableJson
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from snapshotter.errors import ServiceUnavailable
from snapshotter.jobs.database_url import database_url
from snapshotter.jobs.queue.dispatcher import HandedRun
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_NAME = "snapshotter"
# An engine takes runs of its own version only. Change it when the workflow's arguments change;
# the default, a hash of the code, would change with every release.
_VERSION = "1"
_QUEUE = "captures"
_WORKFLOW = "capture"
_POLL_S = 0.1  # between two looks at the queue
_CONNECTIONS = 6  # to the database, beside those of the slots
_ALIVE = ("ENQUEUED", "PENDING", "DELAYED")
_OVER = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
_AT_ONCE = 500  # runs that are forgotten in one go
_SEPARATOR = "#"  # not allowed in the id of a job


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyLimits:
    """Limits of all workers together. Rules for particular hosts are part of the admission."""

    per_host: int = 1  # most captures of one host at once
    in_all: int | None = None  # most captures at once


class DbosEngine:
    """
    The DBOS engine of this process; there is at most one.

    Args:
        url: The queue's database, from the settings.
        worker_id: The id of this process's worker, unique among living processes.
        run: Called with a job's id and the number of its run, in a thread of its own.
    """

    def __init__(
        self,
        url: str,
        worker_id: str,
        *,
        limits: ConcurrencyLimits,
        run: Callable[[str, int], None],
    ) -> None:
        self._url = database_url(url)
        self._worker_id = worker_id
        self._limits = limits
        self._run = run

    def start(self, slots: int) -> None:
        """
        Begin to take runs.

        Args:
            slots: The largest number of slots of a worker. The engine has one number for all
                workers; a worker without a free slot hands a run back.

        Raises:
            ServiceUnavailable: The database does not answer.
        """
        logging.getLogger("dbos").setLevel(logging.CRITICAL)
        DBOS(
            config=DBOSConfig(
                name=_NAME,
                system_database_url=self._url,
                executor_id=self._worker_id,
                application_version=_VERSION,
                serializer=PortableJson(),  # the default, pickle, runs code from the database
                sys_db_pool_size=slots + _CONNECTIONS,
                log_level="CRITICAL",  # the worker logs errors itself
                use_listen_notify=False,
            )
        )
        work = self._run

        # Without steps: a run is never recovered, so nothing of it has to be recorded.
        @DBOS.workflow(name=_WORKFLOW)
        def capture(job_id: str, run: int) -> None:
            work(job_id, run)

        with _translated():
            DBOS.launch()
            in_all = self._limits.in_all
            # Only possible after the launch. It replaces the limits of earlier workers.
            DBOS.register_queue(
                _QUEUE,
                worker_concurrency=min(slots, in_all or slots),
                global_concurrency=in_all,
                partition_concurrency=min(self._limits.per_host, in_all or self._limits.per_host),
                polling_interval_sec=_POLL_S,
                on_conflict="always_update",
            )

    def hand_over(self, handed: HandedRun) -> None:
        """
        Hand a run to the workers. Handing it over again changes nothing.

        Raises:
            ServiceUnavailable: The database does not answer. The run may be handed over.
        """
        options = EnqueueOptions(
            workflow_name=_WORKFLOW,
            queue_name=_QUEUE,
            workflow_id=f"{handed.job_id}{_SEPARATOR}{handed.run}",
            app_version=_VERSION,
            priority=handed.priority + 1,  # 0 means no priority
            queue_partition_key=handed.host,
        )
        with _translated():
            DBOS.enqueue_workflow_with_options(options, handed.job_id, handed.run)

    def lost(self, runs: Sequence[tuple[str, int]]) -> Sequence[tuple[str, int]]:
        """
        Return which of these runs no worker will take any more.

        A waiting run of another `_VERSION` is one of them: after an upgrade, perhaps no worker
        takes it. It is cancelled, and its job is handed over again and captured once.

        Raises:
            ServiceUnavailable: The database does not answer.
        """
        if not runs:
            return ()
        ids = {f"{job_id}{_SEPARATOR}{run}": (job_id, run) for job_id, run in runs}
        with _translated():
            found = DBOS.list_workflows(
                workflow_ids=list(ids), status=list(_ALIVE), load_input=False, load_output=False
            )
            left = [
                workflow.workflow_id
                for workflow in found
                if workflow.status == "ENQUEUED" and workflow.app_version not in {None, _VERSION}
            ]
            if left:
                DBOS.cancel_workflows(left)
        alive = {workflow.workflow_id for workflow in found} - set(left)
        return [run for name, run in ids.items() if name not in alive]

    def running(self) -> dict[str, frozenset[tuple[str, int]]]:
        """
        Return the runs that each worker has taken, as the engine knows them.

        Raises:
            ServiceUnavailable: The database does not answer.
        """
        with _translated():
            found = DBOS.list_workflows(
                status="PENDING", queue_name=_QUEUE, load_input=False, load_output=False
            )
        runs: dict[str, set[tuple[str, int]]] = {}
        for workflow in found:
            if workflow.executor_id:
                job_id, _, run = workflow.workflow_id.rpartition(_SEPARATOR)
                runs.setdefault(workflow.executor_id, set()).add((job_id, int(run)))
        return {worker_id: frozenset(taken) for worker_id, taken in runs.items()}

    def cancel(self, runs: Collection[tuple[str, int]]) -> None:
        """
        Cancel runs that no process works on: a run that was taken occupies its host until it ends.

        The jobs are handed over again, as new runs. The engine's own recovery is not used: it
        would start the same runs again at once, without a pause for a page that ends its
        workers and without admission.

        Raises:
            ServiceUnavailable: The database does not answer.
        """
        with _translated():
            DBOS.cancel_workflows([f"{job_id}{_SEPARATOR}{run}" for job_id, run in runs])

    def trim(self, before: datetime) -> int:
        """
        Delete the runs that ended before that time; return how many.

        Raises:
            ServiceUnavailable: The database does not answer.
        """
        gone = 0
        with _translated():
            while True:
                found = DBOS.list_workflows(
                    status=list(_OVER), completed_before=before.isoformat(), limit=_AT_ONCE,
                    load_input=False, load_output=False,
                )  # fmt: skip
                DBOS.delete_workflows([workflow.workflow_id for workflow in found])
                gone += len(found)
                if len(found) < _AT_ONCE:
                    return gone

    def stop(self, *, within_s: float) -> None:
        """Take no more runs, wait at most so long for the running ones, and end."""
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=round(within_s))


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, dbos_error.DBOSException) as error:
        raise ServiceUnavailable(
            tr(
                "the engine of the queue does not answer: {splitlines}",
                splitlines=str(error).splitlines()[0],
            ),
            hint=tr("check that the database is running and that its disk has free space"),
        ) from error
