"""
Decide how one page is captured, from a policy and the options and settings that override it.

`decide` makes this decision; `monitoring` gives the settings that concern many captures of a page.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Literal

from snapshotter.errors import SnapshotterError
from snapshotter.formats.table import TableError
from snapshotter.model.request import (
    ConsentRules,
    Decision,
    ExpandRules,
    Limits,
    MaskRules,
    MediaRules,
    Monitoring,
    Pictures,
    ReadingRules,
    RedactRules,
    Threshold,
    VerdictRules,
    Viewport,
)
from snapshotter.model.takedown import ConfirmRules
from snapshotter.policy import site_readings
from snapshotter.policy.files import first_validation_mistake, network
from snapshotter.policy.policy_toml import as_toml
from snapshotter.policy.tables import (
    KINDS,
    PicturesTable,
    Policy,
    RetentionTable,
    Streams,
    offsets,
)
from snapshotter.policy.takedown_rules import load_rule_texts
from snapshotter.policy.times import parse_duration
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

# These are secrets by the standards that define them; no policy can ask for them in clear.
_ALWAYS_REDACTED = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie", "set-cookie2"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOverrides:
    """What options and settings change in a policy; an empty value changes nothing."""

    browser: str = ""  # "shell", "chromium" or the path of a binary
    lock_days: int | None = None  # instead of `retention.days`
    lock_mode: Literal["GOVERNANCE", "COMPLIANCE", ""] = ""  # instead of `retention.mode`
    ignore_certificate_errors: bool = False
    allow_networks: Sequence[str] = ()  # added: networks (CIDR) or single addresses
    viewports: tuple[str, ...] = ()  # added: names or sizes of windows
    elements: tuple[str, ...] = ()  # added: CSS selectors
    pdf: bool = False
    keep_streams_for: Sequence[str] = ()  # added: public keys in PEM
    certificate_authorities: Sequence[str] = ()  # added: certificates in PEM
    light: bool = False  # make a light check, which does not have to meet the court minimum


def decide(policy: Policy, overrides: PolicyOverrides = PolicyOverrides()) -> Decision:
    """
    Return every setting of one capture, and the effective policy as text.

    Raises:
        SnapshotterError: The browser is neither a kind nor a path; a network, a viewport or a
            public key is invalid; or a rule file cannot be read.
        ValueError: `lock_days` is not a number of days that a policy could have.
    """
    rule_texts = load_rule_texts(policy.takedown.rules)
    rule_ids = tuple(rules_id for rules_id, _ in rule_texts)
    effective = _override(policy, overrides).with_values(
        {"takedown": policy.takedown.with_values({"rules": rule_ids})}
    )
    return Decision(
        policy_name=effective.name,
        policy_text=as_toml(effective),
        browser=overrides.browser or effective.browser.kind,
        require_file_protection=effective.sandbox.files == "refuse",
        scroll_step=effective.scroll.step_percent / 100,
        segments=effective.scroll.segments,
        quiet_s=effective.wait.quiet_ms / 1000,
        media=MediaRules(**effective.media.settings()),
        expand=ExpandRules(**effective.expand.settings()),
        consent=ConsentRules(**effective.consent.settings()),
        mask=MaskRules(**effective.compare.mask.settings()),
        readings=_reading_rules(effective),
        pictures=Pictures(
            **effective.pictures.settings("viewports"),
            viewports=tuple(Viewport.named(name) for name in effective.pictures.viewports),
        ),
        limits=Limits(
            **effective.limits.settings(),
            settle_s=effective.wait.settle_s,
            scroll_steps=effective.scroll.steps,
        ),
        verdict=VerdictRules(
            rules=rule_ids,
            rule_texts=rule_texts,
            wall_grace_s=parse_duration(effective.wait.wall_grace).total_seconds(),
            reloads=effective.wait.reloads,
            main_regions=effective.main_region.selectors,
            main_characters=effective.main_region.min_characters,
        ),
        redact=_redact_rules(effective),
        redact_headers=redacted_headers(effective.redact.headers),
        keep_streams_for=effective.streams.keep_for,
        allow_networks=effective.network.allow,
        light=effective.light,
        **effective.browser.settings("kind"),
        **effective.network.settings("allow"),
        **effective.request.settings(),
        **effective.warn.settings(),
        **{f"require_{key}": value for key, value in effective.require.settings().items()},
        **{f"retain_{key}": value for key, value in effective.retention.settings().items()},
    )


def _override(policy: Policy, overrides: PolicyOverrides) -> Policy:
    if overrides.browser and overrides.browser not in KINDS and os.sep not in overrides.browser:
        raise SnapshotterError(
            tr("{browser} is neither a kind of browser nor a path", browser=overrides.browser),
            hint=tr("give shell, chromium, or the path of a browser binary"),
        )
    browser: dict[str, object] = {}
    if overrides.browser in KINDS:
        browser["kind"] = overrides.browser
    if overrides.ignore_certificate_errors:
        browser["ignore_certificate_errors"] = True
    allowed = dict.fromkeys((*policy.network.allow, *map(network, overrides.allow_networks)))
    authorities = dict.fromkeys(
        (*policy.network.certificate_authorities, *overrides.certificate_authorities)
    )
    retention = policy.retention
    changes: dict[str, object] = {
        "browser": policy.browser.with_values(browser),
        "network": policy.network.with_values(
            {"allow": tuple(allowed), "certificate_authorities": tuple(authorities)}
        ),
        "retention": RetentionTable(
            reason=retention.reason,
            days=retention.days if overrides.lock_days is None else overrides.lock_days,
            mode=overrides.lock_mode or retention.mode,
        ),
        "streams": _more_recipients(policy.streams, overrides.keep_streams_for),
    }
    if overrides.viewports or overrides.elements or overrides.pdf:
        changes["pictures"] = _more_pictures(policy.pictures, overrides)
    if overrides.light or policy.light:
        changes["light"] = True
        changes["require"] = policy.require.with_values({"court_minimum": False})
    return policy.with_values(changes)


def monitoring(policy: Policy) -> Monitoring:
    """Return the settings of a policy for many captures of one page."""
    confirm = policy.takedown.confirm
    return Monitoring(
        light=policy.monitor.light,
        confirm=ConfirmRules(
            times=confirm.times,
            after=parse_duration(confirm.after),
            control=confirm.control,
            vantage=policy.takedown.second_vantage,
        ),
        control_url=policy.takedown.control_url,
        second_vantage=policy.takedown.second_vantage,
        thresholds=tuple(Threshold(**threshold.settings()) for threshold in policy.thresholds),
        burst=parse_duration(policy.monitor.burst),
        after_gone=offsets(policy.monitor.after_gone),
        proof=policy.monitor.proof,
        proof_pdf=policy.monitor.proof_pdf,
    )


def redacted_headers(names: Iterable[str]) -> frozenset[str]:
    """
    Return the headers whose values are replaced, lowercase: those named and those always secret.
    """
    return frozenset(name.lower() for name in names) | _ALWAYS_REDACTED


def _redact_rules(policy: Policy) -> RedactRules:
    lists = {
        site.id: site.viewer_fields
        for site in site_readings.shipped_sites().sites
        if site.viewer_fields
    }
    for name in policy.redact.viewer_fields:
        if name not in lists:
            raise SnapshotterError(
                tr("the list of viewer fields {name} does not exist", name=name),
                hint=tr("give one of these lists: {lists}", lists=", ".join(sorted(lists))),
            )
    return RedactRules(
        url_params=policy.redact.url_params,
        viewer_fields=policy.redact.viewer_fields,
        viewer_names=tuple(
            dict.fromkeys(
                field.lower() for name in policy.redact.viewer_fields for field in lists[name]
            )
        ),
        mode=policy.redact.mode,
        identity=policy.redact.identity,
    )


def _reading_rules(policy: Policy) -> ReadingRules:
    known = site_readings.shipped_sites()
    return ReadingRules(
        **policy.extract.settings(),
        sites=known.sites,
        rules=((known.file.id, known.text),),
        files=(known.file,),
    )


def _more_pictures(table: PicturesTable, overrides: PolicyOverrides) -> PicturesTable:
    values = table.as_dict()
    values["viewports"] = (*table.viewports, *overrides.viewports)
    values["elements"] = tuple(dict.fromkeys((*table.elements, *overrides.elements)))
    values["pdf"] = table.pdf or overrides.pdf
    try:
        return PicturesTable.read(values)
    except TableError as error:
        raise SnapshotterError(
            tr(
                "pictures.{first_validation_mistake}",
                first_validation_mistake=first_validation_mistake(error),
            ),
            hint=tr("read docs/howto/pictures.md"),
        ) from error


def _more_recipients(table: Streams, keys: Sequence[str]) -> Streams:
    try:
        return Streams(reason=table.reason, keep_for=(*table.keep_for, *keys))
    except TableError as error:
        raise SnapshotterError(
            tr(
                "streams.{first_validation_mistake}",
                first_validation_mistake=first_validation_mistake(error),
            ),
            hint=tr("read docs/howto/keep-streams.md, which explains how to make a key"),
        ) from error
