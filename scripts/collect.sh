#!/usr/bin/env bash
# Import every file of the tests, and leave the bytecode for those who will run them.
#
# A worker that finds none translates each file for itself, with its asserts: 10 s of a core,
# each. So it is written here, where a core is free, even where Python is told to write none.
# What is missing of other people's programs is said by the tests themselves, when they run.
#
#     scripts/collect.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
answer_options "$@"

mkdir -p .tools
list=.tools/collected.log
unset PYTHONDONTWRITEBYTECODE SNAPSHOTTER_REQUIRE_TOOLS
.venv/bin/python -m compileall -q snapshotter
if ! .venv/bin/pytest --collect-only -q >"$list" 2>&1; then
  tail -n 100 "$list" >&2 # the errors are at its end
  exit 1
fi
echo "    $(tail -n 1 "$list")"
