#!/usr/bin/env bash
# Make the secrets that compose.yaml reads, in ./secrets or in DIRECTORY. Existing files stay,
# because the database keeps the password with which it was created.
#
# Every user inside a container can read the files, because the user of the container is not your
# user. Only you can open the directory.
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

# put NAME: write standard input into the file, if the file does not exist.
put() {
  if [ -e "$folder/$1" ]; then
    echo "$folder/$1 exists and was not changed"
    cat >/dev/null
  else
    cat >"$folder/$1"
    chmod 0444 "$folder/$1"
    echo "$folder/$1 was made"
  fi
}

mkdir -p "$folder"
chmod 0700 "$folder"
random | put queue-password

if [ -e "$folder/s3-credentials" ] || [ -e "$folder/s3-server.json" ]; then
  echo "the credentials for a bucket in $folder exist and were not changed"
  exit 0
fi
id=$(random) key=$(random)
put s3-credentials <<INI
[default]
aws_access_key_id = $id
aws_secret_access_key = $key
INI
# Only for SeaweedFS; this file is not read if you use a bucket of your own.
put s3-server.json <<JSON
{"identities": [{"name": "snapshotter", "credentials": [{"accessKey": "$id", "secretKey": "$key"}],
                 "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
JSON
