"""
Build what manages and polls the watch lists in the queue's database.

`poller` reads the lists through guarded connections, and `poll_task` does so in a worker. `plan`
makes the visit plan of the pages that a watch list finds.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from snapshotter.app import machine
from snapshotter.app.archive import bundles
from snapshotter.app.policies import configured_policy
from snapshotter.app.settings import Settings
from snapshotter.app.wiring import queue as wiring_jobs
from snapshotter.app.wiring import store as wiring_store
from snapshotter.errors import SnapshotterError
from snapshotter.model.job import JobStatus
from snapshotter.model.watch import Watch
from snapshotter.policy import page_identity
from snapshotter.ports import JobObserver, ShowMessage
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.egress.fetch import FetchedResponse
    from snapshotter.jobs.database import Database
    from snapshotter.jobs.periodic_task import PeriodicTask
    from snapshotter.jobs.schedules.plan import Plan
    from snapshotter.jobs.schedules.schedules import Schedules
    from snapshotter.jobs.watches.poller import Poller
    from snapshotter.jobs.watches.watches import Watches

_USER_AGENT = "Mozilla/5.0 (compatible; feed reader)"  # names nobody; a policy can say another
_TURN_S = 5.0  # from the end of one look for lists that are due to the next
_DOM = "capture/dom.html"
_DOM_BYTES = 8 << 20


def watches(settings: Settings, opened: "Database | None" = None) -> "Watches":
    """Return the watch lists. Raises ServiceUnavailable: the database does not answer."""
    from snapshotter.jobs.watches.watches import Watches

    return Watches(wiring_jobs.database(settings) if opened is None else opened)


def plan(watch: Watch) -> "Plan":
    """
    Return when each page of a watch list is visited again, by the curve that `--then` names.

    Raises:
        SnapshotterError: The curve does not exist.
    """
    from snapshotter.app.policies.visit_plan import VisitOptions, plan_from_options
    from snapshotter.jobs.schedules.plan import CatchUp

    return plan_from_options(
        VisitOptions(
            curve=watch.then,
            policy=watch.policy,
            end=watch.ends_at.isoformat() if watch.ends_at else "",
            catch_up=CatchUp.LATEST,  # a page that has just appeared is visited, however late
        )
    )


def poll_task(
    settings: Settings,
    opened: "Database",
    *,
    show_message: ShowMessage,
    observer: JobObserver | None,
) -> "PeriodicTask":
    """Return the periodic task of a worker that polls lists. Raises SnapshotterError."""
    from snapshotter.jobs.periodic_task import PeriodicTask

    work = poller(
        settings, watches(settings, opened), observer=observer, show_message=show_message
    ).turn
    return PeriodicTask(name="watch-lists", every_s=_TURN_S, work=work)


def poller(
    settings: Settings,
    found: "Watches",
    *,
    observer: JobObserver | None = None,
    show_message: ShowMessage | None = None,
) -> "Poller":
    """
    Return the poller, which reads lists and enqueues their new items.

    Args:
        found: The lists, in the queue's database.
        observer: Gets lists that cannot be read.
        show_message: Shows messages about the store and the key if gaps are recorded; None: record
            no gaps.

    Raises:
        SnapshotterError: The settings are invalid.
    """
    from snapshotter.jobs.schedules.schedules import Schedules
    from snapshotter.jobs.watches.poller import Hooks, Poller

    return Poller(
        found,
        wiring_jobs.queue(settings, found.engine),
        fetch=_WayOut(settings),
        rules=page_identity.shipped_identity_rules(),
        ids=machine.RandomIds(),
        hooks=Hooks(
            admission=wiring_jobs.host_admission(settings, observer),
            observer=observer or JobObserver(),
            document=_Documents(settings),
            follow=_Followed(Schedules(found.engine)),
            record=wiring_jobs.gap_recorder(settings, ask=None, show_message=show_message)
            if show_message
            else None,
        ),
    )


class _WayOut:
    """Fetches lists through a guard, with the proxy and the rules that pages have."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock = machine.SystemClock()

    def __call__(
        self, watch: Watch, url: str, known: Mapping[str, Mapping[str, str]]
    ) -> "FetchedResponse":
        from snapshotter.egress.fetch import FetchFailed, fetch
        from snapshotter.egress.rules import EgressRules
        from snapshotter.jobs.watches.list_reader import FETCH_S, MAX_BYTES

        settings = self._settings
        try:
            policy = configured_policy.policy_for(settings, watch.policy)
        except SnapshotterError as error:
            raise FetchFailed(
                "policy",
                tr("the policy of the watch list is invalid: {value}", value=error.message),
            ) from error
        if policy.network.require_proxy and not settings.proxy:
            raise FetchFailed(
                "policy",
                tr("the policy of the watch list requires a proxy, but the setting proxy is empty"),
            )
        rules = EgressRules(
            blocked=policy.network.block_hosts,
            allowed=(*settings.allow_networks, *policy.network.allow),
            upstream=settings.proxy,
            total_bytes=MAX_BYTES,
        )
        return fetch(
            url,
            rules=rules,
            clock=self._clock,
            purpose="list",
            user_agent=policy.browser.user_agent or _USER_AGENT,
            limit=MAX_BYTES,
            timeout_s=FETCH_S,
            known=known,
        )


class _Followed:
    """Adds the pages of a watch list to its schedule, which visits them from first sight on."""

    def __init__(self, schedules: "Schedules") -> None:
        self._schedules = schedules

    def __call__(self, watch: Watch, urls: Sequence[str]) -> Sequence[str]:
        """
        Return the jobs of the first visits. A second call changes nothing.

        Raises:
            SnapshotterError: The curve of the watch list does not exist any more.
        """
        name = watch.schedule
        if name in {schedule.name for schedule in self._schedules.all()}:
            self._schedules.extend(name, urls)
        else:
            self._schedules.add(name, plan(watch), urls, policy=watch.policy, tags=watch.tags)
        return self._schedules.first_jobs(name, urls)


class _Documents:
    """Reads the document of a capture from its bundle."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, status: JobStatus) -> str:
        """
        Return the document as it was at the end of the capture.

        Returns "" if it cannot be read: the bundle is in another store than this worker's, was
        erased, or has no document.
        """
        if not status.bundle_id:
            return ""
        try:
            store = wiring_store.store(self._settings)
            with store.open(bundles.find_bundle_key(store, status.bundle_id)) as stream:
                document = bundles.read_member(stream, _DOM, limit=_DOM_BYTES)
        except (SnapshotterError, OSError):
            return ""
        return document.decode("utf-8", "replace")
