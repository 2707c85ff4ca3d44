"""
Check that the captures of an event are of the page, and of the account, that the event is about.

An address may lead to a page with another identity, and one capture of a page may name an
account that another does not. So identity and account are judged over all captures together.
"""

from collections.abc import Iterator, Sequence

from snapshotter.app.archive.observations import is_of_its_host
from snapshotter.app.takedown.event_captures import CaptureCheck
from snapshotter.model.finding import Code, Finding, Verdict
from snapshotter.model.takedown import ACCOUNT_KINDS, Takedown
from snapshotter.policy import page_identity
from snapshotter.translation import tr
from snapshotter.verify.takedown import EventCapture


def shown_identity(part: EventCapture, checks: dict[str, CaptureCheck]) -> tuple[str, str]:
    """Return the identity and the account of a capture, as all captures together show them."""
    check = checks[part.observation.bundle_id]
    stated = {other.stated for other in checks.values() if other.asked == check.asked} - {""}
    identity = stated.pop() if len(stated) == 1 else check.asked
    account = check.again.account if check.again is not None else ""
    return identity, account or page_identity.account_of_identity(identity)


def identity_findings(
    event: Takedown, parts: Sequence[EventCapture], checks: dict[str, CaptureCheck]
) -> Iterator[Finding]:
    """Yield the captures that are not of the page, or of the account, that the event is about."""
    of_account = event.kind in ACCOUNT_KINDS
    about = {event.identity}
    if of_account:  # its captures are of one page, and a control must be of another one
        about |= {
            shown_identity(part, checks)[0]
            for part in parts
            if part.role in ("last seen", "first gone")
        }
    for part in parts:
        check = checks[part.observation.bundle_id]
        if check.again is None:
            continue
        # Rules read from a page what it states about itself, and current rules may differ.
        is_open = check.by_today and (of_account or not check.is_final)
        for detail in _mismatches(event, part, parts, checks, about):
            yield _identity_finding(event, detail, is_open=is_open)


def _mismatches(
    event: Takedown,
    part: EventCapture,
    parts: Sequence[EventCapture],
    checks: dict[str, CaptureCheck],
    about: set[str],
) -> Iterator[str]:
    """Yield why a capture is not of the page or the account for which the event uses it."""
    said, check = part.observation, checks[part.observation.bundle_id]
    identity, account = shown_identity(part, checks)
    shown_account = f"the account {account}" if account else "no known account"
    if part.role.startswith(("address", "control")) and said.identity not in (
        identity,
        check.asked,
    ):
        yield tr(
            'the event records the page {stated} for the capture "{role}", which is a capture '
            "of the page {identity}",
            stated=said.identity,
            role=part.role,
            identity=identity,
        )
    if part.role.startswith("address"):
        others = [other for other in parts if not other.role.startswith("address")]
        are_here = all(checks[other.observation.bundle_id].again is not None for other in others)
        if are_here and not any(_is_of_one_page(part, other, checks) for other in others):
            yield tr(
                'the capture "{role}" is a capture of a page of which the event has no '
                "other capture",
                role=part.role,
            )
    elif part.role.startswith("control"):
        if identity in about:
            yield tr(
                'the capture "{role}" is a capture of the page of the event, not of another page',
                role=part.role,
            )
        elif part.report is not None and not is_of_its_host(part.report.established):
            yield tr('the capture "{role}" was redirected to another host', role=part.role)
    elif said.identity != identity:
        yield tr(
            'the event records the page {stated} for the capture "{role}", which is a capture '
            "of the page {identity}",
            stated=said.identity,
            role=part.role,
            identity=identity,
        )
    elif event.kind not in ACCOUNT_KINDS:
        if identity != event.identity:
            yield tr(
                'the capture "{role}" is a capture of the page {identity}',
                role=part.role,
                identity=identity,
            )
    elif said.account == event.identity:
        # The account of this page may be named only in another capture of the page.
        if known_accounts(part, parts, checks) != {event.identity}:
            yield tr(
                'the capture "{role}" shows {shown_account}',
                role=part.role,
                shown_account=shown_account,
            )
    elif account != event.identity:
        yield tr(
            'the capture "{role}" shows {shown_account}',
            role=part.role,
            shown_account=shown_account,
        )


def _identity_finding(event: Takedown, detail: str, *, is_open: bool) -> Finding:
    return Finding(
        check="identity",
        verdict=Verdict.INDETERMINATE if is_open else Verdict.FAILED,
        code=Code.IDENTITY,
        detail=tr(
            "the event is about {identity}, but {detail}", identity=event.identity, detail=detail
        )
        + (
            tr(". The bundle contains no rules, so the current rules were applied")
            if is_open
            else ""
        ),
    )


def _is_of_one_page(
    one: EventCapture, other: EventCapture, checks: dict[str, CaptureCheck]
) -> bool:
    """Return whether two captures requested one address, or are of one page."""
    first, second = (checks[part.observation.bundle_id] for part in (one, other))
    return (
        first.asked == second.asked
        or shown_identity(one, checks)[0] == shown_identity(other, checks)[0]
    )


def account_findings(
    event: Takedown, parts: Sequence[EventCapture], checks: dict[str, CaptureCheck]
) -> Iterator[Finding]:
    """Yield the captures for which the event names another account than the captures do."""
    for part in parts:
        said = part.observation.account
        if checks[part.observation.bundle_id].again is None:
            continue
        known = known_accounts(part, parts, checks)
        if said and known and said not in known:
            names = ", ".join(sorted(known))
            detail = tr(
                'the event states the account {said} for the capture "{role}". '
                "Accounts that the captures of the event show: {names}",
                said=said,
                role=part.role,
                names=names,
            )
            by_today = checks[part.observation.bundle_id].by_today
            yield _identity_finding(event, detail, is_open=by_today)


def known_accounts(
    part: EventCapture, parts: Sequence[EventCapture], checks: dict[str, CaptureCheck]
) -> set[str]:
    """Return the accounts named by the captures of a page and by its identity."""
    identity, account = shown_identity(part, checks)
    return {account, *_accounts_of(identity, parts, checks)} - {""}


def _accounts_of(
    identity: str, parts: Sequence[EventCapture], checks: dict[str, CaptureCheck]
) -> set[str]:
    return {
        account
        for part in parts
        for page, account in (shown_identity(part, checks),)
        if page == identity and checks[part.observation.bundle_id].again is not None
    }
