"""What is shipped for running it: files that no compiler reads, held to what they must say."""

import json
import re
import subprocess
from functools import cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from snapshotter.cli.main import cli
from snapshotter.egress import addresses

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"

# Flags as in the manual of clone, section 2.
_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC = 0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000
_NEWUSER, _NEWPID, _NEWNET = 0x1000_0000, 0x2000_0000, 0x4000_0000
_NEWTIME = 0x80
_SIGCHLD = 17
# Each of these has been a way out of containers, or is one by design.
_NEVER = {
    *("mount", "umount2", "move_mount", "open_tree", "fsopen", "fsmount", "pivot_root", "setns"),
    *("bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp"),
    *("keyctl", "add_key", "request_key", "open_by_handle_at", "name_to_handle_at"),
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot"),
    *("swapon", "swapoff", "acct", "quotactl", "syslog", "iopl", "ioperm", "modify_ldt"),
    *("clock_settime", "settimeofday", "sethostname", "setdomainname", "personality", "vhangup"),
}


@cache
def seccomp() -> dict[str, Any]:
    value: dict[str, Any] = json.loads((DEPLOY / "seccomp/snapshotter.json").read_text())
    return value


def allows(name: str, *arguments: int) -> bool:
    """Whether the profile lets this call through, as seccomp(2) would judge it."""
    assert seccomp()["defaultAction"] == "SCMP_ACT_ERRNO"
    return any(
        name in rule["names"] and all(_fits(test, arguments) for test in rule.get("args", []))
        for rule in seccomp()["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW"
    )


def _fits(condition: dict[str, Any], arguments: tuple[int, ...]) -> bool:
    value = arguments[condition["index"]]
    if condition["op"] == "SCMP_CMP_MASKED_EQ":
        return bool(value & condition["value"] == condition["valueTwo"])
    assert condition["op"] == "SCMP_CMP_EQ"
    return bool(value == condition["value"])


def test_the_seccomp_profile_lets_chromium_make_its_sandbox() -> None:
    assert allows("clone", _NEWUSER | _NEWPID | _NEWNET | _SIGCHLD)
    assert allows("unshare", _NEWUSER | _NEWNET)
    assert allows("chroot")
    assert allows("seccomp")


def test_the_seccomp_profile_lets_landlock_keep_files_from_the_browser() -> None:
    """Mounts are refused in the image, and Landlock is what is left for that."""
    steps = ("create_ruleset", "add_rule", "restrict_self")
    assert [step for step in steps if not allows(f"landlock_{step}")] == []


def test_the_seccomp_profile_lets_nobody_make_namespaces_that_the_sandbox_does_not_need() -> None:
    for flag in (_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC):
        assert not allows("clone", _NEWUSER | flag | _SIGCHLD), hex(flag)
        assert not allows("unshare", _NEWUSER | flag), hex(flag)
    assert not allows("unshare", _NEWUSER | _NEWTIME)
    assert not allows("clone3")  # its flags can not be seen


def test_the_seccomp_profile_allows_no_call_that_containers_are_left_by() -> None:
    assert {name for name in _NEVER if allows(name)} == set()


def test_sockets_are_of_the_families_that_a_capture_needs() -> None:
    allowed = {family for family in range(64) if allows("socket", family, 0)}

    assert allowed == {1, 2, 10, 16}  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK


def test_the_seccomp_profile_has_only_what_every_container_runtime_reads() -> None:
    """containerd reads the OCI's fields alone and passes over Docker's own without a word."""
    for rule in seccomp()["syscalls"]:
        assert set(rule) <= {"comment", "names", "action", "errnoRet", "args"}
    assert set(seccomp()) == {"defaultAction", "defaultErrnoRet", "syscalls"}


def test_the_image_has_the_fonts_that_set_up_installs() -> None:
    """Two machines with other fonts photograph one page differently."""
    named = re.search(r'apt-get:fonts\) echo "([^"]+)"', (ROOT / "scripts/common.sh").read_text())
    assert named is not None

    assert set(named[1].split()) - set((ROOT / "Dockerfile").read_text().split()) == set()


def test_what_goes_into_the_image_is_named_and_all_else_stays_out() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.M)

    assert rules[0] == "*"
    assert {name for line in copied for name in line.split()} == {
        rule.removeprefix("!") for rule in rules if rule.startswith("!")
    }


def test_images_and_actions_of_others_are_named_by_their_digest() -> None:
    """A tag can be moved to other bytes; a digest cannot."""
    workflows = (ROOT / ".github/workflows").glob("*.yml")
    actions = [
        action
        for workflow in workflows
        for action in re.findall(r"uses: (\S+)", workflow.read_text())
    ]
    bases = re.findall(r"^ARG BASE=(\S+)", (ROOT / "Dockerfile").read_text(), re.M)
    images = [
        service["image"] for service in compose()["services"].values() if "build" not in service
    ]

    assert actions
    assert [
        action for action in actions if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)
    ] == []
    assert len(bases) == 1
    assert len(images) == 2
    assert [
        base for base in bases + images if not re.search(r":[\w.-]+@sha256:[0-9a-f]{64}", base)
    ] == []


# Compose


@cache
def compose() -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return value


def ours() -> dict[str, dict[str, Any]]:
    """The services that run our image."""
    found = {name: service for name, service in compose()["services"].items() if "build" in service}
    assert len(found) >= 3
    return found


def test_every_container_of_ours_is_held_as_the_image_check_holds_it() -> None:
    for name, service in ours().items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert set(service["security_opt"]) == {
            "no-new-privileges:true",
            "seccomp=deploy/seccomp/snapshotter.json",
        }, name
        assert not {"privileged", "cap_add", "user", "devices", "pid"} & set(service), name


def test_workers_share_what_one_machine_keeps_and_nothing_that_is_in_progress() -> None:
    workers = {name: service for name, service in ours().items() if name.startswith("worker-")}
    places = [
        dict(volume.split(":")[::-1] for volume in worker["volumes"]) for worker in workers.values()
    ]

    assert len(workers) == 2
    assert {place["/var/lib/snapshotter"] for place in places} == {"data"}
    assert len({place["/var/spool/snapshotter"] for place in places}) == len(workers)
    assert len({worker["hostname"] for worker in workers.values()}) == len(workers)
    assert all(worker["shm_size"] == "1gb" for worker in workers.values())


def test_no_secret_of_compose_stands_in_a_variable() -> None:
    text = (ROOT / "compose.yaml").read_text()

    assert not re.search(r"(?i)(password|secret|access_key)\w*: *(?!/run/secrets/)[\w$\"']", text)
    assert set(compose()["secrets"]) == {"queue-password", "s3-credentials", "s3-server"}
    for file in (service["file"] for service in compose()["secrets"].values()):
        assert file.startswith("${SECRETS:-./secrets}/")


def test_the_database_can_not_be_reached_from_outside_and_seaweedfs_only_comes_when_asked_for() -> (
    None
):
    services, networks = compose()["services"], compose()["networks"]

    assert networks["inside"] == {"internal": True}
    for name in ("postgres", "seaweedfs"):
        assert services[name]["networks"] == ["inside"]
        assert "ports" not in services[name]
    assert services["seaweedfs"]["profiles"] == services["bucket"]["profiles"] == ["try"]


def test_secrets_are_made_once_readable_inside_and_in_a_folder_of_ones_own(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"

    def make() -> dict[str, str]:
        subprocess.run(
            [DEPLOY / "compose/secrets.sh", folder], check=True, capture_output=True, timeout=30
        )
        return {path.name: path.read_text() for path in folder.iterdir()}

    made = make()

    assert make() == made
    assert folder.stat().st_mode & 0o777 == 0o700
    assert set(made) == {"queue-password", "s3-credentials", "s3-server.json"}
    assert re.fullmatch(r"[0-9a-f]{48}", made["queue-password"])
    (identity,) = json.loads(made["s3-server.json"])["identities"]
    for secret in identity["credentials"][0].values():
        assert re.fullmatch(r"[0-9a-f]{48}", secret)
        assert secret in made["s3-credentials"]


# What is called


def understood(*arguments: str) -> None:
    """Parse a command line of ours without running it; raises click's usage error."""
    command: click.Command = cli
    context = click.Context(command)
    rest = list(arguments)
    while isinstance(command, click.Group) and rest:
        inner = command.get_command(context, rest[0])
        if inner is None:
            break
        command, context = inner, click.Context(inner, parent=context)
        rest = rest[1:]
    command.parse_args(context, rest)


def test_compose_starts_workers_as_the_command_line_has_it() -> None:
    workers = [service["command"] for name, service in ours().items() if name.startswith("worker-")]

    assert len(workers) == 2
    for command in workers:
        understood(*(re.sub(r"\$\{\w+:-(\w+)\}", r"\1", word) for word in command))


def test_units_start_what_the_command_line_has() -> None:
    started = [
        line.partition("/snapshotter ")[2].split()
        for unit in (DEPLOY / "systemd").rglob("*.service")
        for line in unit.read_text().splitlines()
        if line.startswith("ExecStart=")
    ]

    assert len(started) == 3
    for words in started:
        understood(*words)
    with pytest.raises(click.UsageError):
        understood("worker", "--no-such-option")


def test_the_chart_closes_the_networks_that_the_product_refuses_and_no_other() -> None:
    pages = yaml.safe_load((DEPLOY / "helm/snapshotter/values.yaml").read_text())
    shut = pages["networkPolicy"]["pages"]
    fourth = [IPv4Network(network) for network in shut["except"]]
    sixth = [IPv6Network(network) for network in shut["exceptIPv6"]]

    refused = {network for network, _ in addresses._REFUSED_V4}
    named = {IPv4Network(network) for network in addresses._METADATA if ":" not in network}
    assert [*collapse_addresses(fourth)] == [*collapse_addresses(refused | named)]
    public = addresses._GLOBAL_UNICAST
    within = {net for net, _ in addresses._REFUSED_V6 if net.subnet_of(public)}
    # 6to4 is refused by the IPv4 address in it, which a policy cannot look at.
    assert set(sixth) == {*within, addresses._6TO4}
    shut_off: list[addresses.Network] = [*fourth, *sixth]
    for network in shut_off:
        if network != addresses._6TO4:
            assert addresses.address_refusal(str(network[0]))
            assert addresses.address_refusal(str(network[-1]))
    closed = ("2002:a00:1::1", "2001:0:a00:1::1", "2001:db8::1", "3fff::1", "168.63.129.16")
    for address in map(ip_address, closed):
        assert addresses.address_refusal(str(address))
        assert any(address in network for network in shut_off), address
    # Closed by the policy because they lie outside of what it opens.
    for outside in ("64:ff9b::a00:1", "64:ff9b:1::1", "fc00::1", "fe80::1", "100::1", "5f00::1"):
        assert addresses.address_refusal(outside)
        assert ip_address(outside) not in public
