"""Hold the capture options of one command, and combine them with a policy into a decision."""

from pathlib import Path
from typing import Literal

from snapshotter.app.settings import Settings
from snapshotter.model.request import Decision
from snapshotter.policy import capture_decision
from snapshotter.policy.files import certificate_authorities, public_key
from snapshotter.policy.tables import Policy
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOptions:
    """What a person asks of the captures of one command; None and empty: the policy decides."""

    store: str | None
    policy: str | None
    browser: str | None
    key: str | None
    cosigners: tuple[str, ...]
    passphrase_file: Path | None
    lock_days: int | None
    lock_mode: Literal["GOVERNANCE", "COMPLIANCE"] | None
    ignore_certificate_errors: bool
    allow_networks: tuple[str, ...]
    authority_files: tuple[Path, ...]
    proxy: str | None
    viewports: tuple[str, ...]
    elements: tuple[str, ...]
    pdf: bool
    keep_streams_for: tuple[Path, ...]
    check_replay: bool

    def overrides(self) -> dict[str, str]:
        """Return the settings that these options override."""
        return {
            "proxy": self.proxy or "",
            "store": self.store or "",
            "policy": self.policy or "",
            "key": self.key or "",
            "cosigners": " ".join(self.cosigners),
            "passphrase_file": str(self.passphrase_file or ""),
        }

    def decide(self, policy: Policy, settings: Settings, *, light: bool = False) -> Decision:
        """
        Return how a page is captured under a policy, with these options and the settings.

        Args:
            light: It is a light check: the first view, the document, its text and the network
                record.
        """
        return capture_decision.decide(
            policy,
            capture_decision.PolicyOverrides(
                browser=self.browser or "",
                lock_days=self.lock_days,
                lock_mode=self.lock_mode or "",
                ignore_certificate_errors=self.ignore_certificate_errors,
                allow_networks=(*settings.allow_networks, *self.allow_networks),
                viewports=self.viewports,
                elements=self.elements,
                pdf=self.pdf,
                certificate_authorities=tuple(
                    authority
                    for path in self.authority_files
                    for authority in certificate_authorities(path)
                ),
                keep_streams_for=tuple(map(public_key, self.keep_streams_for)),
                light=light,
            ),
        )
