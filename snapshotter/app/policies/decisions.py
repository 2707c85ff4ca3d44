"""
Decide, for each page that a command captures, which policy applies, and return its decision
(`Decision`).

The policy is named by the command or by the row of a table, or is chosen by the page's address.
"""

from dataclasses import replace
from datetime import timedelta

from snapshotter.app.policies import configured_policy
from snapshotter.app.policies.capture_options import CaptureOptions
from snapshotter.app.settings import Settings
from snapshotter.errors import SnapshotterError
from snapshotter.model.request import Decision
from snapshotter.policy.policy_selection import (
    AUTO,
    Candidate,
    PickablePolicy,
    known_policies,
    pick,
    pickable_policies,
    policy_matches,
)


class PolicyDecisions:
    """
    Decide by policies, each of which is read once.

    Args:
        light: The captures are light checks.
    """

    def __init__(self, settings: Settings, options: CaptureOptions, *, light: bool = False) -> None:
        self._settings = settings
        self._options = options
        self._light = light
        # By the name of the policy, and whether the person who runs the command chose it.
        self._made: dict[tuple[str, bool], Decision | SnapshotterError] = {}
        self._matches: tuple[PickablePolicy, ...] = ()  # if addresses decide
        self.by_address = settings.policy == AUTO  # the policy of the command
        self.picked: dict[str, Candidate] = {}  # by address

    def __call__(self, name: str, url: str = "") -> Decision:
        """
        Return how a policy captures a page.

        If the address decides and none is given, every policy is read that it could lead to.

        Args:
            name: As a row of a table names it; "" for the policy of the command.

        Raises:
            SnapshotterError: The policy cannot be read, or may not be used here.
        """
        own = name in ("", self._settings.policy)
        wanted = name or self._settings.policy
        if wanted != AUTO:
            return self._once(wanted, own=own)
        if url:
            self._matches = self._matches or policy_matches(self._settings.policies_dir)
            self.picked[url] = picked = pick(url, self._matches).winner
            return replace(self._once(picked.name, own=own), policy_why=picked.why)
        for policy_file in pickable_policies(known_policies(self._settings.policies_dir)):
            self._once(policy_file.policy.name, own=own)
        return self._once("default", own=own)

    def check(self, name: str) -> None:
        """Raise SnapshotterError for a policy that cannot be used."""
        self(name)

    @property
    def locked(self) -> bool:
        """Return whether any of the policies locks stored bundles."""
        return any(decision.retain_days > 0 for decision in self._decisions())

    @property
    def longest(self) -> timedelta:
        """Return the longest time that a page may take under any of the policies."""
        return timedelta(seconds=max(decision.limits.total_s for decision in self._decisions()))

    def _decisions(self) -> list[Decision]:
        return [made for made in self._made.values() if not isinstance(made, SnapshotterError)]

    def _once(self, name: str, *, own: bool) -> Decision:
        if (name, own) not in self._made:
            try:
                self._made[name, own] = self._decide(name, own=own)
            except SnapshotterError as error:
                self._made[name, own] = error
        made = self._made[name, own]
        if isinstance(made, SnapshotterError):
            raise made
        return made

    def _decide(self, name: str, *, own: bool) -> Decision:
        # A table is data, and may come from a stranger: it chooses among policies, and gives
        # pages no more than the command does (docs/adr/0058).
        found = self._settings.found.get("policy")
        settings = self._settings.with_policy(
            name, found_in=found.file if found else "" if own else "a table"
        )
        policy = configured_policy.configured_policy(settings)
        if not own:
            policy = configured_policy.with_same_proxy(
                configured_policy.configured_policy(self._settings), policy
            )
        return self._options.decide(policy, settings, light=self._light)
