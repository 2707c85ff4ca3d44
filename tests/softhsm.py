"""A token in software (SoftHSM) with keys on it: PKCS#11 as a real module speaks it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tools import system_tool

PIN = "2468"
_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib/pkcs11/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
# A process of its own: a module is set up once in a process, for whichever tokens are there.
_MAKE = """
import sys
import pkcs11
from pkcs11 import Attribute, KeyType
from pkcs11.util.ec import encode_named_curve_parameters
module, token, pin, *keys = sys.argv[1:]
with pkcs11.lib(module).get_token(token_label=token).open(user_pin=pin, rw=True) as session:
    for text in keys:
        label, curve, id = text.split(",")
        parameters = session.create_domain_parameters(
            KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True
        )
        parameters.generate_keypair(store=True, label=label, id=bytes.fromhex(id))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token, its module, and the file with its PIN."""

    module: str
    label: str
    pin_file: Path
    environment: dict[str, str]

    def reference(self, query: str = "", **attributes: str) -> str:
        """Return the reference to a key on it; more attributes of the path by their names."""
        attributes = {"token": self.label, **attributes}
        path = ";".join(f"{name}={value}" for name, value in attributes.items())
        return f"pkcs11:{path}?module-path={self.module}&{query or f'pin-source={self.pin_file}'}"

    def remove_key(self, label: str) -> None:
        """Delete both halves of a key, as somebody else would: from another process."""
        program = (
            "import sys, pkcs11; "
            "s = pkcs11.lib(sys.argv[1]).get_token(token_label=sys.argv[2])"
            ".open(user_pin=sys.argv[3], rw=True); "
            "[it.destroy() for it in list(s.get_objects({pkcs11.Attribute.LABEL: sys.argv[4]}))]"
        )
        _python(program, self.module, self.label, PIN, label, environment=self.environment)

    def add_key(self, label: str, curve: str = "secp384r1", id: str = "01") -> None:
        """Make a key pair, from another process."""
        _python(
            _MAKE, self.module, self.label, PIN, f"{label},{curve},{id}",
            environment=self.environment,
        )  # fmt: skip


def module() -> str:
    """Return the path of SoftHSM's module, or skip."""
    system_tool("softhsm2-util")
    found = next((module for module in _MODULES if Path(module).is_file()), None)
    if found is None:
        pytest.skip("SoftHSM's module is not where distributions put it: make setup-test")
    return found


def make(folder: Path, *labels: str) -> tuple[Token, ...]:
    """
    Make tokens in `folder`, and point this process's SoftHSM to them.

    A module reads its configuration and its tokens once in a process: so this is called once
    in a test run (the fixture `tokens`), for all that there will be.
    """
    library = module()
    (folder / "tokens").mkdir()
    file = folder / "softhsm2.conf"
    file.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(file)
    environment = dict(os.environ)
    found = []
    for label in labels:
        subprocess.run(
            f"softhsm2-util --init-token --free --label {label} --pin {PIN} --so-pin {PIN}".split(),
            env=environment,
            capture_output=True,
            timeout=60,
            check=True,
        )
        pin_file = folder / f"{label}.pin"
        pin_file.write_text(f"{PIN}\n")
        pin_file.chmod(0o600)
        found.append(Token(module=library, label=label, pin_file=pin_file, environment=environment))
    return tuple(found)


def _python(program: str, *arguments: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace"))
