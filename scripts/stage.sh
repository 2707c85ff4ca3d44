#!/usr/bin/env bash
# Run one stage of the checks, print how long it took, and keep its exit code.
#
#     scripts/stage.sh NAME COMMAND [ARGUMENT...]
#     scripts/stage.sh "lint" .venv/bin/ruff check snapshotter
set -uo pipefail
. "$(dirname "$0")/common.sh"
answer_options "${1:-}"
[ $# -ge 2 ] || fail "stage.sh needs a name and a command" "show the usage:
  scripts/stage.sh --help"
name=$1
shift
echo "==> $name"
started=$SECONDS
"$@"
code=$?
if [ $code -eq 0 ]; then
  echo "==> $name: $((SECONDS - started)) s"
else
  echo "==> $name: failed after $((SECONDS - started)) s (exit code $code)" >&2
fi
exit $code
