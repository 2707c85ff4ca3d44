"""
Provide `snapshotter timestamp`: request the timestamp tokens that authorities still owe, and store
them beside their bundles.
"""

from datetime import datetime
from typing import Any

import click

from snapshotter.cli.object_id import BUNDLE_ID
from snapshotter.cli.options import store_option
from snapshotter.cli.output import print_hint, print_json, print_message, print_result
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.translation import tr

_WAIT_S = 30.0  # for another process that is asking


@click.command(
    epilog="""\b
Examples:
  snapshotter timestamp
  snapshotter timestamp --store s3://evidence/case-7 20261124t160642z-k3v4q2m7xw4c5b6d
"""
)
@click.argument("bundle_ids", nargs=-1, type=BUNDLE_ID, metavar="[BUNDLE-ID…]")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each token.")
@click.pass_context
def timestamp(
    ctx: click.Context, bundle_ids: tuple[str, ...], store: str | None, as_json: bool
) -> None:
    """
    Fetch owed timestamp tokens, and store them beside their bundles.

    Without BUNDLE-ID, tokens are fetched for all bundles of the store for which this machine has a
    reminder of an owed token. With BUNDLE-ID, tokens are fetched only for these bundles. Each
    capture also fetches owed tokens in the background.

    Exit codes: 0 no timestamp token is owed, 1 a reminder of an owed token or a bundle is invalid,
    30 a timestamp authority or the store did not answer.
    """
    from snapshotter.app.upkeep import late_tokens
    from snapshotter.app.wiring import upkeep as wiring_upkeep
    from snapshotter.formats.canonical_json import instant

    settings = ctx.obj.load(store=store or "")
    service = wiring_upkeep.token_service(settings, show_message=print_message)
    waiting: list[str] = []

    def report(bundle_id: str, authority: str, time: datetime | None) -> None:
        if time is None:
            waiting.append(bundle_id)
        if as_json:
            answer: dict[str, Any] = {
                "authority": authority,
                "bundle_id": bundle_id,
                "state": "granted" if time else "pending",
                "time": instant(time) if time else None,
            }
            print_json(answer)
        else:
            state = f"confirms {instant(time)}" if time else tr("gave no timestamp token")
            print_result(f"{bundle_id}: {authority} {state}")

    bundle_ids = BUNDLE_ID.resolve(service.store, bundle_ids)
    if bundle_ids:
        late_tokens.remember_missing(service, bundle_ids, wait_s=_WAIT_S)
    asked = late_tokens.request_owed_tokens(service, report, only=bundle_ids, wait_s=_WAIT_S)
    for bundle_id, name in asked.not_configured:
        print_message(
            tr(
                "{bundle_id}: a token of the timestamp authority {name} is owed, but the "
                "settings do not contain this timestamp authority",
                bundle_id=bundle_id,
                name=name,
            )
        )
    for problem in asked.problems:
        print_message(str(problem))
        print_hint(problem.hint)
    if asked.problems:
        # All others were asked for first. Worth another try alone only if nothing else is wrong.
        codes = {problem.exit_code for problem in asked.problems}
        kind = ServiceUnavailable if codes == {ServiceUnavailable.exit_code} else SnapshotterError
        raise kind(
            tr(
                "reminders of owed tokens that could not be handled: {count}. The messages "
                "above show the problems",
                count=len(asked.problems),
            )
        )
    if not asked.granted and not waiting and not asked.not_configured and not as_json:
        print_message(tr("no timestamp token is owed"))
    if waiting:
        raise ServiceUnavailable(
            tr("bundles that still lack a timestamp token: {count}", count=len(set(waiting))),
            hint=tr(
                "give the command again when the timestamp authorities answer:\n  snapshotter "
                "timestamp"
            ),
        )
