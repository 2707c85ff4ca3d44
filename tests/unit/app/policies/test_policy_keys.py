"""No key of a policy is without effect: each changes what somebody does, and not only the text."""

import re
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from snapshotter.app.policies.visit_plan import VisitOptions, plan_from_options
from snapshotter.errors import SnapshotterError
from snapshotter.model.request import Decision
from snapshotter.policy.capture_decision import decide, monitoring
from snapshotter.policy.files import shipped_directory
from snapshotter.policy.load import EffectivePolicy, all_keys, load_effective, shipped_policy_names
from snapshotter.policy.policy_selection import pick
from snapshotter.policy.policy_toml import as_toml
from snapshotter.policy.tables import Policy
from snapshotter.seal import record
from tests import bundles

DOCS = Path(__file__).resolve().parents[4] / "docs/reference/policies.md"
_ROOT = (shipped_directory() / "authorities" / "digicert.pem").read_text(encoding="ascii")
_PEM = (
    ec.derive_private_key(7, ec.SECP256R1())
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)

# Said for people, or for whoever reads the file: they stand in the bundle, and change no capture.
_TEXT = {"schema", "reason", "parents", "parents.name", "parents.sha256"}

# Another value of each key than the default's; a second line is what has to be there besides.
_OTHER = """
name = "other"
light = true
match.hosts = ["example.org"]
match.urls = ["^https://example"]
browser.kind = "chromium"
browser.viewport_px = [800, 600]
browser.scale = 2
browser.locale = "de-DE"
browser.timezone = "Asia/Shanghai"
browser.user_agent = "x"
browser.ignore_certificate_errors = true
scroll.step_percent = 50
scroll.steps = 3
scroll.segments = 4
wait.quiet_ms = 300
wait.settle_s = 9
wait.wall_grace = "20s"
wait.reloads = 3
media.honour_data_src = false
media.lazy_attributes = ["data-later"]
media.placeholder_hashes = ["abababababababababababababababababababababababababababababababab"]
media.image_s = 6
media.wait_s = 16
expand.enabled = true
expand.at_most = 3
expand.words = ["more"]
expand.selectors = ["details"]
consent.enabled = true
consent.reject_selectors = ["#no"]
consent.reject_words = ["no"]
consent.close_words = ["x"]
consent.accept = true
consent.accept_selectors = ["#yes"]
consent.accept_words = ["yes"]
main_region.selectors = ["main"]
main_region.min_characters = 300
extract.counts = false
extract.dates = false
extract.qr = false
extract.links = false
takedown.rules = ["generic"]
takedown.control_url = "https://example.org/"
takedown.second_vantage = "abroad"
takedown.confirm.times = 3
takedown.confirm.after = "1h"
takedown.confirm.control = false
thresholds = [{ unit = "views", at = 5000, source = "a law" }]
thresholds.unit = [{ unit = "reads", at = 5000, source = "a law" }]
thresholds.at = [{ unit = "views", at = 5001, source = "a law" }]
thresholds.source = [{ unit = "views", at = 5000, source = "another law" }]
compare.mask.selectors = [".clock"]
compare.mask.patterns = ["[0-9]+ online"]
warn.clock_skew_s = 9
warn.divergence_percent = 9
pictures.viewports = ["phone"]
pictures.elements = ["h1"]
pictures.pdf = true
pictures.inner_box = false
pictures.recompress = "fast"
pictures.file_pixels = 2000000
pictures.pdf_s = 9
pictures.pdf_bytes = 9
limits.total_s = 60
limits.launch_s = 9
limits.navigate_s = 9
limits.unanswered_s = 9
limits.scroll_s = 9
limits.tile_s = 9
limits.mhtml_s = 9
limits.step_s = 9
limits.close_s = 9
limits.response_bytes = 9
limits.capture_bytes = 9
limits.memory_bytes = 300000000
limits.requests = 9
limits.redirects = 9
limits.dialogs = 9
limits.popups = 9
limits.height_px = 900
limits.tile_px = 900
network.allow = ["10.1.0.0/16"]
network.block_hosts = ["ads.example"]
network.require_proxy = true
browser.webgl = false
sandbox.files = "refuse"
network.certificate_authorities = ["ROOT"]
request.strip_params = ["uin"]
redact.mode = "drop"
redact.headers = ["x-token"]
redact.url_params = ["uin"]
redact.viewer_fields = ["wechat"]
redact.identity = "stop"
streams.keep_for = ["PEM"]
require.court_minimum = false
require.timestamps = 2
require.signatures = 2
require.log = true
retention.days = 9
retention.mode = "COMPLIANCE"
schedule.curve = "curve-news"
schedule.every = "2h"
schedule.cron = "@daily"
schedule.zone = "Asia/Shanghai"
schedule.start = "2027-05-27"
schedule.end = "2027-06-27"
schedule.jitter_percent = 3
schedule.quiet_hours = ["02:00-07:00"]
schedule.seasons = [{ from = "05-27", to = "06-10", factor = 0.5 }]
schedule.seasons.from = [{ from = "05-28", to = "06-10", factor = 0.5 }]
schedule.seasons.to = [{ from = "05-27", to = "06-11", factor = 0.5 }]
schedule.seasons.factor = [{ from = "05-27", to = "06-10", factor = 0.25 }]
monitor.light = true
monitor.proof = true
monitor.proof_pdf = false
monitor.burst = "5m"
monitor.after_gone = [{ every = "1d", until = "2d" }]
monitor.after_gone.every = [{ every = "2d", until = "2d" }]
monitor.after_gone.until = [{ every = "1d", until = "3d" }]
"""
# What stands in the policy before the key is changed, where that alone says little.
_BESIDE = {
    "thresholds.": 'thresholds = [{ unit = "views", at = 5000, source = "a law" }]',
    "schedule.jitter_percent": 'schedule.every = "1h"',
    "schedule.quiet_hours": 'schedule.every = "1h"',
    "schedule.seasons": 'schedule.every = "1h"',
    "schedule.seasons.": 'schedule.every = "1h"\n'
    'schedule.seasons = [{ from = "05-27", to = "06-10", factor = 0.5 }]',
    "schedule.zone": 'schedule.every = "1h"\nschedule.start = "2027-05-01"',
    "schedule.start": 'schedule.every = "1h"',
    "schedule.end": 'schedule.every = "1h"',
    "monitor.after_gone.": 'monitor.after_gone = [{ every = "1d", until = "2d" }]',
}
# What decides which pages are captured and when, and what is made of many captures of one page.
_NOT_OF_A_CAPTURE = (
    *("match.", "schedule.", "monitor.", "thresholds"),
    *("takedown.control_url", "takedown.second_vantage", "takedown.confirm."),
)
_SAMPLES = dict(line.split(" = ", 1) for line in _OTHER.strip().splitlines())


def _policy(text: str) -> Policy:
    raw = tomllib.loads(text)
    return Policy.read({"name": "base", **raw})


def _effect(policy: Policy, folder: Path) -> dict[str, Any]:
    """Return all that anybody reads of a policy, but for its text."""
    path = folder / f"{policy.name}.toml"
    path.write_text(as_toml(policy))
    try:
        plan = plan_from_options(VisitOptions(policy=str(path)))
    except SnapshotterError:
        plan = None  # it says nothing of when
    found = EffectivePolicy(policy=policy, path=path)
    return {
        "decision": replace(decide(policy), policy_text=""),
        "monitoring": monitoring(policy),
        "plan": plan,
        "picked": pick("https://example.org/", (found, load_effective("default"))).winner.name,
    }


def _base_of(key: str) -> str:
    beside = [text for beginning, text in _BESIDE.items() if key.startswith(beginning)]
    return beside[-1] if beside else ""


def _keys() -> list[str]:
    return [key for key in all_keys() if key not in _TEXT and not key.endswith(".reason")]


def test_every_key_is_tried() -> None:
    assert set(_keys()) == set(_SAMPLES)


def test_every_key_is_documented_with_its_table() -> None:
    text = DOCS.read_text(encoding="utf-8")
    words = {
        part for quoted in re.findall(r"`([a-z_.\[\]]+)`", text) for part in re.split(r"\W", quoted)
    }

    missing = {key for key in _keys() if not set(key.split(".")) <= words}

    assert missing == set()


def test_every_shipped_policy_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")

    assert [name for name in shipped_policy_names() if f"\n- `{name}`" not in text] == []


def _before_and_after(key: str) -> tuple[Policy, Policy]:
    """Return a policy without a value for the key, and the same policy with one."""
    base = _base_of(key)
    value = _SAMPLES[key].replace('["PEM"]', f'["""{_PEM}"""]')
    value = value.replace('["ROOT"]', f'["""{_ROOT}"""]')
    changed = key
    for listed in ("thresholds", "schedule.seasons", "monitor.after_gone"):
        if key.startswith(f"{listed}."):  # of the tables in a list: the list is what is changed
            changed = listed
    rest = "\n".join(line for line in base.splitlines() if not line.startswith(f"{changed} ="))

    return _policy(base), _policy(f"{rest}\n{changed} = {value}\n")


@pytest.mark.parametrize("key", _keys())
def test_a_key_changes_what_somebody_does(key: str, tmp_path: Path) -> None:
    before, after = _before_and_after(key)

    assert _effect(before, tmp_path) != _effect(after, tmp_path)


def test_each_setting_of_a_capture_arrives_in_the_decision_and_in_the_record(
    tmp_path: Path,
) -> None:
    capture = bundles.capture(tmp_path, at=datetime(2026, 1, 2, tzinfo=UTC))
    for key in _keys():
        if key.startswith(_NOT_OF_A_CAPTURE):
            continue
        before, after = (
            replace(decide(policy), policy_text="") for policy in _before_and_after(key)
        )

        assert before != after, key
        assert record.content(capture, before, ()) != record.content(capture, after, ()), key


def test_a_decision_without_a_policy_has_the_defaults_of_the_tables() -> None:
    shipped = decide(Policy(name="x"))
    bare = Decision(policy_name="x", policy_text=shipped.policy_text)

    assert shipped == replace(
        bare,
        verdict=replace(
            bare.verdict, rules=shipped.verdict.rules, rule_texts=shipped.verdict.rule_texts
        ),
        readings=shipped.readings,
    )
