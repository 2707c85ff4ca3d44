"""Provide `snapshotter init`: write a configuration file in which comments explain the settings."""

from pathlib import Path

import click

from snapshotter import durable
from snapshotter.cli.output import print_message, print_result
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

_FOUND = """\
# Settings of snapshotter for this directory and all directories below it.
# A line with a setting after "# " shows the default. To change the setting, remove the "# " and
# edit the value.
# Relative paths are relative to the directory of this file.

# Directory for the bundles. A bucket cannot be set in this file, because a bucket is used with your
# credentials. Name a bucket with the option --store s3://bucket/prefix, with the variable
# SNAPSHOTTER_STORE, or in your own file (snapshotter init --user).
store = "captures"

# Policy for the captures: the name of a policy, or the path of a policy file. "auto" selects the
# policy by the address of the page.
# policy = "auto"

# Name of the signing key.
# key = "default"

# Time limit for the timestamp authorities of one capture, in seconds.
# timestamp_timeout_s = 10

# This file has few settings, because a file in a working directory may come from another person,
# together with an exhibit. Settings about trust, programs, keys and credentials belong in your
# own file. "snapshotter init --user" writes that file. The commands that verify bundles and
# conclude take-downs (verify, diff, takedown derive, report, proof) do not use the policy of this
# file.
"""
_OWN = """\
# Settings of snapshotter for this user, in every directory.
# A line with a setting behind "# " shows the default. Remove the "# " to change the setting.
# Each setting can also be set by a variable SNAPSHOTTER_<KEY>, and most settings by an option.
# Relative paths are relative to the directory of this file.

# Store for the bundles: a directory, or s3://bucket/prefix.
# store = "captures"

# Policy of the captures: the name of a policy, or the path of a policy file. "auto" selects the
# policy by the address of the page.
# policy = "auto"

# Directory with your own policies, one file for each policy. They are selected by address, too.
# policies_dir = ""

# Name of the signing key. A key in a key service or on a hardware token is named by its reference:
# "kms:alias/NAME?region=…", "pkcs11:token=…;object=…?module-path=/…&pin-source=/…".
# key = "default"

# File whose first line is the passphrase of the signing key.
# passphrase_file = ""

# Names of further keys that sign each bundle, for example ["court"]. Each signature gets its own
# timestamp tokens.
# cosigners = []

# Name of the key that signs take-down events and never captures. The key is made on first use.
# event_key = "events"

# Name of the key that signs cases, tags, notes and reviews, and never evidence. The key is made on
# first use.
# annotation_key = "annotations"

# Path of the program file of the browser. Empty: snapshotter finds a browser.
# browser_path = ""

# Whether the browser may run without its sandbox on a system that allows no sandbox. Without the
# sandbox, a page that exploits a fault of the browser can read the files of this user.
# allow_no_sandbox = false

# Networks that are not public, but that pages may use, for example ["10.1.0.0/16"].
# allow_networks = []

# Proxy for all traffic: "http://host:port", "socks5://host:port", both with user:password@ if
# needed, or "tor" (SOCKS5 on 127.0.0.1:9050). Empty: no proxy.
# proxy = ""

# File with texts that identify you: names, accounts, addresses. Each capture is searched for these
# texts, as the policy requires. The file must be readable only by you (docs/howto/stay-unnamed.md).
# identity_file = ""

# File with your own limits for visits to hosts. A limit that is not in the file keeps its default.
# politeness_file = ""

# Database with the jobs for workers: "sqlite:///FILE", or "postgresql://user@host/database" with
# ?password_file=FILE for the password. Empty: the file queue.db in data_dir.
# queue = ""

# Your name in custody events, legal holds and erasures, for example "archive@example.org". These
# records are kept permanently. Empty: custody events contain no name. Legal holds and erasures
# contain the name of the user of this machine.
# operator = ""

# Name in custody events, cases, tags, notes and reviews in place of operator, for example "P-07".
# A salted commitment can later show that the pseudonym stands for operator.
# pseudonym = ""

# Your role in cases, tags, notes and reviews, for example "reviewer".
# role = ""

# Whether showing, verifying and exporting a stored bundle is recorded as a custody event.
# record_access = true

# File with the channels and rules for messages by webhook or mail (docs/howto/notifications.md).
# Empty: no messages are sent.
# notify_file = ""

# Directory of pywb's programs wayback and wb-manager, for capture --check-replay. Empty: the
# directories in PATH.
# pywb_dir = ""

# Endpoint of an S3 service other than Amazon's. Credentials come from the usual places of the AWS
# tools and are never set in this file.
# s3_endpoint = ""

# Region of the S3 service.
# s3_region = ""

# Trust file for verification. Empty: your own keys and the configured timestamp authorities.
# trust_file = ""

# Key id of the root key that signed the trust file.
# trust_root_key = ""

# Time limit for the timestamp authorities of one capture, in seconds.
# timestamp_timeout_s = 10

# Whether bundles are added to the log of their store.
# log = true

# File whose first line is the passphrase of the key of the log.
# log_passphrase_file = ""

# Directory of the signing keys. Empty: the directory keys in data_dir.
# keys_dir = ""

# Directory for keys, for reminders of timestamp tokens that are still owed, and for bundles that
# could not be stored.
# Empty: the data directory of this user.
# data_dir = ""

# Directory for captures in progress. Empty: a directory in the cache directory of this user.
# spool_dir = ""

# Address of the console for its users, if it is not the address at which "snapshotter serve"
# listens; and further values of the header Host that the console answers, as of a tunnel.
# serve_origin = ""
# serve_hosts = []

# File with timestamp authorities, which replace the shipped timestamp authorities. Instead, you can
# write the tables [[authority]] into this settings file, as below. "root" is the root certificate
# to which the certificates of the tokens must lead. "spacing_s" is the time between two requests,
# in seconds.
# authorities_file = ""
# [[authority]]
# name = "my-authority"
# url = "http://timestamp.example.org"
# root = "authority-root.pem"
# policy_oids = []
# revoked_serials = []
# spacing_s = 0

# Witnesses that cosign the log. "snapshotter log witness" runs a witness. Other programs that
# implement C2SP tlog-witness also work.
# [[witness]]
# verifier_key = "witness.example/w1+f8481057+BIZEdBIpojNIjDGUupDzMEwKPXYATX3QRiBS/nNXyvXn"
# url = "https://witness.example/w1"

# Other network paths to the same pages, for a second capture from another place. A policy selects a
# path by its name (takedown.second_vantage). "proxy" has the same form as the setting proxy above.
# [[vantage]]
# name = "abroad"
# proxy = "socks5://127.0.0.1:1080"
"""


@click.command(
    epilog="""\b
Examples:
  snapshotter init
  snapshotter init ~/cases/case-7
  snapshotter init --user
"""
)
@click.argument(
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    required=False,
    metavar="[DIR]",
)
@click.option(
    "--user", is_flag=True, help="Write the settings file of this user, with every setting."
)
def init(directory: Path | None, user: bool) -> None:
    """
    Write a commented settings file, snapshotter.toml.

    An existing file is not changed. The settings file of a directory has few settings, because such
    a file may come from another person. `snapshotter init --user` writes your own file with all
    settings.
    """
    if user:
        from snapshotter.app.settings import user_file

        if directory is not None:
            raise click.UsageError(
                tr("--user always writes the file of this user: leave out the directory")
            )
        path = user_file()
    else:
        path = (directory or Path()) / "snapshotter.toml"
    try:
        if user:
            durable.make_private_folder(path.parent)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
        text = (_OWN if user else _FOUND).encode()
        durable.write(path, text, mode=0o600 if user else None, over=False)
    except FileExistsError as error:
        raise SnapshotterError(
            tr("{path} exists already", path=path), hint=tr("edit the file, or remove it")
        ) from error
    except OSError as error:
        raise SnapshotterError(
            tr("{path} cannot be written: {strerror}", path=path, strerror=error.strerror)
        ) from error
    print_result(str(path))
    print_message(
        tr(
            "check this machine, and capture a page:\n  snapshotter doctor\n  snapshotter "
            "capture https://example.org"
        )
    )
