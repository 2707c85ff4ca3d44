"""
Check that the captures of a campaign report are of the pages and accounts that it states.

This is a part of step (3) of `campaign_verification.py`. Identity and account are judged over all
captures of the report together, and by the index of the store if it is at hand.
"""

from collections.abc import Iterator

from snapshotter.app.archive.observations import ObservationSource, is_of_its_host
from snapshotter.app.takedown.campaign_captures import CaptureChecks
from snapshotter.app.takedown.rederivation import Rederivation
from snapshotter.model.campaign import WatchedPage
from snapshotter.model.finding import Code, Finding
from snapshotter.model.takedown import Observation
from snapshotter.policy import page_identity
from snapshotter.translation import tr


class PageChecks:
    """Checks of the pages and accounts that captures are of, over all captures of a report."""

    def __init__(
        self, found: CaptureChecks, by: Rederivation, source: ObservationSource | None
    ) -> None:
        self._found = found
        self._rules = by.rules
        self._source = source  # its index has captures that the report does not name
        self._stated: dict[str, set[str]] = {}
        self._resolved: dict[str, set[str]] = {}
        for asked, shown in found.page_identities.values():
            self._stated.setdefault(asked, set()).update({shown} - {""})

    def findings(self, page: WatchedPage) -> Iterator[Finding]:
        """Yield the findings about a page, its captures and its controls."""
        yield from self._address(page)
        asked_for = {
            self._found.page_identities[capture.bundle_id][0]
            for capture in page.captures
            if capture.bundle_id in self._found.page_identities
        }
        for asked in sorted(asked_for):
            if page.identity not in (asked, *self._identities(asked)):
                detail = tr(
                    "the report counts a capture of another page, {asked}, for {url}",
                    asked=asked,
                    url=page.url,
                )
                yield Finding.failed("pages", Code.IDENTITY, detail)
        for control in page.controls:
            asked = self._found.page_identities.get(control.bundle_id, ("", ""))[0]
            if asked and (asked == page.identity or asked in asked_for):
                detail = tr(
                    "the control capture for {url} shows this page instead of another page",
                    url=page.url,
                )
                yield Finding.failed("pages", Code.IDENTITY, detail)
        for capture in (*page.captures, *page.controls):
            if capture.bundle_id in self._found.derived:
                yield from self._identity(capture)
        known = {self._account(capture) for capture in page.captures} - {""}
        for capture in page.captures:
            yield from self._account_of(capture, known)
        for control in page.controls:
            yield from self._account_of(control, {self._account(control)} - {""})
            facts = self._found.established.get(control.bundle_id)
            if facts is not None and not is_of_its_host(facts):
                what = tr(
                    "this control capture was redirected to another host. New reports do "
                    "not count such captures"
                )
                self._found.notes.setdefault(what, []).append(control.bundle_id)

    def _address(self, page: WatchedPage) -> Iterator[Finding]:
        """Compare the address of a page with its identity."""
        try:
            asked = page_identity.page_identity(page.url, self._rules)
        except ValueError as error:
            yield Finding.failed(
                "pages",
                Code.IDENTITY,
                tr(
                    "no page identity can be derived from the address of {identity}: {error}",
                    identity=page.identity,
                    error=error,
                ),
            )
            return
        if page.identity in (asked.key, *self._identities(asked.key)):
            if page.captures and page.url not in {observation.url for observation in page.captures}:
                what = "no capture requested this address of the page"
                self._found.notes.setdefault(what, []).append(page.url)
            return
        detail = tr(
            "the page identity of the address {url} is {key}, not {identity}",
            url=page.url,
            key=asked.key,
            identity=page.identity,
        )
        # Such an address leads to no other page.
        if asked.is_number or page.identity.startswith("//"):
            yield Finding.failed("pages", Code.IDENTITY, detail)
        else:
            yield Finding.indeterminate(
                "pages",
                Code.IDENTITY,
                tr(
                    "{detail}. Only captures that were not found could show that the report is "
                    "correct",
                    detail=detail,
                ),
            )

    def _identities(self, asked: str) -> set[str]:
        """Return the identities of the page behind an address, by these captures and the store."""
        if asked not in self._resolved:
            led = self._stated.get(asked, set())
            known = {next(iter(led)) if len(led) == 1 else asked}
            stored = {self._source.index.resolved(asked)} if self._source is not None else set()
            self._resolved[asked] = known | stored
        return self._resolved[asked]

    def _identity(self, observation: Observation) -> Iterator[Finding]:
        asked = self._found.page_identities[observation.bundle_id][0]
        if observation.identity in (asked, *self._identities(asked)):
            return
        detail = tr(
            "{bundle_id} is a capture of {asked}, not of {identity}",
            bundle_id=observation.bundle_id,
            asked=asked,
            identity=observation.identity,
        )
        if asked.startswith("wechat-short:"):  # only a capture shows where such an address leads
            yield Finding.indeterminate(
                "pages",
                Code.IDENTITY,
                tr(
                    "{detail}. Only captures that were not found could show that the report is "
                    "correct",
                    detail=detail,
                ),
            )
        else:
            yield Finding.failed("pages", Code.IDENTITY, detail)

    def _account(self, observation: Observation) -> str:
        made = self._found.derived.get(observation.bundle_id)
        if made is None:
            return ""
        asked = self._found.page_identities[observation.bundle_id][0]
        led = sorted(filter(None, map(page_identity.account_of_identity, self._identities(asked))))
        return made.account or (led[0] if led else "")

    def _account_of(self, observation: Observation, known: set[str]) -> Iterator[Finding]:
        if observation.bundle_id not in self._found.derived:
            return
        names = ", ".join(sorted(known))
        if not observation.account and known:
            what = tr(
                "the report states no account for this capture. Accounts that the "
                "bundles show: {names}",
                names=names,
            )
            self._found.notes.setdefault(what, []).append(observation.bundle_id)
        elif observation.account and not known:
            self._found.unconfirmed.setdefault("account", []).append(observation.bundle_id)
        elif observation.account and observation.account not in known:
            detail = tr(
                "the report states the account {account} for {bundle_id}. Accounts that "
                "the bundles show: {names}",
                account=observation.account,
                bundle_id=observation.bundle_id,
                names=names,
            )
            if observation.bundle_id in self._found.without_rules:
                yield Finding.indeterminate(
                    "pages",
                    Code.IDENTITY,
                    tr(
                        "{detail}. The bundle contains no rules, so the current rules were applied",
                        detail=detail,
                    ),
                )
            else:
                yield Finding.failed("pages", Code.IDENTITY, detail)
