"""Return the fields about how a page was captured."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from snapshotter.app.archive.reports.capture.evidence import POLICY, Evidence
from snapshotter.app.archive.reports.capture.record_fields import as_kind
from snapshotter.model import sentences
from snapshotter.model.capture_report import (
    Column,
    Field,
    Kind,
    Table,
    Value,
)
from snapshotter.report.capture_page import ACTION_WORDS, STEP_STATES
from snapshotter.translation import tr


def how_items(of: Evidence) -> Iterator[Field | Table]:
    """Yield the fields of the group `how`."""
    record = of.record
    for key, term, pointer, kind in (
        ("software", tr("Software"), "/software", Kind.TEXT),
        ("build", tr("Digest of the software"), "/how/environment/build_sha256", Kind.DIGEST),
        ("browser", tr("Browser"), "/how/environment/browser_product", Kind.TEXT),
        ("browser_revision", tr("Revision of the browser"), "/how/environment/browser_revision",
         Kind.TEXT),
        ("browser_sha256", tr("SHA-256 of the browser"), "/how/environment/browser_sha256",
         Kind.DIGEST),
        ("browser_arguments", tr("Arguments of the browser"),
         "/how/environment/browser_arguments", Kind.LINES),
        ("os", tr("Operating system"), "/how/environment/os", Kind.TEXT),
        ("kernel", tr("Kernel"), "/how/environment/kernel", Kind.TEXT),
        ("architecture", tr("Architecture"), "/how/environment/architecture", Kind.TEXT),
        ("python", tr("Python"), "/how/environment/python", Kind.TEXT),
        ("playwright", tr("Playwright"), "/how/environment/playwright", Kind.TEXT),
        ("image_digest", tr("Digest of the container image"), "/how/environment/image_digest",
         Kind.DIGEST),
        ("sandbox_enforced", tr("The browser had a sandbox"),
         "/how/environment/sandbox/enforced", Kind.FLAG),
        ("sandbox_detail", tr("Sandbox"), "/how/environment/sandbox/detail", Kind.TEXT),
        ("scale", tr("Device pixels of a CSS pixel"), "/how/settings/scale", Kind.NUMBER),
        ("user_agent", tr("User agent"), "/how/environment/user_agent", Kind.TEXT),
        ("fonts_sha256", tr("SHA-256 of the list of fonts"), "/how/environment/fonts_sha256",
         Kind.DIGEST),
        ("fonts_count", tr("Number of fonts"), "/how/environment/fonts_count", Kind.NUMBER),
        ("light", tr("Light check"), "/how/settings/light", Kind.FLAG),
        ("policy", tr("Policy"), "/how/policy/name", Kind.TEXT),
        ("policy_version", tr("Version of the policy"), "/how/policy/version", Kind.TEXT),
        ("policy_why", tr("Why this policy"), "/how/policy/why", Kind.TEXT),
    ):  # fmt: skip
        yield record.field(key, term, pointer, kind)
    window = as_kind(record.at("/how/settings/viewport_px"), Kind.LINES)
    yield of.found("window", tr("Width and height of the window, CSS pixels"),
                   " × ".join(window) if isinstance(window, tuple) else None,
                   record.file, pointer="/how/settings/viewport_px",
                   basis=of.stated)  # fmt: skip
    yield record.field("policy_sha256", tr("SHA-256 of the policy"), "/how/policy/sha256",
                       Kind.DIGEST,
                       basis=of.stated if POLICY in of.withheld_files else of.checked)  # fmt: skip
    yield of.found("policy_text", tr("Text of the policy"), of.policy, POLICY, kind=Kind.BLOCK,
                   basis=of.stated)  # fmt: skip
    yield record.table(
        "actions", tr("Actions on the page"), "/how/actions",
        (
            (Column(key="at", term=tr("Time"), kind=Kind.INSTANT), "at"),
            (Column(key="action", term=tr("Action")), _action),
            (Column(key="detail", term=tr("Details")), "detail"),
            (Column(key="text_before", term=tr("Characters before"), kind=Kind.NUMBER),
             lambda item: _change(item, "text_before")),
            (Column(key="text_after", term=tr("Characters after"), kind=Kind.NUMBER),
             lambda item: _change(item, "text_after")),
        ),
        empty=tr("The software did no action on the page."),
        note=tr(
            "The characters before and after are the length of the page's text before and after "
            "the action."
        ),
    )  # fmt: skip
    yield record.table(
        "steps", tr("Steps of the capture"), "/how/steps",
        (
            (Column(key="name", term=tr("Step")), _step),
            (Column(key="state", term=tr("Result")), _step_state),
            (Column(key="started_at", term=tr("Began"), kind=Kind.INSTANT), "started_at"),
            (Column(key="duration_ms", term=tr("Duration"), kind=Kind.MILLISECONDS),
             "duration_ms"),
            (Column(key="detail", term=tr("Details")), "detail"),
        ),
        empty=tr("The record states no step."),
    )  # fmt: skip
    yield record.table(
        "waits", tr("Waits for the page"), "/content/settlings",
        (
            (Column(key="at", term=tr("Time"), kind=Kind.INSTANT), "at"),
            (Column(key="duration_ms", term=tr("Duration"), kind=Kind.MILLISECONDS),
             "duration_ms"),
            (Column(key="how", term=tr("Why the wait ended")), "how"),
            (Column(key="meaning", term=tr("Meaning"), under="how"),
             lambda item: _WAIT_ENDS.get(str(item.get("how")))),
        ),
        empty=tr("The record states no wait."),
    )  # fmt: skip
    for key, term in (
        ("steps", tr("Scroll steps")), ("height", tr("Height of the scrolled part, CSS pixels"))
    ):  # fmt: skip
        yield record.field(f"scroll_{key}", term, f"/content/scrolling/{key}", Kind.NUMBER)
    stopped = record.field("scroll_stopped", tr("Why scrolling ended"),
                           "/content/scrolling/stopped")  # fmt: skip
    yield replace(stopped, note=_SCROLL_ENDS.get(str(stopped.value), ""))
    yield record.table(
        "failed_requests", tr("Requests that were blocked or failed"), "/content/failed_requests",
        (
            (Column(key="url", term=tr("Address"), kind=Kind.ADDRESS), "url"),
            (Column(key="resource_type", term=tr("Type")), "resource_type"),
            (Column(key="error", term=tr("Reason")), "error"),
        ),
        empty=tr("No request was blocked, and none failed."),
    )  # fmt: skip


# docs/spec/capture-record.md, `content.settlings`
_WAIT_ENDS: Final[Mapping[str, str]] = {
    "nothing-pending": tr("the page announced nothing for the next 3 seconds"),
    "observed": tr("the page did not change for 1 second"),
    "cap": tr("the time limit was reached"),
    "went-on": tr("the page opened another document, or did not answer"),
    "scripts-stopped": tr("the scripts of the page were stopped"),
}
_SCROLL_ENDS: Final[Mapping[str, str]] = {
    "bottom": tr("The end of the page was reached."),
    "steps": tr("The limit of scroll steps was reached."),
    "time": tr("The time limit was reached."),
    "height": tr("The limit of the height was reached."),
    "blocked": tr("The page did not scroll any further."),
}


def _action(item: Mapping[str, Any]) -> Value:
    kind = item.get("kind")
    if not isinstance(kind, str):
        return as_kind(kind, Kind.TEXT)
    return ACTION_WORDS.get(kind, kind.replace("-", " "))


def _change(item: Mapping[str, Any], name: str) -> Value:
    change = item.get("change")
    return as_kind(change.get(name), Kind.NUMBER) if isinstance(change, Mapping) else None


def _step(item: Mapping[str, Any]) -> Value:
    name = item.get("name")
    return (sentences.step_name(name) or name) if isinstance(name, str) else None


def _step_state(item: Mapping[str, Any]) -> Value:
    state = item.get("state")
    return STEP_STATES[state][0] if isinstance(state, str) and state in STEP_STATES else None
