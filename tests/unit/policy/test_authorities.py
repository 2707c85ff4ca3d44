"""Certificate authorities that a capture trusts: what may be one, and who may bring one."""

from dataclasses import replace
from pathlib import Path

import pytest

from snapshotter.app import settings
from snapshotter.app.policies import configured_policy
from snapshotter.errors import PolicyRefused, SnapshotterError
from snapshotter.policy import load as policies
from snapshotter.policy.capture_decision import PolicyOverrides, decide
from snapshotter.policy.files import certificate_authorities, shipped_directory
from tests import tls

ROOT = shipped_directory() / "authorities" / "digicert.pem"


def test_a_file_of_authorities_becomes_a_part_of_the_decision() -> None:
    given = certificate_authorities(ROOT)
    decision = decide(policies.load("default"), PolicyOverrides(certificate_authorities=given))

    assert decision.certificate_authorities == given
    assert "BEGIN CERTIFICATE" in given[0]
    assert "certificate_authorities" in decision.policy_text


def test_what_is_no_authority_is_refused_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("hello")
    server = tls.Authority(tmp_path / "made").server(names=("a.example",))

    for path, why in (
        (tmp_path / "text.pem", "no certificate in PEM"),
        (server, "not that of a certificate authority"),
        (tmp_path / "none.pem", "cannot be read"),
    ):
        with pytest.raises(SnapshotterError, match=why) as caught:
            certificate_authorities(path)
        assert str(path) in caught.value.message


def test_a_job_brings_no_authority_that_its_worker_does_not_trust(tmp_path: Path) -> None:
    policy = tmp_path / "inside.toml"
    pem = certificate_authorities(ROOT)[0]
    policy.write_text(
        'schema = "snapshotter/policy@1"\nname = "inside"\nreason = "ours"\n[network]\n'
        f'reason = "ours"\ncertificate_authorities = ["""{pem}"""]\n'
    )
    here = settings.load(directory=tmp_path, environment={})

    with pytest.raises(PolicyRefused, match="trusts a private certificate authority"):
        configured_policy.policy_for(here, str(policy))

    own = replace(here, policy=str(policy))
    assert configured_policy.policy_for(own, str(policy)).network.certificate_authorities == (pem,)
    with pytest.raises(SnapshotterError, match="only the settings file"):
        configured_policy.configured_policy(here.with_policy(str(policy), found_in="a table"))
