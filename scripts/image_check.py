"""
Capture a page inside the container image, as tightly held as we say it can be, and verify outside.

    .venv/bin/python scripts/image_check.py --image localhost/snapshotter [--engine podman]

`make image-check` builds the image first. The page and the timestamp authority are the
tests' own, on loopback, which the container shares; nothing else is asked. It shows that the
browser has its sandbox and its own network in a container without rights, on a read-only
file system; that the same image without our seccomp profile refuses, instead of going on
without a sandbox; and that the profile allows no more namespaces than the sandbox needs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.servers.authority import TestAuthority  # noqa: E402  the line above finds these
from tests.servers.site import Site  # noqa: E402

PROFILE = ROOT / "deploy/seccomp/snapshotter.json"
_USER = 10001  # of the image
_POLICY_REFUSED = 20  # docs/reference/exit-codes.md
_LIMIT_S = 300  # for one container
# What compose.yaml, the chart and the units ask for, too.
_HELD = (
    *("--read-only", "--tmpfs", "/tmp:size=2g", "--cap-drop", "ALL"),  # noqa: S108  its own
    *("--security-opt", "no-new-privileges", "--shm-size", "1g"),
)
# CLONE_NEWUSER with CLONE_NEWNS, in which file systems could be mounted; AF_ALG, AF_PACKET.
_TRIES = """
import os, socket
for flags in (0x10000000 | 0x00020000, 0x10000000 | 0x08000000):
    try:
        os.unshare(flags)
    except OSError as error:
        print("refused", hex(flags), error.strerror)
    else:
        raise SystemExit(f"namespaces {flags:#x} were made")
for family in (38, 17):
    try:
        socket.socket(family, socket.SOCK_SEQPACKET if family == 38 else socket.SOCK_RAW)
    except OSError as error:
        print("refused", family, error.strerror)
    else:
        raise SystemExit(f"a socket of family {family} was made")
os.unshare(0x10000000 | 0x40000000)
print("user and network: allowed, uid", os.getuid())
"""

_JOBS = 3


class Wrong(Exception):
    """Something is not as it has to be."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folders that a container gets, below one that is removed at the end."""

    root: Path

    def make(self, authority: TestAuthority) -> None:
        """Make them, owned by the image's user, with the settings that name the authority."""
        for name in ("data", "spool", "evidence", "settings"):
            (self.root / name).mkdir()
            os.chown(self.root / name, _USER, _USER)
        (self.root / "settings/root.pem").write_bytes(authority.root_pem)
        (self.root / "settings/snapshotter.toml").write_text(
            'allow_networks = ["127.0.0.0/8"]\n'
            f'[[authority]]\nname = "tests"\nurl = "{authority.url()}"\nroot = "root.pem"\n'
        )

    @property
    def volumes(self) -> list[str]:
        """Options for all of them."""
        return [
            *("-v", f"{self.root}/data:/var/lib/snapshotter"),
            *("-v", f"{self.root}/spool:/var/spool/snapshotter"),
            *("-v", f"{self.root}/evidence:/evidence"),
            *("-v", f"{self.root}/settings:/etc/snapshotter:ro"),
            *("-e", "SNAPSHOTTER_CONFIG=/etc/snapshotter/snapshotter.toml"),
        ]

    def bundles(self) -> list[Path]:
        """What was stored."""
        return sorted((self.root / "evidence/captures").glob("bundles/**/*.wacz"))


@dataclass(frozen=True, slots=True)
class Image:
    """The image, and how to run it."""

    engine: str
    name: str
    place: Place

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the engine's to its end."""
        podman = self.engine.endswith("podman")
        before = ["--log-level", "error", "--runtime", "runc"] if podman else []
        return subprocess.run(
            [self.engine, *before, *arguments],
            capture_output=True, text=True, timeout=_LIMIT_S, check=False,
        )  # fmt: skip

    def run(
        self, *arguments: str, profile: bool = True, entrypoint: str = "", name: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the image to its end; with a name, start it and leave it running."""
        command = [
            *("run", "--network", "host"),
            *(["--detach", "--name", name] if name else ["--rm"]),
            *("--ulimit", "nofile=20000:20000", "--ulimit", "nproc=10000:10000"),
            *_HELD,
            *(["--security-opt", f"seccomp={PROFILE}"] if profile else []),
            *self.place.volumes,
            *(["--entrypoint", entrypoint] if entrypoint else []),
            *(self.name, *arguments),
        ]
        return self.ask(*command)


def main() -> int:
    """Run all of it; 0 when everything is as it has to be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", required=True, help="name of the image to check")
    parser.add_argument("--engine", default="podman", help="podman or docker")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        TestAuthority(Path(folder) / "authority") as authority,
        Site() as site,
    ):
        root = Path(folder) / "container"
        root.mkdir()
        os.chmod(folder, 0o711)  # noqa: S103  the image's user has to come by
        place = Place(root)
        place.make(authority)
        image = Image(options.engine, options.image, place)
        try:
            holds_nothing_back(image)
            refuses_without_its_sandbox(image, site)
            bundle = captures(image, site)
            verifies(image, bundle, authority, Path(folder))
            works(image, site)
        except Wrong as error:
            print(f"image-check: {error}", file=sys.stderr)
            return 1
    print("image-check: everything is as it has to be")
    return 0


def holds_nothing_back(image: Image) -> None:
    """The profile lets the sandbox be, and nothing that would reach further into the kernel."""
    ran = image.run("-c", _TRIES, entrypoint="/usr/bin/python3")
    if ran.returncode:
        raise Wrong(f"the seccomp profile: {ran.stdout}{ran.stderr}")
    print("image-check: the profile:", "; ".join(ran.stdout.splitlines()))


def refuses_without_its_sandbox(image: Image, site: Site) -> None:
    """Where the engine's own profile forbids the sandbox, a capture ends, and says why."""
    ran = image.run("capture", "--quiet", site.url("/"), profile=False)
    if ran.returncode == 0:
        # An engine whose profile allows user namespaces: then the sandbox has to be there.
        (bundle,) = image.place.bundles()
        sandbox = _environment(bundle)["sandbox"]
        if not sandbox["enforced"]:
            raise Wrong(f"captured without a sandbox, and nobody allowed that: {sandbox}")
        bundle.unlink()
        return
    if ran.returncode != _POLICY_REFUSED or image.place.bundles():
        raise Wrong(f"without the profile: exit code {ran.returncode}: {ran.stderr}")
    why = [line for line in ran.stderr.splitlines() if "without its sandbox" in line]
    print("image-check: without the profile:", *why)


def captures(image: Image, site: Site) -> Path:
    """Capture a page with everything that the bundle needs; return the bundle."""
    started = time.perf_counter()
    ran = image.run("capture", "--json", "--quiet", site.url("/"))
    took = time.perf_counter() - started
    if ran.returncode:
        raise Wrong(f"the capture ended in {ran.returncode}: {ran.stdout}{ran.stderr}")
    said = json.loads(ran.stdout)
    (bundle,) = image.place.bundles()
    environment = _environment(bundle)
    if said["outcome"] != "complete" or not environment["sandbox"]["enforced"]:
        raise Wrong(f"{said['outcome']}, sandbox: {environment['sandbox']}")
    processes = environment["sandbox"]["processes"]
    if open_to := [
        process["type"] for process in processes if process["files"] in ("none", "unknown")
    ]:
        raise Wrong(f"files of the container are open to {', '.join(open_to)}")
    if bundle.stat().st_uid != _USER:
        raise Wrong(f"the bundle belongs to user {bundle.stat().st_uid}")
    print(
        f"image-check: captured in {took:.1f} s with the container's start: {said['outcome']}, "
        f"{bundle.stat().st_size:,} bytes; {environment['browser_product']}; "
        f"sandbox: {environment['sandbox']['detail']}; "
        f"files: {', '.join(sorted({process['files'] for process in processes}))}"
    )
    return bundle


def verifies(image: Image, bundle: Path, authority: TestAuthority, folder: Path) -> None:
    """Somebody outside, with the public key, the authority's root and nothing else, verifies it."""
    exported = image.run("keys", "export", "default")
    if exported.returncode:
        raise Wrong(f"keys export: {exported.stderr}")
    public, trust, root = folder / "key.pem", folder / "trust.json", folder / "root.pem"
    public.write_text(exported.stdout)
    root.write_bytes(authority.root_pem)
    _outside(folder, "trust", "init", str(trust))
    _outside(folder, "trust", "add-key", str(trust), str(public), "--owner", "container")
    _outside(folder, "trust", "add-tsa", str(trust), "--name", "tests", "--root", str(root))
    pin = json.loads(_outside(folder, "trust", "show", str(trust), "--json"))["root_key_id"]
    said = _outside(folder, "verify", "--trust", str(trust), "--root-key", pin, str(bundle))
    print("image-check: outside:", next(line for line in said.splitlines() if "PASSED" in line))


def works(image: Image, site: Site) -> None:
    """A worker, as compose.yaml starts it, does what others hand over, and ends when it is told."""
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["worker-1"]
    command = [word.replace("${CONCURRENCY:-2}", "2") for word in compose["command"]]
    before, name = len(image.place.bundles()), f"snapshotter-check-{os.getpid()}"
    started = image.run(*command, name=name)
    try:
        if started.returncode:
            raise Wrong(f"the worker did not start: {started.stderr}")
        urls = [site.url(f"/inner?{number}") for number in range(_JOBS)]
        begun = time.monotonic()
        done = image.run("capture", "--enqueue", "--wait", "--json", *urls)
        took = time.monotonic() - begun
        if done.returncode or len(image.place.bundles()) != before + _JOBS:
            said = f"{done.stdout}{done.stderr}{image.ask('logs', name).stderr}"
            raise Wrong(f"the worker did not do its work ({done.returncode}): {said}")
        healthy = image.ask("exec", name, *compose["healthcheck"]["test"][1:])
        if healthy.returncode:
            raise Wrong(f"the health check of a worker that works: {healthy.stderr}")
        image.ask("stop", "--time", "150", name)
        code = image.ask("inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip()
        if code != "0":
            raise Wrong(f"told to stop, it ended in {code}: {image.ask('logs', name).stderr}")
    finally:
        image.ask("rm", "--force", name)
    print(f"image-check: a worker captured {_JOBS} pages in {took:.1f} s, was healthy, and ended")


def _outside(folder: Path, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "snapshotter", *arguments],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT),
            "SNAPSHOTTER_DATA_DIR": str(folder / "own"),
        },
        capture_output=True, text=True, timeout=_LIMIT_S, check=False,
    )  # fmt: skip
    if ran.returncode:
        raise Wrong(f"{arguments[0]} ended in {ran.returncode}: {ran.stdout}{ran.stderr}")
    return ran.stdout


def _environment(bundle: Path) -> dict[str, Any]:
    ran = subprocess.run(
        ["unzip", "-p", str(bundle), "capture/capture.json"],
        capture_output=True, timeout=_LIMIT_S, check=True,
    )  # fmt: skip
    value: dict[str, Any] = json.loads(ran.stdout)["how"]["environment"]
    return value


if __name__ == "__main__":
    sys.exit(main())
