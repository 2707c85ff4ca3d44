"""Check, before a page is captured, that the configured signers can seal its bundle."""

from collections.abc import Sequence

from snapshotter.errors import PolicyRefused, SnapshotterError
from snapshotter.formats.bundle import names
from snapshotter.model.request import Decision
from snapshotter.ports import Signer
from snapshotter.translation import tr


def check_signers(signers: Sequence[Signer], decision: Decision, *, authorities: int) -> None:
    """
    Check that these signers can seal a bundle.

    Raises:
        SnapshotterError: A key twice, more than nine, more tokens than can be fetched
            later, or fewer signers than the policy requires.
    """
    ids = [signer.key_id for signer in signers]
    if len(set(ids)) != len(ids):
        raise SnapshotterError(
            tr(
                "the settings key and cosigners contain the key {next} twice",
                next=next(key_id for key_id in ids if ids.count(key_id) > 1),
            ),
            hint=tr("list each key only once in the settings key and cosigners"),
        )
    if len(ids) > names.MAX_SIGNATURES:
        raise SnapshotterError(
            tr(
                "a bundle can have at most {max_signatures} signatures",
                max_signatures=names.MAX_SIGNATURES,
            )
        )
    if len(ids) > 1 and len(ids) * authorities > names.MAX_LATE_TOKENS:
        raise SnapshotterError(
            tr(
                "the configuration requires {count2} timestamp tokens (signers: {count}, "
                "timestamp authorities: {authorities}), but a bundle can have at most "
                "{max_late_tokens} late tokens",
                count=len(ids),
                authorities=authorities,
                count2=len(ids) * authorities,
                max_late_tokens=names.MAX_LATE_TOKENS,
            ),
            hint=tr("configure fewer timestamp authorities, or fewer cosigners"),
        )
    if len(ids) < decision.require_signatures:
        raise PolicyRefused(
            tr(
                "the policy {policy_name} requires more signatures than keys are configured; "
                "required signatures: {require_signatures}, configured keys: {count}",
                policy_name=decision.policy_name,
                require_signatures=decision.require_signatures,
                count=len(ids),
            ),
            hint=tr("add further keys to the setting cosigners"),
        )
