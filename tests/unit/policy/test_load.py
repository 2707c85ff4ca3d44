"""Policies: strict, and written out so that a reader needs no defaults."""

import hashlib
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import SnapshotterError
from snapshotter.model.request import Threshold
from snapshotter.model.takedown import ConfirmRules
from snapshotter.policy import files
from snapshotter.policy import load as policies
from snapshotter.policy.capture_decision import PolicyOverrides, decide, monitoring
from snapshotter.policy.files import public_key, shipped_directory
from snapshotter.policy.load import load, load_effective
from snapshotter.policy.policy_toml import as_toml
from snapshotter.policy.tables import Policy


def _write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "p.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_default_policy_is_what_the_defaults_are() -> None:
    shipped = load("default")

    assert _without_reasons(shipped) == _without_reasons(Policy(name="default"))


def _without_reasons(policy: Policy) -> dict[str, Any]:
    def stripped(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: stripped(element) for key, element in value.items() if key != "reason"}
        return value

    found: dict[str, Any] = stripped(policy.as_dict())
    return found


def test_the_effective_policy_reads_back_as_itself() -> None:
    policy = load("default")

    assert Policy.read(tomllib.loads(as_toml(policy))) == policy


@pytest.mark.parametrize(
    "path", sorted(shipped_directory().glob("*.toml")), ids=lambda path: path.stem
)
def test_every_shipped_policy_is_named_as_its_file_and_gives_its_reason(path: Path) -> None:
    policy = load(path.stem)

    assert (policy.name, bool(policy.reason)) == (path.stem, True)
    assert Policy.read(tomllib.loads(as_toml(policy))) == policy


def test_policies_that_click_say_what_and_the_default_does_not() -> None:
    default, expanded = decide(load("default")), decide(load("expanded"))
    refused = decide(load("consent-refused"))

    assert (default.expand.enabled, default.consent.enabled) == (False, False)
    assert expanded.expand.enabled
    assert "展开" in expanded.expand.words
    assert (refused.consent.enabled, refused.consent.accept) == (True, False)
    assert "reject all" in refused.consent.reject_words


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_any_text_survives_being_written_out(text: str) -> None:
    policy = Policy(name="x", reason=text)

    assert tomllib.loads(as_toml(policy))["reason"] == text


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('name = "x"\ncolour = 1\n', "colour"),
        ('name = "x"\n[limits]\ntotal_s = 0\n', "limits.total_s"),
        ('name = "x"\n[limits]\nrequests = "many"\n', "limits.requests"),
        ('name = "x"\n[limits]\nrequests = true\n', "limits.requests"),
        ('name = "x"\n[browser]\nscale = 9\n', "browser.scale"),
        ('name = "X Y"\n', "name"),
        ("", "name"),
        ('name = "x"\n[network]\nallow = ["10.0.0.1/8"]\n', "network.allow"),
        ('name = "x"\n[network]\nallow = "10.0.0.0/8"\n', "network.allow"),
        ("= 1\n", "cannot be read"),
        ('name = "x"\nname = "y"\n', "cannot be read"),
    ],
)
def test_what_a_policy_gets_wrong_is_named(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(SnapshotterError, match=word.replace(".", r"\.")):
        load(_write(tmp_path, text))


def test_a_policy_longer_than_any_is_refused_and_not_cut(tmp_path: Path) -> None:
    """Cut after the limit, the rules behind it would be gone without a word."""
    text = 'name = "x"\n' + "#" * files.MAX_BYTES + "\n[require]\ntimestamps = 9\n"

    with pytest.raises(SnapshotterError, match="longer"):
        load(_write(tmp_path, text))


def test_a_policy_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SnapshotterError, match="cannot be read"):
        load(str(tmp_path / "none.toml"))
    with pytest.raises(SnapshotterError, match="the policy none does not exist") as caught:
        load("none")
    assert "default" in caught.value.hint


def test_options_stand_in_the_text_that_is_sealed() -> None:
    made = decide(
        load("default"),
        PolicyOverrides(
            browser="chromium", lock_days=30, lock_mode="COMPLIANCE", ignore_certificate_errors=True
        ),
    )

    sealed = tomllib.loads(made.policy_text)
    assert sealed["browser"]["kind"] == made.browser == "chromium"
    assert sealed["browser"]["ignore_certificate_errors"] is made.ignore_certificate_errors is True
    assert sealed["retention"]["days"] == made.retain_days == 30
    assert sealed["retention"]["mode"] == made.retain_mode == "COMPLIANCE"


def test_pictures_that_are_asked_for_stand_beside_those_of_the_policy(tmp_path: Path) -> None:
    text = 'name = "x"\n[pictures]\nviewports = ["tablet"]\nelements = ["h1"]\n'
    text += "inner_box = false\nfile_pixels = 2000000\npdf_s = 7\npdf_bytes = 9\n"

    made = decide(
        load(_write(tmp_path, text)),
        PolicyOverrides(viewports=("phone", "640x480@2"), elements=("h1", "p"), pdf=True),
    )

    wanted = made.pictures
    assert [viewport.name for viewport in wanted.viewports] == ["tablet", "phone", "640x480-2"]
    size = wanted.viewports[2]
    assert (size.width, size.height, size.scale, size.mobile) == (640, 480, 2, False)
    assert wanted.elements == ("h1", "p")
    assert (wanted.pdf, wanted.inner_box) == (True, False)
    assert (wanted.file_pixels, wanted.pdf_s, wanted.pdf_bytes) == (2_000_000, 7, 9)
    sealed = tomllib.loads(made.policy_text)["pictures"]
    assert sealed["viewports"] == ["tablet", "phone", "640x480@2"]
    assert sealed["pdf"] is True


@pytest.mark.parametrize("name", ["watch", "10x10", "1024x768@9", "99999x100", "-1x100", "../x"])
def test_a_window_that_is_none_is_told(name: str) -> None:
    with pytest.raises(SnapshotterError, match=r"pictures\.viewports[^:]*: [^:]* is no viewport"):
        decide(load("default"), PolicyOverrides(viewports=(name,)))


@pytest.mark.parametrize("days", [-1, 36_501])
def test_a_lock_that_no_policy_could_ask_for_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="days"):
        decide(load("default"), PolicyOverrides(lock_days=days))


def test_no_policy_can_ask_for_secrets_in_clear(tmp_path: Path) -> None:
    policy = load(_write(tmp_path, 'name = "x"\n[redact]\nheaders = ["X-Token"]\n'))

    assert decide(policy).redact_headers == {
        *("authorization", "cookie", "proxy-authorization", "set-cookie", "set-cookie2", "x-token"),
    }


def test_units_are_those_of_the_decision(tmp_path: Path) -> None:
    policy = load(
        _write(tmp_path, 'name = "x"\n[wait]\nquiet_ms = 500\n[scroll]\nstep_percent = 50\n')
    )

    made = decide(policy)

    assert (made.quiet_s, made.scroll_step) == (0.5, 0.5)
    assert made.limits.settle_s == 5
    assert made.media.honour_data_src


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("browser", 'kind = "/bin/sh"'),  # a policy is data: it starts no program
        ("browser", 'kind = "nope"'),
        ("browser", 'timezone = "Mars/Olympus"'),
        ("browser", 'locale = "not a locale"'),
        ("browser", "viewport_px = [-1, 900]"),
        ("browser", 'user_agent = "two\\nlines"'),
        ("limits", f"requests = {'9' * 5000}"),
        ("limits", "x = " + "[" * 3000 + "]" * 3000),
    ],
)
def test_a_value_without_meaning_is_a_sentence_before_anything_runs(
    tmp_path: Path, table: str, line: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'name = "mine"\n[{table}]\n{line}\n')

    with pytest.raises(SnapshotterError):
        load(str(path))


def test_a_browser_named_by_its_path_leaves_no_path_in_the_policys_text() -> None:
    decision = decide(load("default"), PolicyOverrides(browser="/opt/canary/chrome"))

    assert decision.browser == "/opt/canary/chrome"
    assert "canary" not in decision.policy_text


def test_a_browser_that_is_no_kind_and_no_path_is_refused() -> None:
    with pytest.raises(SnapshotterError, match="netscape is neither a kind of browser nor a path"):
        decide(load("default"), PolicyOverrides(browser="netscape"))


def test_networks_of_the_policy_and_of_the_command_are_opened_together_and_told() -> None:
    policy = Policy.read({"name": "x", "network": {"allow": ["10.1.0.0/16"]}})

    decision = decide(
        policy, PolicyOverrides(allow_networks=("127.0.0.1", " 10.1.0.0/16 ", "FD00::/8"))
    )

    assert decision.allow_networks == ("10.1.0.0/16", "127.0.0.1/32", "fd00::/8")
    told = tomllib.loads(decision.policy_text)["network"]["allow"]
    assert told == list(decision.allow_networks)
    assert decide(Policy(name="x")).allow_networks == ()


def _public_key(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def test_streams_are_kept_for_those_of_the_policy_and_of_the_command(tmp_path: Path) -> None:
    first, second = (_public_key(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
    policy = load(_write(tmp_path, f'name = "x"\n[streams]\nkeep_for = ["""\n\n{first}\n"""]\n'))

    decision = decide(policy, PolicyOverrides(keep_streams_for=[second, first]))

    assert decision.keep_streams_for == (first, second)
    assert tomllib.loads(decision.policy_text)["streams"]["keep_for"] == [first, second]
    assert decide(load("default")).keep_streams_for == ()


def test_keys_that_are_none_end_as_a_sentence(tmp_path: Path) -> None:
    weak = _public_key(rsa.generate_private_key(65537, 2048))

    with pytest.raises(SnapshotterError, match="3072") as caught:
        decide(load("default"), PolicyOverrides(keep_streams_for=[weak]))
    assert "keep-streams.md" in caught.value.hint
    with pytest.raises(SnapshotterError, match=r"streams\.keep_for.*not a public key"):
        load(_write(tmp_path, 'name = "x"\n[streams]\nkeep_for = ["court.pub"]\n'))
    with pytest.raises(SnapshotterError, match="cannot be read"):
        public_key(tmp_path / "none.pub")


def test_a_network_that_is_none_ends_as_a_sentence() -> None:
    with pytest.raises(SnapshotterError, match="the network is invalid"):
        decide(Policy(name="x"), PolicyOverrides(allow_networks=("everything",)))


def _family(tmp_path: Path, **policies_: str) -> Path:
    for name, text in policies_.items():
        (tmp_path / f"{name}.toml").write_text(f'name = "{name}"\n{text}', encoding="utf-8")
    return tmp_path


def test_a_policy_says_only_what_it_changes_of_its_parent(tmp_path: Path) -> None:
    _family(
        tmp_path,
        grand='[limits]\ntotal_s = 60\nrequests = 7\n[expand]\nwords = ["a"]\nenabled = true\n',
        parent='extends = "grand.toml"\n[limits]\nrequests = 8\n[takedown.confirm]\ntimes = 3\n',
        child='extends = "parent.toml"\nexpand.words = ["展开"]\ntakedown.confirm.after = "1h"\n',
    )

    found = load_effective(str(tmp_path / "child.toml"))

    policy = found.policy
    assert (policy.limits.total_s, policy.limits.requests) == (60, 8)
    assert (policy.expand.enabled, policy.expand.words) == (True, ("展开",))  # a list is replaced
    assert (policy.takedown.confirm.times, policy.takedown.confirm.after) == (3, "1h")
    assert found.origins["limits.total_s"] == "grand"
    assert found.origins["limits.requests"] == "parent"
    assert found.origins["takedown.confirm.after"] == "child"
    assert "limits.redirects" not in found.origins  # a default
    assert found.own == {"name", "expand.words", "takedown.confirm.after"}


def test_what_a_policy_was_made_from_stands_in_it_with_digests(tmp_path: Path) -> None:
    _family(tmp_path, parent="light = true\n", child='extends = "parent.toml"\n')

    policy = load(str(tmp_path / "child.toml"))

    digest = hashlib.sha256((tmp_path / "parent.toml").read_bytes()).hexdigest()
    assert [(parent.name, parent.sha256) for parent in policy.parents] == [("parent", digest)]
    sealed = tomllib.loads(decide(policy).policy_text)
    assert sealed["parents"] == [{"name": "parent", "sha256": digest}]
    assert "extends" not in sealed
    assert Policy.read(sealed).light is True


def test_what_a_policy_is_for_is_its_own_and_not_inherited(tmp_path: Path) -> None:
    _family(
        tmp_path,
        parent='reason = "a site"\nmatch.hosts = ["example.org"]\nwait.reason = "slow"\n',
        child='extends = "parent.toml"\n',
    )

    policy = load(str(tmp_path / "child.toml"))

    assert (policy.name, policy.reason, policy.match.hosts) == ("child", "", ())
    assert policy.wait.reason == "slow"


def test_a_parent_is_named_or_lies_beside_its_child(tmp_path: Path) -> None:
    _family(tmp_path, child='extends = "expanded"\n', lost='extends = "sub/none.toml"\n')

    assert load(str(tmp_path / "child.toml")).expand.enabled
    with pytest.raises(SnapshotterError, match=r"none\.toml cannot be read"):
        load(str(tmp_path / "lost.toml"))


def test_a_circle_of_parents_is_refused_and_told(tmp_path: Path) -> None:
    _family(
        tmp_path,
        a='extends = "b.toml"\n',
        b='extends = "c.toml"\n',
        c='extends = "./b.toml"\n',
    )

    with pytest.raises(SnapshotterError, match="a → b → c → b"):
        load(str(tmp_path / "a.toml"))


def test_a_chain_of_parents_has_an_end(tmp_path: Path) -> None:
    for number in range(policies.MOST_PARENTS + 2):
        (tmp_path / f"p{number}.toml").write_text(
            f'name = "p{number}"\nextends = "p{number + 1}.toml"\n'
        )

    with pytest.raises(SnapshotterError, match="more than 8 parents: p0 → p1"):
        load(str(tmp_path / "p0.toml"))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[limits]\ntotals = 9\n", "use the key limits.total_s, if you meant this key"),
        ("[limts]\ntotal_s = 9\n", "use the key limits, if you meant this key"),
        (
            "[takedown.confirm]\ntime = 3\n",
            "use the key takedown.confirm.times, if you meant this key",
        ),
        ("[browser]\nquiet_ms = 9\n", "use the key wait.quiet_ms, if you meant this key"),
        ('extend = "default"\n', "use the key extends, if you meant this key"),
        ("zzz = 1\n", "see docs/reference/policies.md, which lists every key"),
    ],
)
def test_a_key_that_is_none_is_told_with_the_one_that_was_meant(
    tmp_path: Path, text: str, hint: str
) -> None:
    with pytest.raises(SnapshotterError, match="no key with this name exists") as caught:
        load(_write(tmp_path, f'name = "x"\n{text}'))

    assert caught.value.hint == hint


def test_a_mistake_of_a_parent_names_the_parents_file(tmp_path: Path) -> None:
    _family(tmp_path, parent="[limits]\nrequests = 0\n", child='extends = "parent.toml"\n')

    with pytest.raises(SnapshotterError, match=r"parent\.toml: limits\.requests"):
        load(str(tmp_path / "child.toml"))


def test_a_light_check_does_not_have_to_meet_the_court_minimum_and_says_so() -> None:
    made = decide(load("default"), PolicyOverrides(light=True))

    sealed = tomllib.loads(made.policy_text)
    assert (made.light, made.require_court_minimum) == (True, False)
    assert (sealed["light"], sealed["require"]["court_minimum"]) == (True, False)


def test_what_monitoring_needs_is_read_from_the_policy(tmp_path: Path) -> None:
    text = """
name = "x"
thresholds = [{ unit = "reposts", at = 500, source = "a law" }]
[takedown]
control_url = "https://example.org/"
second_vantage = "abroad"
[takedown.confirm]
times = 3
after = "1h"
control = false
[monitor]
light = false
burst = "5m"
after_gone = [{ every = "1d", until = "2d" }, { every = "7d", until = "16d" }]
"""

    made = monitoring(load(_write(tmp_path, text)))

    assert made.confirm == ConfirmRules(
        times=3, after=timedelta(hours=1), control=False, vantage="abroad"
    )
    assert (made.control_url, made.second_vantage) == ("https://example.org/", "abroad")
    assert made.thresholds == (Threshold(unit="reposts", at=500, source="a law"),)
    assert (made.light, made.burst) == (False, timedelta(minutes=5))
    assert made.after_gone == tuple(timedelta(days=days) for days in (1, 2, 9, 16))


@pytest.mark.parametrize(
    "paces",
    ['[{ every = "1s", until = "1d" }]', '[{ every = "2d", until = "1d" }]',
     '[{ every = "60s", until = "9d" }]', '[{ every = "day", until = "1d" }]'],
)  # fmt: skip
def test_visits_that_nobody_could_make_are_refused(tmp_path: Path, paces: str) -> None:
    with pytest.raises(SnapshotterError, match=r"monitor\.after_gone"):
        load(_write(tmp_path, f'name = "x"\n[monitor]\nafter_gone = {paces}\n'))


def test_rules_of_ones_own_lie_beside_the_policy_and_leave_no_path(tmp_path: Path) -> None:
    text = 'schema = "snapshotter/takedown-rules@1"\nid = "our-forum"\nversion = "1.0"\n'
    text += 'hosts = ["forum.example"]\n'
    (tmp_path / "mine.toml").write_text(text)

    made = decide(load(_write(tmp_path, 'name = "x"\n[takedown]\nrules = ["mine.toml"]\n')))

    assert made.verdict.rules == ("our-forum",)
    assert made.verdict.rule_texts == (("our-forum", text),)
    assert str(tmp_path) not in made.policy_text
    assert tomllib.loads(made.policy_text)["takedown"]["rules"] == ["our-forum"]


def test_rules_that_are_not_there_are_told() -> None:
    policy = Policy.read({"name": "x", "takedown": {"rules": ["none"]}})

    with pytest.raises(SnapshotterError, match="the take-down rules none do not exist"):
        decide(policy)
