#!/usr/bin/env bash
# Make sure that there is a Chromium that starts, and fonts for the world's scripts.
#
# Order: a browser that is there; the distribution's headless shell where we may install
# packages (it brings its libraries and its security updates along); Playwright's own.
#
#     scripts/setup_browser.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
answer_options "$@"

log=.tools/browser.log
download_limit_s=600 # a bit over 100 MB

# A file is not yet a browser: Ubuntu's is a stub that wants a snap, and a download may
# lack libraries.
starts() { [ -n "$1" ] && [ -x "$1" ] && limited 20 "$1" --version >/dev/null 2>&1 </dev/null; }

# limited SECONDS COMMAND...: macOS has no timeout(1), and our Python is always there.
limited() {
  if have timeout; then
    timeout "$@"
  else
    .venv/bin/python -c 'import subprocess, sys
sys.exit(subprocess.run(sys.argv[2:], timeout=float(sys.argv[1])).returncode)' "$@"
  fi
}

# The product's own search, so that both mean the same browsers; it prints at most two.
candidates() {
  .venv/bin/python -c 'from snapshotter.capture.browser.binary import find_browser
for kind in ("shell", "chromium"):
    if found := find_browser(kind):
        print(found.path)'
}

find_browser() {
  local found path
  found=$(candidates) || return 1
  while read -r path; do
    if starts "$path"; then
      echo "$path"
      return
    fi
  done <<<"$found"
  return 1
}

browser_from_packages() {
  case "$(package_manager)" in
  apt-get | dnf | pacman | apk) privilege >/dev/null && install_packages "$log" chromium-headless ;;
  *) return 1 ;;
  esac
}

browser_from_playwright() {
  say "downloading Chromium with Playwright (about 110 MB)"
  limited "$download_limit_s" .venv/bin/playwright install chromium --only-shell >>"$log" 2>&1 </dev/null ||
    return 1
  find_browser >/dev/null && return
  say "installing the libraries that Chromium needs"
  local prefix
  prefix=$(privilege) && quietly "$log" $prefix .venv/bin/playwright install-deps chromium
}

ensure_browser() {
  local found
  if [ -n "${SNAPSHOTTER_BROWSER_PATH:-}" ]; then return; fi
  # Starting a browser takes a moment: the last one found is trusted while its file is there.
  if [ -x "$(cat .tools/browser.path 2>/dev/null)" ]; then return; fi
  mkdir -p .tools
  rm -f "$log"
  candidates >/dev/null || fail "the package snapshotter does not start" "remove the installation, and give the same command again:
  make distclean"
  if ! found=$(find_browser); then
    say "Chromium is not installed on this machine"
    browser_from_packages || browser_from_playwright || true
    found=$(find_browser) || fail "Chromium could not be installed: $(browser_failure)" \
      "give the same command again after this step: $(packages_hint chromium-headless)"
  fi
  say "browser: $found"
  echo "$found" >.tools/browser.path
}

browser_failure() {
  if [ -s "$log" ]; then reason_in "$log"; else echo "there is no way to download Chromium"; fi
}

# One test each for a Chinese, a Japanese, an Arabic and an emoji font.
lacks_fonts() {
  [ "$(uname)" != Darwin ] || return 1 # macOS brings them
  have fc-list || return 0
  local lang
  for lang in zh-cn ja ko ar he hi th; do
    [ -n "$(fc-list ":lang=$lang" family | head -n 1)" ] || return 0
  done
  [ -z "$(fc-list ':lang=und-zsye' family | head -n 1)" ]
}

# Fonts are not fatal: a page in a script without one is captured, and shows boxes.
ensure_fonts() {
  if [ -e .tools/fonts.stamp ]; then return; fi
  mkdir -p .tools
  if lacks_fonts; then
    say "fonts for Chinese, Japanese, Korean, Arabic, Hebrew, Hindi, Thai or emoji are missing"
    install_packages "$log" fonts || {
      warn "text in some scripts will be shown as boxes: $_why"
      warn "try: $(packages_hint fonts)"
      return 0
    }
  fi
  touch .tools/fonts.stamp
}

ensure_browser
ensure_fonts
