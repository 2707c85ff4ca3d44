"""Provide `snapshotter init`: write a configuration file in which comments explain the settings."""

from pathlib import Path

import click

from snapshotter import durable
from snapshotter.cli.output import print_message, print_result
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

_FOUND = """\
# Settings of snapshotter for this directory and all directories below it.
# A line with a setting behind "# " shows the default. Remove the "# " to change the setting.
# Relative paths are relative to the directory of this file.

# Directory for the bundles. A bucket cannot be set in this file, because a bucket is used with your
# credentials. Name a bucket with the option --store s3://bucket/prefix, with the variable
# SNAPSHOTTER_STORE, or in your own file (snapshotter init --user).
store = "captures"

# Policy of the captures: the name of a policy, or the path of a policy file. "auto" selects the
# policy by the address of the page.
# policy = "auto"

# Name of the signing key.
# key = "default"

# Time limit for the timestamp authorities of one capture, in seconds.
# timestamp_timeout_s = 10

# This file has few settings, because a file in a working directory may come from another person,
# together with an exhibit. Settings about trust, programs, keys and credentials belong in your
# own file. "snapshotter init --user" writes that file. The policy of this file is not used by the
# commands that verify and conclude (verify, diff, takedown derive, report, proof).
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

# File with the passphrase of the signing key on its first line.
# passphrase_file = ""

# Further keys that sign each bundle, each with its own timestamp tokens: ["court"].
# cosigners = []

# Name of the key that signs take-down events and never captures. The key is made on first use.
# event_key = "events"

# Path of the browser's binary. Empty: snapshotter finds a browser.
# browser_path = ""

# Whether the browser may run without its sandbox on a system that allows no sandbox. A page that
# exploits a fault of the browser can then read the files of this user.
# allow_no_sandbox = false

# Networks that are not public and that pages may use: ["10.1.0.0/16"].
# allow_networks = []

# Proxy for all traffic: "http://host:port", "socks5://host:port", both with user:password@ if
# needed, or "tor" (SOCKS5 on 127.0.0.1:9050). Empty: no proxy.
# proxy = ""

# File with texts that identify you: names, accounts, addresses. Each capture is searched for these
# texts, as the policy requires. The file must be readable only by you (docs/howto/stay-unnamed.md).
# identity_file = ""

# File with your own limits for visits to hosts. Limits that the file leaves out stay as shipped.
# politeness_file = ""

# Database with the jobs for workers: "sqlite:///FILE", or "postgresql://user@host/database" with
# ?password_file=FILE for the password. Empty: the file queue.db in data_dir.
# queue = ""

# Your name in custody events, legal holds and erasures, such as "archive@example.org". These
# records are kept permanently. Empty: custody events have no name; holds and erasures have the
# name of the user of this machine.
# operator = ""

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

# File with the passphrase of the log's key on its first line.
# log_passphrase_file = ""

# Directory of the signing keys. Empty: the directory keys in data_dir.
# keys_dir = ""

# Directory for keys, reminders of owed tokens, and bundles that could not be stored.
# Empty: the data directory of this user.
# data_dir = ""

# Directory for captures in progress. Empty: in the cache directory of this user.
# spool_dir = ""

# File with timestamp authorities, which replace the shipped ones. Instead of a file, this file can
# have the tables themselves, as below. "root" is the root certificate that the tokens of the
# timestamp authority must lead to. "spacing_s" is the time between two requests, in seconds.
# authorities_file = ""
# [[authority]]
# name = "my-authority"
# url = "http://timestamp.example.org"
# root = "authority-root.pem"
# policy_oids = []
# revoked_serials = []
# spacing_s = 0

# Witnesses that cosign the log. "snapshotter log witness" runs a witness. Other witnesses of C2SP
# tlog-witness also work.
# [[witness]]
# verifier_key = "witness.example/w1+f8481057+BIZEdBIpojNIjDGUupDzMEwKPXYATX3QRiBS/nNXyvXn"
# url = "https://witness.example/w1"

# Other network paths to the same pages, for a second capture from another place. A policy names
# the path (takedown.second_vantage). "proxy" has the same form as the setting proxy above.
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

    An existing file is not changed. The file of a directory has few settings, because such a file
    may come from another person. `snapshotter init --user` writes your own file with all settings.
    """
    if user:
        from snapshotter.app.settings import user_file

        if directory is not None:
            raise click.UsageError(tr("--user writes to a fixed place: leave out the directory"))
        path = user_file()
    else:
        path = (directory or Path()) / "snapshotter.toml"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.write(path, (_OWN if user else _FOUND).encode(), over=False)
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
