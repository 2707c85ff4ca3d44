# What the set-up scripts share. Sourced by bash, never run.
# shellcheck shell=bash

say() { printf '==> %s\n' "$*"; }
warn() { printf 'setup: %s\n' "$*" >&2; }

# fail WHAT HINT: one sentence for what happened, one for what to do.
fail() {
  printf 'setup: %s\nsetup: try: %s\n' "$1" "$2" >&2
  exit 1
}

# answer_options ARGUMENT...: print the script's first comment for --help, and refuse other options.
answer_options() {
  local argument script
  script=$(dirname "${BASH_SOURCE[0]}")/$(basename "$0")
  for argument in "$@"; do
    case "$argument" in
    -h | --help)
      sed -n '2,${ /^#/!q; s/^# \{0,1\}//; p; }' "$script"
      exit 0
      ;;
    -*)
      printf '%s: unknown option %s\nusage: %s --help\n' "$script" "$argument" "$script" >&2
      exit 2
      ;;
    esac
  done
}

have() { command -v "$1" >/dev/null 2>&1; }

# quietly LOG COMMAND...: the command's output goes to LOG; the caller tells what it means.
quietly() {
  local log=$1
  shift
  "$@" >>"$log" 2>&1 </dev/null
}

# The hash of what decides whether an installation is still the right one.
fingerprint() {
  if have sha256sum; then cat "$@" | sha256sum | cut -c1-64; else cat "$@" | shasum -a 256 | cut -c1-64; fi
}

is_python_311() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# Print the Python to build on. PYTHON=… overrides the search. Versions are asked for by
# running them: a version manager's shim exists even where there is nothing behind it.
find_python() {
  local name
  for name in ${PYTHON:+"$PYTHON"} python3.13 python3.12 python3.11 python3.14 python3; do
    if is_python_311 "$name"; then
      command -v "$name"
      return
    fi
    [ "$name" != "${PYTHON:-}" ] || fail "$PYTHON is not Python 3.11 or later" "name another Python:
  PYTHON=python3.12 make setup"
  done
  fail "Python 3.11 or later is not installed on this machine" "$(packages_hint python3)"
}

# --- system packages -------------------------------------------------------------------

package_manager() {
  local name
  for name in apt-get dnf pacman apk brew; do
    if have "$name"; then
      echo "$name"
      return
    fi
  done
  echo none
}

# Translate our name of a thing into the package manager's names. Only those of apt-get
# were tried; the others are from their distributions' package lists.
package_names() {
  case "$(package_manager):$1" in
  apt-get:venv) echo "python3-venv" ;;
  apt-get:fonts) echo "fontconfig fonts-liberation fonts-dejavu-core fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji" ;;
  apt-get:chromium-headless) echo "chromium-headless-shell" ;;
  apt-get:node) echo "nodejs npm" ;;
  dnf:fonts) echo "fontconfig liberation-fonts google-noto-sans-fonts google-noto-sans-arabic-fonts google-noto-sans-cjk-vf-fonts google-noto-color-emoji-fonts" ;;
  dnf:chromium-headless) echo "chromium" ;;
  dnf:node) echo "nodejs npm" ;;
  pacman:fonts) echo "fontconfig ttf-liberation noto-fonts noto-fonts-cjk noto-fonts-emoji" ;;
  pacman:chromium-headless) echo "chromium" ;;
  dnf:postgresql) echo "postgresql-server" ;;
  brew:postgresql) echo "postgresql@17" ;;
  dnf:softhsm2 | pacman:softhsm2 | apk:softhsm2 | brew:softhsm2) echo "softhsm" ;;
  pacman:python3) echo "python" ;;
  pacman:node) echo "nodejs npm" ;;
  apk:fonts) echo "fontconfig font-liberation font-noto font-noto-arabic font-noto-cjk font-noto-emoji" ;;
  apk:chromium-headless) echo "chromium" ;;
  apk:node) echo "nodejs npm" ;;
  brew:chromium | brew:chromium-headless) echo "--cask google-chrome" ;;
  brew:python3) echo "python@3.13" ;;
  brew:fonts | brew:unzip) ;; # macOS brings them
  *:venv) ;;                  # only Debian keeps venv apart
  *) echo "$1" ;;
  esac
}

install_command() {
  case "$(package_manager)" in
  apt-get) echo "apt-get install -y --no-install-recommends" ;;
  dnf) echo "dnf install -y --setopt=install_weak_deps=False" ;;
  pacman) echo "pacman -S --needed --noconfirm" ;;
  apk) echo "apk add" ;;
  brew) echo "brew install" ;;
  esac
}

# packages_hint THING...: what to install, with the command on a line of its own.
packages_hint() {
  local names="" thing
  for thing in "$@"; do names="$names $(package_names "$thing")"; done
  case "$(package_manager)" in
  none) echo "install with the package manager of your system: $*" ;;
  brew) printf 'install the packages:\n  brew install%s\n' "$names" ;;
  *) printf 'install the packages:\n  sudo %s%s\n' "$(install_command)" "$names" ;;
  esac
}

# Print what goes before a command that needs root: nothing for root itself and for brew,
# "sudo -n" where sudo asks for no password. Fails where there is no way.
privilege() {
  if [ "$(id -u)" = 0 ] || [ "$(package_manager)" = brew ]; then
    return 0
  elif have sudo && sudo -n true 2>/dev/null; then
    echo "sudo -n"
  else
    return 1
  fi
}

_lists_are_fresh=

# install_packages LOG THING...: install, or return 1 with the reason in _why. One at a time:
# apt-get waits for others when it installs, and not when it updates its lists.
install_packages() {
  mkdir -p .tools
  if have flock; then
    local code=0
    exec 9>.tools/packages.lock
    flock 9
    install_packages_alone "$@" || code=$?
    flock -u 9 # not by closing it alone: a server that a package starts has it too
    exec 9>&-
    return $code
  fi
  install_packages_alone "$@"
}

install_packages_alone() {
  local log=$1 manager prefix thing names=""
  shift
  manager=$(package_manager)
  for thing in "$@"; do names="$names $(package_names "$thing")"; done
  if [ "$manager" = none ]; then
    _why="this script does not know the package manager of this system"
    return 1
  fi
  if ! prefix=$(privilege); then
    _why="this user cannot install packages (not root, and sudo needs a password)"
    return 1
  fi
  say "installing with ${prefix:+$prefix }$manager:$names"
  mkdir -p "$(dirname "$log")"
  if [ "$manager" = apt-get ] && [ -z "$_lists_are_fresh" ]; then
    quietly "$log" $prefix env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 update ||
      warn "apt-get update failed; the old package lists are used"
    _lists_are_fresh=yes
  fi
  case "$manager" in
  apt-get)
    set -- env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 \
      install -y --no-install-recommends
    ;;
  *) set -- $(install_command) ;;
  esac
  if ! quietly "$log" $prefix "$@" $names; then
    _why="$manager could not install$names: $(reason_in "$log")"
    return 1
  fi
}

# reason_in LOG: the likeliest cause, in words, of a download or installation that failed.
reason_in() {
  if grep -qiE 'no space left|disk quota' "$1"; then
    echo "the disk is full"
  elif grep -qiE 'name resolution|\bENOTFOUND\b|\bEAI_AGAIN\b|could not resolve|network is unreachable|connection refused|NewConnectionError|temporary failure resolving' "$1"; then
    echo "there is no network, or the package servers cannot be reached"
  elif grep -qiE 'do not match the hashes|EINTEGRITY' "$1"; then
    echo "a package differs from the package that the lock file names"
  elif grep -qiE 'certificate verify failed|SELF_SIGNED_CERT|UNABLE_TO_VERIFY_LEAF' "$1"; then
    echo "a server's certificate was not accepted"
  else
    # Tools put their advice last, and the error above it.
    echo "$({ grep -E '(Error|ERROR|error|E): ' "$1" || grep -v '^ *$' "$1"; } | tail -n 1 | sed 's/^ *//') (the whole log: $1)"
  fi
}

hint_for() {
  case "$1" in
  *disk*) echo "free about 2 GB of disk space, and give the same command again" ;;
  *network*) echo "connect this machine to the network, and give the same command again; behind a proxy, set https_proxy; for a mirror, set pip's index-url" ;;
  *"lock file"*) printf 'check the mirror that pip uses, and restore the lock files:\n  git checkout requirements/\n' ;;
  *certificate*) echo "name your company's certificate authority for pip: PIP_CERT=/path/to/ca.pem" ;;
  *) echo "read the log, and give the same command again" ;;
  esac
}
