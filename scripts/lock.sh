#!/usr/bin/env bash
# Write the lock files anew: every package pinned and hashed, no index host, no
# path of a machine. For maintainers (`make lock`); installing needs none of this.
#
#     make lock                       keep the locked versions where they still fit
#     UPGRADE=1 scripts/lock.sh       take newer versions
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
answer_options "$@"

# What this machine prefers (a mirror, a wheel folder, constraints) must not end up in a
# file that other machines read: uv is told to read no configuration, and pip's is not its.
unset UV_FIND_LINKS UV_CONSTRAINT UV_OVERRIDE PIP_FIND_LINKS PIP_CONSTRAINT

lock_venv=.tools/lock
if [ ! -x "$lock_venv/bin/uv" ]; then
  say "installing uv into $lock_venv"
  python=$(find_python)
  "$python" -m venv "$lock_venv"
  "$lock_venv/bin/pip" install -q --disable-pip-version-check 'uv>=0.5'
fi

# Without UPGRADE=1 the versions that the files already hold are kept where they still fit.
compile() {
  local target=$1
  shift
  say "locking $target"
  "$lock_venv/bin/uv" pip compile --quiet --no-config --universal --python-version 3.11 \
    --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
    ${UPGRADE:+--upgrade} "$@" --output-file "$target"
}
compile requirements/capture.txt --all-extras --group build pyproject.toml
compile requirements/dev.txt --all-extras --group build --group dev \
  --constraint requirements/capture.txt pyproject.toml
compile requirements/tools.txt requirements/tools.in

if have npm; then
  say "locking requirements/npm/package-lock.json"
  (cd requirements/npm && npm install --package-lock-only --ignore-scripts \
    --omit-lockfile-registry-resolved=true --no-fund --no-audit --loglevel=error)
  # "funding" is an address per package that nothing reads.
  python=$(find_python)
  "$python" - requirements/npm/package-lock.json <<'PY'
import json, pathlib, sys

path = pathlib.Path(sys.argv[1])
lock = json.loads(path.read_text())
for package in lock["packages"].values():
    package.pop("funding", None)
path.write_text(json.dumps(lock, indent=2) + "\n")
PY
else
  warn "npm is not installed: requirements/npm/package-lock.json is not changed"
fi
