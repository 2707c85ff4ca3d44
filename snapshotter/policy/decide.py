"""What a policy, the options of a command and the settings make of one capture."""

import os
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import ValidationError

from snapshotter.errors import SnapshotterError
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
from snapshotter.policy.takedown_rules import load_rules
from snapshotter.policy.times import parse_duration

# These are secrets by the standards that define them; no policy can ask for them in clear.
_ALWAYS_REDACTED = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie", "set-cookie2"}
)


def decide(
    policy: Policy,
    *,
    browser: str = "",
    lock_days: int | None = None,
    lock_mode: Literal["GOVERNANCE", "COMPLIANCE", ""] = "",
    ignore_certificate_errors: bool = False,
    allow_networks: Sequence[str] = (),
    viewports: tuple[str, ...] = (),
    elements: tuple[str, ...] = (),
    pdf: bool = False,
    keep_streams_for: Sequence[str] = (),
    certificate_authorities: Sequence[str] = (),
    light: bool = False,
) -> Decision:
    """
    Return every setting of one capture, and the effective policy as text.

    Args:
        browser: Instead of the policy's: "shell", "chromium" or the path of a binary.
        lock_days: Instead of the policy's `retention.days`.
        lock_mode: Instead of the policy's `retention.mode`.
        ignore_certificate_errors: Go on where a certificate is bad, and record it.
        allow_networks: In addition to the policy's: networks (CIDR) or single addresses.
        viewports: Names or sizes of windows, beside the policy's.
        elements: CSS selectors, beside the policy's.
        pdf: Print the page too.
        keep_streams_for: Public keys in PEM, beside the policy's.
        certificate_authorities: Certificates in PEM, beside the policy's.
        light: Make a light check, which does not have to meet the court minimum.

    Raises:
        SnapshotterError: `browser` is neither a kind nor a path; a network, a viewport or a
            public key is none; or a file of rules can not be read.
        ValueError: `lock_days` is not a number of days that a policy could have.
    """
    if browser and browser not in KINDS and os.sep not in browser:
        raise SnapshotterError(
            f"{browser} is no kind of browser", hint="shell, chromium, or the path of a binary"
        )
    table: dict[str, object] = {}
    if browser in KINDS:
        table["kind"] = browser
    if ignore_certificate_errors:
        table["ignore_certificate_errors"] = True
    changes: dict[str, object] = {"browser": policy.browser.model_copy(update=table)}
    if lock_days is not None or lock_mode:
        changes["retention"] = RetentionTable(
            reason=policy.retention.reason,
            days=policy.retention.days if lock_days is None else lock_days,
            mode=lock_mode or policy.retention.mode,
        )
    way = policy.network
    if allow_networks:
        allowed = dict.fromkeys((*way.allow, *map(network, allow_networks)))
        way = way.model_copy(update={"allow": tuple(allowed)})
    if certificate_authorities:
        known = dict.fromkeys((*way.certificate_authorities, *certificate_authorities))
        way = way.model_copy(update={"certificate_authorities": tuple(known)})
    if way is not policy.network:
        changes["network"] = way
    if viewports or elements or pdf:
        changes["pictures"] = _more_pictures(policy.pictures, viewports, elements, pdf)
    if keep_streams_for:
        changes["streams"] = _more_recipients(policy.streams, keep_streams_for)
    if light or policy.light:
        changes["light"] = True
        changes["require"] = policy.require.model_copy(update={"court_minimum": False})
    rules = tuple(
        (rule_set.file.id, rule_set.text) for rule_set in load_rules(policy.takedown.rules)
    )
    changes["takedown"] = policy.takedown.model_copy(
        update={"rules": tuple(rule for rule, _ in rules)}
    )
    effective = policy.model_copy(update=changes)
    limits = effective.limits.model_dump(exclude={"reason"})
    return Decision(
        policy_name=effective.name,
        policy_text=as_toml(effective),
        browser=browser or effective.browser.kind,
        viewport_px=effective.browser.viewport_px,
        scale=effective.browser.scale,
        locale=effective.browser.locale,
        timezone=effective.browser.timezone,
        user_agent=effective.browser.user_agent,
        ignore_certificate_errors=effective.browser.ignore_certificate_errors,
        webgl=effective.browser.webgl,
        require_file_protection=effective.sandbox.files == "refuse",
        scroll_step=effective.scroll.step_percent / 100,
        segments=effective.scroll.segments,
        quiet_s=effective.wait.quiet_ms / 1000,
        media=MediaRules(**effective.media.model_dump(exclude={"reason"})),
        expand=ExpandRules(**effective.expand.model_dump(exclude={"reason"})),
        consent=ConsentRules(**effective.consent.model_dump(exclude={"reason"})),
        pictures=Pictures(
            **effective.pictures.model_dump(exclude={"reason", "viewports"}),
            viewports=tuple(Viewport.named(name) for name in effective.pictures.viewports),
        ),
        limits=Limits(
            **limits, settle_s=effective.wait.settle_s, scroll_steps=effective.scroll.steps
        ),
        redact_headers=redacted_headers(effective.redact.headers),
        redact=_redact_rules(effective),
        keep_streams_for=effective.streams.keep_for,
        allow_networks=effective.network.allow,
        block_hosts=effective.network.block_hosts,
        require_proxy=effective.network.require_proxy,
        certificate_authorities=effective.network.certificate_authorities,
        strip_params=effective.request.strip_params,
        clock_skew_s=effective.warn.clock_skew_s,
        divergence_percent=effective.warn.divergence_percent,
        verdict=VerdictRules(
            rules=effective.takedown.rules,
            rule_texts=rules,
            wall_grace_s=parse_duration(effective.wait.wall_grace).total_seconds(),
            reloads=effective.wait.reloads,
            main_regions=effective.main_region.selectors,
            main_characters=effective.main_region.min_characters,
        ),
        readings=_reading_rules(effective),
        mask=MaskRules(**effective.compare.mask.model_dump(exclude={"reason"})),
        light=effective.light,
        require_court_minimum=effective.require.court_minimum,
        require_timestamps=effective.require.timestamps,
        require_signatures=effective.require.signatures,
        require_log=effective.require.log,
        retain_days=effective.retention.days,
        retain_mode=effective.retention.mode,
    )


def monitoring(policy: Policy) -> Monitoring:
    """Return what a policy makes of many captures of one page."""
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
        thresholds=tuple(
            Threshold(**threshold.model_dump(exclude={"reason"})) for threshold in policy.thresholds
        ),
        burst=parse_duration(policy.monitor.burst),
        after_gone=offsets(policy.monitor.after_gone),
        proof=policy.monitor.proof,
        proof_pdf=policy.monitor.proof_pdf,
    )


def redacted_headers(names: Iterable[str]) -> frozenset[str]:
    """Return the headers whose values are replaced, lowercase: those named, and the standards'."""
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
                f"there is no list of viewer fields called {name}",
                hint=f"one of {', '.join(sorted(lists))}",
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
        **policy.extract.model_dump(exclude={"reason"}),
        sites=known.sites,
        rules=((known.file.id, known.text),),
        files=(known.file,),
    )


def _more_pictures(
    table: PicturesTable, viewports: tuple[str, ...], elements: tuple[str, ...], pdf: bool
) -> PicturesTable:
    values = table.model_dump()
    values["viewports"] = (*table.viewports, *viewports)
    values["elements"] = tuple(dict.fromkeys((*table.elements, *elements)))
    values["pdf"] = table.pdf or pdf
    try:
        return PicturesTable.model_validate(values)
    except ValidationError as error:
        raise SnapshotterError(
            f"pictures.{first_validation_mistake(error)}", hint="docs/howto/pictures.md"
        ) from error


def _more_recipients(table: Streams, keys: Sequence[str]) -> Streams:
    try:
        return Streams(reason=table.reason, keep_for=(*table.keep_for, *keys))
    except ValidationError as error:
        raise SnapshotterError(
            f"streams.{first_validation_mistake(error)}",
            hint="docs/howto/keep-streams.md says how to make a key",
        ) from error
