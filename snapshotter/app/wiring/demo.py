"""Build the demo: its site, resolver, timestamp authority, keys and store, below one folder."""

import contextlib
import errno
import json
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from snapshotter.app.demo import STORY, DemoEnvironment
from snapshotter.app.machine import SystemClock
from snapshotter.app.policies import configured_policy
from snapshotter.app.settings import Settings, settings_from_values
from snapshotter.app.takedown.event_list import confirm_rules
from snapshotter.app.wiring import capture as wiring_capture
from snapshotter.app.wiring import proof as wiring_proof
from snapshotter.app.wiring import takedown as wiring_takedown
from snapshotter.app.wiring import trust as wiring_trust
from snapshotter.egress.resolver import ResolutionFailed
from snapshotter.errors import ServiceUnavailable
from snapshotter.policy.capture_decision import PolicyOverrides, decide
from snapshotter.policy.files import shipped_directory
from snapshotter.ports import Progress, ShowMessage
from snapshotter.site import timestamp_authority as authorities
from snapshotter.site.news import NEWS
from snapshotter.site.server import FixtureSite
from snapshotter.site.state import SiteState
from snapshotter.site.timestamp_authority import LocalAuthority
from snapshotter.translation import tr

_FILES: Final = ("policy.toml", "lantern.toml")
_LOOPBACK: Final = "127.0.0.0/8"


@contextlib.contextmanager
def demo_environment(
    own: Settings, folder: Path, progress: Progress, show_message: ShowMessage
) -> Iterator[DemoEnvironment]:
    """
    Yield a demo with its site, timestamp authority, keys and store, all below a folder.

    Args:
        own: This user's settings, of which only the browser is used.
        folder: Absolute; empty, or does not exist.
        show_message: Shows that there is no timestamp authority.

    Raises:
        ServiceUnavailable: Loopback is down and cannot be brought up, or there is no browser.
    """
    began_s = time.monotonic()
    _require_loopback()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in _FILES:
        shutil.copyfile(shipped_directory() / "demo" / name, folder / name)
    with contextlib.ExitStack() as open_:
        authority: LocalAuthority | None = None
        if authorities.is_possible():
            try:
                authority = open_.enter_context(LocalAuthority(folder / "authority"))
            except ServiceUnavailable as error:
                show_message(str(error))
        settings = demo_settings(own, folder, authority)
        _write_settings(settings, folder / "snapshotter.toml")
        site = open_.enter_context(FixtureSite(SiteState(at=SystemClock().now())))
        silent: ShowMessage = lambda _text: None  # noqa: E731  keys and store are the demo's own
        dependencies = wiring_capture.capture_dependencies(settings, ask=None, show_message=silent)
        capturer = wiring_capture.capturer(settings, dependencies.clock, resolver=SiteResolver())
        decision = decide(
            configured_policy.configured_policy(settings),
            PolicyOverrides(allow_networks=settings.allow_networks),
        )
        if authority is None:
            decision = replace(decision, require_timestamps=0)
        yield DemoEnvironment(
            folder=folder,
            settings=settings,
            site=site,
            capture_dependencies=replace(dependencies, capturer=capturer),
            takedown_service=partial(
                wiring_takedown.takedown_service, settings, ask=None, show_message=silent
            ),
            log_proof=wiring_proof.event_log_proof(settings),
            proof_service=partial(
                wiring_proof.proof_service, settings, ask=None, show_message=silent
            ),
            trust=partial(wiring_trust.trust, settings),
            rederivation=wiring_takedown.rederivation(settings),
            decision=decision,
            confirm_after=confirm_rules(settings, site.url(STORY)).after,
            has_authority=authority is not None,
            progress=progress,
            began_s=began_s,
        )


def demo_settings(own: Settings, folder: Path, authority: LocalAuthority | None) -> Settings:
    """
    Return settings with all files below a folder, and none of this user's.

    Of the user's own settings only the browser is used: it is a fact about the machine.
    """
    values: dict[str, Any] = {
        "store": str(folder / "captures"),
        "policy": str(folder / "policy.toml"),
        "data_dir": str(folder / "data"),
        "keys_dir": str(folder / "keys"),
        "spool_dir": str(folder / "spool"),
        "allow_networks": [_LOOPBACK],
        "allow_no_sandbox": own.allow_no_sandbox,
        "record_access": False,
        "authority": [],
    }
    if own.browser_path is not None:
        values["browser_path"] = str(own.browser_path)
    if authority is not None:
        entry = {"name": authorities.NAME, "url": authority.url, "root": str(authority.root)}
        values["authority"] = [entry]
    return settings_from_values(values)


class SiteResolver:
    """Resolves the demo's own host, and no other name."""

    async def resolve(self, host: str) -> tuple[str, ...]:
        """Return the address of the site. Raises ResolutionFailed for another host."""
        if host != NEWS:
            raise ResolutionFailed("dns", f"{host}: the demo resolves no other host than its own")
        return ("127.0.0.1",)


def _write_settings(settings: Settings, file: Path) -> None:
    """Write a settings file, with relative paths, to look at what a demo has left."""
    lines = [
        "# SNAPSHOTTER_CONFIG=$PWD/snapshotter.toml snapshotter verify proof.html",
        'store = "captures"',
        'policy = "policy.toml"',
        'data_dir = "data"',
        'keys_dir = "keys"',
        'spool_dir = "spool"',
        f"allow_networks = {json.dumps(list(settings.allow_networks))}",
    ]
    if not settings.authorities:
        lines.append("authority = []")
    for authority in settings.authorities:
        root = authority.root.relative_to(file.parent).as_posix()
        lines += [
            "[[authority]]",
            f"name = {json.dumps(authority.name)}",
            f"url = {json.dumps(authority.url)}",
        ]
        lines.append(f"root = {json.dumps(root)}")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _require_loopback() -> None:
    """Bring loopback up if it is down, as after `unshare --net`. Raises ServiceUnavailable."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        address = server.getsockname()
        for attempt in (1, 2):
            try:
                socket.create_connection(address, timeout=5).close()
            except OSError as error:
                if error.errno != errno.ENETUNREACH or attempt == 2:
                    raise ServiceUnavailable(
                        tr("127.0.0.1 cannot be reached: {error}", error=error),
                        hint=tr("bring the loopback device up:\n  ip link set lo up"),
                    ) from error
            else:
                return
            with contextlib.suppress(OSError):
                from snapshotter.egress.enter import raise_loopback

                raise_loopback()
