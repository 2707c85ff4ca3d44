"""What is shipped for running it, read by the tools of those who run it."""

import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools import ROOT, python_tool
from tests.unit.test_deployment import understood

pytestmark = pytest.mark.interop

CHART = ROOT / "deploy/helm/snapshotter"
# In .venv-tools: lints, renders, and checks each manifest against its schema.
_RENDER = """
import json, sys
import kubernetes_validate, yaml
from helm_python import Chart, lint
given = json.load(sys.stdin)
report = lint(given["chart"], given["values"], strict=True)
said = report["errors"] + [it["error"] for it in report["messages"] if it["severity"] > 1]
if said:
    sys.exit("; ".join(said))
with Chart.load(given["chart"]) as chart:
    rendered = chart.render(values=given["values"], name="news", namespace="evidence")
made = [it for name, text in rendered.items() if name.endswith(".yaml")
        for it in yaml.safe_load_all(text) if it]
for it in made:
    for version in ("1.27", "1.33"):
        kubernetes_validate.validate(it, version, strict=True)
json.dump(made, sys.stdout)
"""
_LEAST = {"queue": {"url": "postgresql://snapshotter@db/jobs"}, "store": {"url": "s3://evidence"}}
_ALL = {
    "workers": 3,
    "image": {"repository": "registry.example/snapshotter", "digest": "sha256:" + "0" * 64},
    "queue": {"url": "postgresql://snapshotter@db/jobs?sslmode=require", "passwordSecret": "q"},
    "store": {"url": "s3://evidence/news", "endpoint": "https://s3.example", "region": "x",
              "credentialsSecret": "c"},
    "keys": {"secret": "k"},
    "config": 'operator = "Example"\n',
    "seccomp": {"install": True},
    "networkPolicy": {
        "inside": [{"to": [{"ipBlock": {"cidr": "10.20.0.5/32"}}], "ports": [{"port": 5432}]}],
        "metricsFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}],
    },
    "extraArgs": ["--attempts=5"],
    "tolerations": [{"operator": "Exists"}],
    "nodeSelector": {"disk": "fast"},
    "podAnnotations": {"a": "b"},
}  # fmt: skip


def ran(*command: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, input=given, capture_output=True, text=True, check=False, timeout=60
    )


def render(values: dict[str, Any], chart: Path = CHART) -> "subprocess.CompletedProcess[str]":
    python_tool("kubernetes-validate")
    given = json.dumps({"chart": str(chart), "values": values})
    return ran(python_tool("python"), "-c", _RENDER, given=given)


@cache
def manifests(*, whole: bool) -> tuple[dict[str, Any], ...]:
    """What the chart makes of the least values, or of all of them."""
    done = render(_ALL if whole else _LEAST)
    assert done.returncode == 0, done.stderr
    return tuple(json.loads(done.stdout))


def one(kind: str, *, whole: bool) -> dict[str, Any]:
    (only,) = (manifest for manifest in manifests(whole=whole) if manifest["kind"] == kind)
    return only


def pod(*, whole: bool) -> dict[str, Any]:
    spec: dict[str, Any] = one("StatefulSet", whole=whole)["spec"]["template"]["spec"]
    return spec


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    done = ran(python_tool("hadolint"), "Dockerfile")

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("whole", [False, True])
def test_the_chart_renders_to_what_kubernetes_takes(whole: bool) -> None:
    kinds = {manifest["kind"] for manifest in manifests(whole=whole)}

    assert {"StatefulSet", "NetworkPolicy", "PodDisruptionBudget", "Service"} <= kinds
    assert ("DaemonSet" in kinds) is whole


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "queue.url"),
        ({"queue": {"url": "postgresql://db/jobs"}}, "store.url"),
        ({"queue": {"url": "sqlite:////q.db"}, "store": {"url": "s3://e"}}, "PostgreSQL"),
        ({**_LEAST, "worker": 3}, "worker"),  # a key that does not exist
        ({**_LEAST, "store": {"url": "/evidence"}}, "store"),
    ],
)
def test_a_chart_that_could_not_work_is_not_installed(values: dict[str, Any], says: str) -> None:
    done = render(values)

    assert done.returncode != 0
    assert says in done.stderr


@pytest.mark.parametrize("whole", [False, True])
def test_workers_have_no_right_and_their_browsers_a_sandbox(whole: bool) -> None:
    held = pod(whole=whole)

    assert held["securityContext"]["runAsNonRoot"] is True
    assert held["securityContext"]["seccompProfile"] == {
        "type": "Localhost", "localhostProfile": "snapshotter/snapshotter.json",
    }  # fmt: skip
    assert held["automountServiceAccountToken"] is False
    for container in (*held["containers"], *held.get("initContainers", [])):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    shm = next(volume for volume in held["volumes"] if volume["name"] == "shm")
    assert shm["emptyDir"]["medium"] == "Memory"


def test_workers_are_started_as_the_command_line_has_it() -> None:
    (container,) = pod(whole=True)["containers"]

    understood(*container["args"])
    assert container["args"][-1] == "--attempts=5"
    paths = {container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness")}
    assert paths == {"/healthz"}
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_secrets_are_files_that_somebody_else_made() -> None:
    text = json.dumps(manifests(whole=True))
    environment = {
        variable["name"]: variable["value"] for variable in pod(whole=True)["containers"][0]["env"]
    }

    assert '"kind": "Secret"' not in text
    assert environment["SNAPSHOTTER_QUEUE"] == (
        "postgresql://snapshotter@db/jobs?sslmode=require&password_file=/secrets/queue/password"
    )
    assert environment["AWS_SHARED_CREDENTIALS_FILE"] == "/secrets/store/credentials"


def test_the_profile_that_is_put_on_nodes_is_the_one_that_is_tried() -> None:
    (profile,) = (
        manifest["data"]["profile.json"]
        for manifest in manifests(whole=True)
        if manifest["kind"] == "ConfigMap" and "profile.json" in manifest["data"]
    )

    assert json.loads(profile) == json.loads((ROOT / "deploy/seccomp/snapshotter.json").read_text())


def test_a_worker_reaches_names_the_web_what_is_named_and_nothing_that_is_private() -> None:
    policy = one("NetworkPolicy", whole=True)["spec"]
    names, inside, pages = policy["egress"]

    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert {port["port"] for port in names["ports"]} == {53}
    assert inside["to"] == [{"ipBlock": {"cidr": "10.20.0.5/32"}}]
    assert {port["port"] for port in pages["ports"]} == {80, 443}
    everywhere, sixth = (peer["ipBlock"] for peer in pages["to"])
    assert {"10.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10"} <= set(everywhere["except"])
    assert sixth["cidr"] == "2000::/3"
    assert {"2001::/23", "2002::/16"} <= set(sixth["except"])
    assert one("NetworkPolicy", whole=False)["spec"]["ingress"] == []


def test_the_settings_of_the_chart_are_toml_as_they_were_given() -> None:
    (settings,) = (
        manifest["data"]["snapshotter.toml"]
        for manifest in manifests(whole=True)
        if manifest["kind"] == "ConfigMap" and "snapshotter.toml" in manifest["data"]
    )

    assert settings.strip() == 'operator = "Example"'
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["config"] == ""


UNITS = [
    path
    for path in sorted((ROOT / "deploy/systemd").rglob("*.*"))
    if path.suffix in {".service", ".timer"}
]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_every_line_of_the_units(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here: this system has no systemd")
    for path in unit.parent.glob("*.*"):
        # The program is not where it will be.
        text = re.sub(r"(?m)^ExecStart=.*", "ExecStart=/bin/true", path.read_text())
        (tmp_path / path.name.replace("@.", "@1.")).write_text(text)
    user = ["--user"] if unit.parent.name == "user" else []

    done = subprocess.run(
        ["systemd-analyze", *user, "verify", tmp_path / unit.name.replace("@.", "@1.")],
        env={"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
