"""
Run the second verifier, which shares no code with this package, in a process of its own.

It gets the trust file of the self-test. Nothing that it prints is taken without a check of its
form: a result that cannot be read is no result.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from snapshotter.app.archive.exports.evidence_folder import verifier_path
from snapshotter.errors import ServiceUnavailable
from snapshotter.model.finding import Verdict
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

NAME: Final = "verify_minimal.py"
_TIMEOUT_S: Final = 300  # for all files of one call


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierResult:
    """What a verifier found about one file."""

    verdict: Verdict
    codes: tuple[str, ...]  # of the checks that did not pass, sorted, each once


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondVerifier:
    """The script, and the trust file by which it judges."""

    trust_file: Path  # its signature is beside it
    root_key_id: str

    @property
    def sha256(self) -> str:
        """The digest of the script."""
        return hashlib.sha256(verifier_path().read_bytes()).hexdigest()

    def verify(self, files: Sequence[Path]) -> Mapping[Path, VerifierResult]:
        """
        Return the results by file. A file without a result was not judged.

        Raises:
            ServiceUnavailable: The program did not end, or did not start.
        """
        command = [
            *(sys.executable, "-I", str(verifier_path()), "--json"),
            *("--trust", str(self.trust_file), "--root-key", self.root_key_id),
            *map(str, files),
        ]
        try:
            done = subprocess.run(  # noqa: S603  # this Python, and a script of this package
                command, capture_output=True, timeout=_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServiceUnavailable(
                tr("the second verifier could not be run: {error}", error=error)
            ) from error
        found = {}
        for line in done.stdout.decode("utf-8", "replace").splitlines():
            try:
                value = json.loads(line)
                found[Path(value["bundle"])] = VerifierResult(
                    verdict=Verdict(value["verdict"]),
                    codes=tuple(
                        sorted(
                            {
                                finding["code"]
                                for finding in value["findings"]
                                if finding["verdict"] != Verdict.PASSED.value
                            }
                        )
                    ),
                )
            except (ValueError, KeyError, TypeError) as error:
                raise ServiceUnavailable(
                    tr("the second verifier printed a line of another form: {error}", error=error)
                ) from error
        return found
