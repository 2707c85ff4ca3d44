#!/usr/bin/env bash
# Make the secrets that compose.yaml reads, in ./secrets or the directory that is given. What is
# there already stays: the database keeps the password that it was made with.
#
# The files can be read by any user inside a container, for ours is not yours; the directory
# is yours alone.
#
#     deploy/compose/secrets.sh [DIRECTORY]
set -euo pipefail
case "${1:-}" in
-h | --help)
  sed -n '2,${ /^#/!q; s/^# \{0,1\}//; p; }' "$0"
  exit 0
  ;;
-*)
  printf '%s: unknown option %s\nusage: %s --help\n' "$0" "$1" "$0" >&2
  exit 2
  ;;
esac
folder=${1:-secrets}

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# put NAME: standard input becomes the file, if it is not there.
put() {
  if [ -e "$folder/$1" ]; then
    echo "$folder/$1 is there, and stays"
    cat >/dev/null
  else
    cat >"$folder/$1"
    chmod 0444 "$folder/$1"
    echo "$folder/$1 made"
  fi
}

mkdir -p "$folder"
chmod 0700 "$folder"
random | put queue-password

if [ -e "$folder/s3-credentials" ] || [ -e "$folder/s3-server.json" ]; then
  echo "$folder has credentials for a bucket, and they stay"
  exit 0
fi
id=$(random) key=$(random)
put s3-credentials <<INI
[default]
aws_access_key_id = $id
aws_secret_access_key = $key
INI
# For SeaweedFS alone; with a bucket of yours it is not read.
put s3-server.json <<JSON
{"identities": [{"name": "snapshotter", "credentials": [{"accessKey": "$id", "secretKey": "$key"}],
                 "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
JSON
