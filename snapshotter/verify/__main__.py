"""
The verifier on its own: `python -m snapshotter.verify BUNDLE --trust trust.json --root-key ID`.

For an auditor who installs the verifier and nothing else. `snapshotter verify`
does the same and more.
"""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from snapshotter.errors import SnapshotterError
from snapshotter.model.finding import Verdict
from snapshotter.verify import report
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.files import (
    custody_beside,
    late_tokens_beside,
    log_proof_beside,
    open_file,
    read_trust,
    renewals_beside,
)
from snapshotter.verify.trust import Seen


def main(argv: list[str] | None = None) -> int:
    """Verify one bundle; return 0 PASSED, 10 FAILED, 11 INDETERMINATE, 1 or 2 for errors."""
    parser = argparse.ArgumentParser(
        prog="python -m snapshotter.verify",
        description="Verify one sealed bundle, offline.",
    )
    parser.add_argument("bundle", type=Path, help="the .wacz file; sidecars beside it are read")
    parser.add_argument("--trust", type=Path, required=True, help="trust.json, its .sig beside it")
    parser.add_argument("--root-key", required=True, help="the key id of the trust file's signer")
    parser.add_argument(
        "--seen-version",
        type=int,
        default=0,
        metavar="N",
        help="the newest version of the trust file that you have seen: an older one is refused",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args(argv)
    # The one clock of this program; the rest takes it as a value.
    now = datetime.now(UTC)  # noqa: TID251  there is no wiring in the verifier
    try:
        seen = Seen(version=arguments.seen_version)
        trust = read_trust(arguments.trust, pinned_root=arguments.root_key, now=now, seen=seen)
        with open_file(arguments.bundle) as stream:
            found = verify_bundle(
                stream,
                trust,
                now=now,
                late_tokens=late_tokens_beside(arguments.bundle),
                custody_sidecars=custody_beside(arguments.bundle),
                log_proof=log_proof_beside(arguments.bundle),
                renewals=renewals_beside(arguments.bundle),
            )
    except SnapshotterError as error:
        sys.stderr.write(f"snapshotter: {report.printable(str(error))}\n")
        if error.hint:
            sys.stderr.write(f"snapshotter: try: {report.printable(error.hint)}\n")
        return error.exit_code
    except OSError as error:
        name = report.printable(str(error.filename or arguments.bundle))
        sys.stderr.write(f"snapshotter: {name}: {error.strerror}\n")
        return 1
    lines = [report.json_line(report.as_json(found))] if arguments.json else report.lines(found)
    code = report.EXIT_CODES[found.verdict]
    try:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
    except OSError as error:
        # The verdict stands, printed or not; the interpreter must not try to print it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"snapshotter: the output can not be written: {error.strerror}\n")
            return code if found.verdict is Verdict.FAILED else SnapshotterError.exit_code
    return code


if __name__ == "__main__":
    sys.exit(main())
