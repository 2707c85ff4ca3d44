#!/usr/bin/env bash
# Build the container image, or build it with podman and capture a page in it.
#
#     ENGINE=docker IMAGE=localhost/snapshotter scripts/image.sh build
#     sudo scripts/image.sh check
#
# `build` takes docker or podman, whichever is there (ENGINE=…), and the base image of the
# Dockerfile (BASE=…). `check` needs root on a Debian, pulls nothing and leaves no image
# behind but its own: it installs podman, makes a base from Debian's packages, builds,
# and runs scripts/image_check.py. For whoever changes the image; too long for each CI run.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
answer_options "$@"

image=${IMAGE:-localhost/snapshotter}
base=${BASE:-}
log=.tools/image.log
check_base=localhost/snapshotter-base:trixie
# Where a container may open fewer files than its image has layers' files, unpacking breaks off.
limits=(--ulimit nofile=20000:20000 --ulimit nproc=10000:10000)

main() {
  mkdir -p .tools
  case "${1:-}" in
  build) build ;;
  check) check ;;
  *) fail "unknown command of image.sh: ${1:-none}" "give one of these commands:
  make image
  make image-check" ;;
  esac
}

build() {
  local engine=${ENGINE:-} name
  for name in docker podman; do
    [ -n "$engine" ] || { have "$name" && engine=$name; } || true
  done
  [ -n "$engine" ] || fail "neither docker nor podman is installed" "install docker or podman; on Debian, you can give this command instead:
  make image-check"
  local format=()
  [ "$engine" != podman ] || format=(--format docker) # the other format has no health check
  "$engine" build "${format[@]}" ${base:+--build-arg "BASE=$base"} --tag "$image" .
  say "built $image"
}

check() {
  [ "$(id -u)" = 0 ] || fail "the check makes a base image, which needs root" "give the command as root:
  sudo make image-check"
  ensure_podman
  export BUILDAH_ISOLATION=chroot PODMAN_IGNORE_CGROUPSV1_WARNING=1
  if [ -z "$base" ]; then
    base=$check_base
    podman image exists "$base" || make_base
  fi
  local started=$SECONDS
  say "building $image from $base (.tools/image.log)"
  podman build --format docker --pull=never --network host "${limits[@]}" $(mirror_settings) \
    --build-arg "BASE=$base" --tag "$image" . >"$log" 2>&1 </dev/null ||
    fail "the image could not be built: $(reason_in "$log")" "read $log"
  say "built in $((SECONDS - started)) s, $(podman image inspect --format '{{.Size}}' "$image" |
    awk '{ printf "%.2f GB", $1 / 1e9 }') unpacked"
  say "checking compose.yaml with docker-compose"
  deploy/compose/secrets.sh .tools/secrets >>"$log"
  SECRETS=.tools/secrets docker-compose --profile try --profile cli config --quiet ||
    fail "docker-compose rejects compose.yaml" "read the message above"
  .venv/bin/python scripts/image_check.py --image "$image" "$@"
}

ensure_podman() {
  local missing=() command
  for command in podman buildah runc mmdebstrap docker-compose; do have "$command" || missing+=("$command"); done
  [ ${#missing[@]} -eq 0 ] || install_packages "$log" "${missing[@]}" ||
    fail "${missing[*]} could not be installed: $_why" "$(packages_hint "${missing[@]}")"
}

make_base() {
  local archive=.tools/base.tar
  say "making $check_base from Debian's packages"
  quietly "$log" mmdebstrap --variant=minbase --include=ca-certificates trixie "$archive" ||
    fail "the base image could not be made: $(reason_in "$log")" "read $log"
  quietly "$log" podman import "$archive" "$check_base" ||
    fail "the base image could not be imported: $(reason_in "$log")" "read $log"
  rm -f "$archive"
}

# How this machine reaches its package servers: pip's own file, and the certificates of a mirror.
mirror_settings() {
  local certificates=${SSL_CERT_FILE:-}
  [ ! -r /etc/pip.conf ] || echo "--volume /etc/pip.conf:/etc/pip.conf:ro"
  [ -z "$certificates" ] || echo "--volume $certificates:/etc/ssl/certs/ca-certificates.crt:ro"
}

main "$@"
