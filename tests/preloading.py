"""The modules that commands import: a server of forks imports them once for all its forks."""


def import_commands() -> None:
    """Import what most commands of the product import when they run."""
    # ruff: noqa: F401
    from snapshotter.app import settings
    from snapshotter.app.archive import comparison, encrypted_streams
    from snapshotter.app.pipeline import run, series
    from snapshotter.app.takedown import campaign_verification, pack_verification
    from snapshotter.app.wiring import capture, proof, queue, takedown, trust, upkeep
    from snapshotter.cli import batch, diff, export, main, policy, show, verify
    from snapshotter.cli import capture as _capture
    from snapshotter.cli import trust as _trust
    from snapshotter.verify import bundle, proof_pack
