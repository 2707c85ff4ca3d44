#!/usr/bin/env bash
# Install what `make capture` needs; with the word "dev" what our own checks and tests are run
# with, and with "tools" other people's programs that tests hold our bundles against. The
# last two can run at the same time.
#
# Everything ours goes into this directory (.venv, .venv-tools, .tools); only a browser,
# fonts and a few commands come from the system's package manager, and only if missing.
# Safe to run again: a stamp holds the hash of what was installed, and a second run does
# nothing but compare it.
#
#     scripts/setup.sh [capture|dev|tools]
#     PYTHON=python3.12 scripts/setup.sh dev
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
answer_options "$@"

main() {
  local purpose=${1:-capture} started=$SECONDS
  setup_log=.tools/setup-$purpose.log # of one run: what fails in another is not a reason here
  case "$purpose" in
  capture) ensure_venv .venv requirements/capture.txt ours "capture" ;;
  dev) ensure_venv .venv requirements/dev.txt ours "capture and tests" ;;
  tools)
    ensure_commands
    ensure_venv .venv-tools requirements/tools.txt theirs "readers of other projects, for tests"
    ensure_npm_tools
    ;;
  *) fail "unknown set-up: $purpose" "give one of these commands:
  make setup
  make setup-test" ;;
  esac
  [ "$purpose" = tools ] || scripts/setup_browser.sh
  [ "$purpose" != dev ] || ensure_full_browser
  [ $((SECONDS - started)) -lt 2 ] || say "set-up for $purpose is complete ($((SECONDS - started)) s)"
}

# ensure_venv DIR LOCK ours|theirs WHAT: a venv that holds exactly what LOCK pins, and our package.
ensure_venv() {
  local venv=$1 lock=$2 whose=$3 what=$4 wanted log=$1/setup.log python
  wanted=$(fingerprint "$lock" pyproject.toml snapshotter/__init__.py)
  if [ -x "$venv/bin/python" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    # The set for tests holds the set for capture.
    if grep -qs "$wanted" "$venv/setup.stamp"; then return; fi
    if [ "$lock" = requirements/capture.txt ] &&
      grep -qs "$(fingerprint requirements/dev.txt pyproject.toml snapshotter/__init__.py)" "$venv/setup.stamp"; then
      return
    fi
  else
    rm -rf "$venv"
    python=$(find_python)
    say "making $venv with $python ($("$python" -c 'import platform; print(platform.python_version())'))"
    make_venv "$python" "$venv"
  fi
  rm -f "$venv/setup.stamp" "$log"
  say "installing $(grep -c '^[a-z0-9].*==' "$lock") Python packages from $lock ($what)"
  if ! pip_install "$venv" "$log" --require-hashes -r "$lock"; then
    local why
    why=$(reason_in "$log")
    fail "the Python packages could not be installed: $why" "$(hint_for "$why")"
  fi
  if [ "$whose" = ours ]; then
    # A log of its own: a cause of the downloads above is not a cause of this.
    : >"$venv/setup-own.log"
    pip_install "$venv" "$venv/setup-own.log" --no-deps --no-build-isolation -e . ||
      fail "the package snapshotter could not be installed: $(reason_in "$venv/setup-own.log")" \
        "check the source folder for changes, and give the same command again:
  git status"
    # Or the first command compiles it. A folder that is read-only stays as it is.
    "$venv/bin/python" -m compileall -q snapshotter >>"$venv/setup-own.log" 2>&1 || true
  fi
  echo "$wanted" >"$venv/setup.stamp"
}

make_venv() {
  local python=$1 venv=$2 log
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    mkdir -p .tools
    log=$setup_log
    install_packages "$log" venv ||
      fail "$python cannot make virtual environments: $_why" "$(packages_hint venv)"
  fi
  mkdir -p .tools
  quietly "$setup_log" "$python" -m venv "$venv" || {
    rm -rf "$venv"
    local why
    why=$(reason_in "$setup_log")
    fail "$python could not make $venv: $why" "$(hint_for "$why")"
  }
}

pip_install() {
  local venv=$1 log=$2
  shift 2
  quietly "$log" "$venv/bin/python" -m pip install --disable-pip-version-check --no-input \
    --retries 2 --prefer-binary "$@"
}

# Captures use the headless shell; tests show that they do with full Chromium as well.
ensure_full_browser() {
  local found
  if [ -x "$(cat .tools/full-browser.path 2>/dev/null)" ]; then return; fi
  if ! found=$(full_browser); then
    install_packages "$setup_log" chromium || true
    found=$(full_browser) || {
      warn "tests of full Chromium will fail, because it is not installed${_why:+: $_why}"
      warn "try: $(packages_hint chromium)"
      return 0
    }
  fi
  echo "$found" >.tools/full-browser.path
}

full_browser() {
  .venv/bin/python -c 'import sys
from snapshotter.capture.browser.binary import find_browser
found = find_browser("chromium")
print(found.path) if found else sys.exit(1)'
}

# The verifiers of docs/howto/verify-without-us.md, servers that tests start, and an npm for the replay engine.
ensure_commands() {
  local missing=() command
  for command in b3sum unzip openssl; do have "$command" || missing+=("$command"); done
  have pg_ctl || compgen -G "/usr/lib/postgresql/*/bin/pg_ctl" >/dev/null || missing+=(postgresql)
  have softhsm2-util || missing+=(softhsm2)
  { have node && have npm; } || missing+=(node)
  # It reads the units of deploy/systemd; a system without systemd has no use for them.
  [ "$(package_manager)" != apt-get ] || have systemd-analyze || missing+=(systemd)
  [ ${#missing[@]} -gt 0 ] || return 0
  install_packages "$setup_log" "${missing[@]}" || {
    warn "tests that need ${missing[*]} will be skipped: $_why"
    warn "try: $(packages_hint "${missing[@]}")"
  }
}

ensure_npm_tools() {
  local wanted log=.tools/npm.log
  have npm || return 0 # ensure_commands has said so
  wanted=$(fingerprint requirements/npm/package.json requirements/npm/package-lock.json)
  if grep -qs "$wanted" .tools/npm.stamp; then return; fi
  say "installing the replay engine and axe-core (npm, requirements/npm)"
  mkdir -p .tools
  rm -f .tools/npm.stamp "$log"
  cp requirements/npm/package.json requirements/npm/package-lock.json .tools/
  if (cd .tools && quietly npm.log npm ci --ignore-scripts --no-fund --no-audit); then
    echo "$wanted" >.tools/npm.stamp
  else
    warn "tests that replay with wabac or use axe-core will be skipped: $(reason_in "$log")"
  fi
}

main "$@"
