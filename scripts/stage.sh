#!/usr/bin/env bash
# stage.sh NAME COMMAND...: run a stage of the checks, say how long it took, keep its exit code.
set -uo pipefail
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
