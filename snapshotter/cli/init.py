"""Provide `snapshotter init`: write a configuration file in which comments explain the settings."""

from pathlib import Path

import click

from snapshotter import durable
from snapshotter.cli.output import print_message, print_result
from snapshotter.errors import SnapshotterError

_FOUND = """\
# snapshotter's settings for this directory and everything below it. What is commented
# out has the value shown. Relative paths are relative to this file.

# Where bundles go: a directory. A bucket is not set here, for it is used with your credentials:
# --store s3://bucket/prefix, SNAPSHOTTER_STORE or the file of snapshotter init --user name it.
store = "captures"

# How pages are captured. "auto": by the policy that names the address of the page; else the name
# of a policy, or the path of one of your own.
# policy = "auto"

# The signing key, by name.
# key = "default"

# Seconds to wait for a timestamp authority.
# timestamp_timeout_s = 10

# A file that only lies where you work may have come with somebody's exhibit. Whom to
# believe, what to run, where keys are and where credentials are used is therefore not set
# here but in your own file: snapshotter init --user writes it. Verdicts and conclusions
# (verify, diff, takedown derive, report, proof) are made by your own policy, too.
"""
_OWN = """\
# This user's settings of snapshotter, wherever it is started. Every key can also be set as
# SNAPSHOTTER_<KEY>, and most as an option. What is commented out has the value shown.
# Relative paths are relative to this file.

# Where bundles go: a directory, or s3://bucket/prefix.
# store = "captures"

# How pages are captured. "auto": by the policy that names the address of the page; else the name
# of a policy, or the path of one of your own.
# policy = "auto"

# Where policies of your own lie, each in a file of its name: they are picked and listed too.
# policies_dir = ""

# The signing key, by name, and the file whose first line opens it. A key that a key service or
# a token holds: "kms:alias/NAME?region=…", "pkcs11:token=…;object=…?module-path=/…&pin-source=/…".
# key = "default"
# passphrase_file = ""

# Further keys that sign each bundle, each with tokens of its own: ["court"].
# cosigners = []

# The key that signs take-down events, and never a capture; made on first use.
# event_key = "events"

# A browser's binary, instead of the one that is found.
# browser_path = ""

# Start the browser without its sandbox where the system allows none. Each page is then one
# hole in the browser away from this user's files.
# allow_no_sandbox = false

# Networks that are not public and that pages may ask all the same: ["10.1.0.0/16"].
# allow_networks = []

# The proxy that everything goes through: "http://host:port", "socks5://host:port", both
# with user:password@ where it wants them, or "tor" (socks5 on 127.0.0.1:9050).
# proxy = ""

# What says who you are (names, handles, addresses): looked for in each capture, as the policy
# says. A file that only you can read (docs/howto/stay-unnamed.md).
# identity_file = ""

# How hard hosts may be worked: a file of your own over the shipped rules.
# politeness_file = ""

# Where jobs wait for workers: "sqlite:///FILE", or "postgresql://user@host/database", with
# ?password_file=FILE for its password; queue.db in data_dir if empty.
# queue = ""

# Who you are, in custody events, holds and erasures: they are kept for good. And whether
# looking at a bundle and giving it out leave such events.
# operator = "archive@example.org"
# record_access = true

# Who is told of what, by webhook or mail: a notify.toml (docs/howto/notifications.md).
# notify_file = ""

# Where pywb's programs wayback and wb-manager are, for capture --check-replay; PATH if empty.
# pywb_dir = ""

# S3: an endpoint that is not Amazon's, and its region.
# Credentials come from the usual places of AWS tools, never from here.
# s3_endpoint = ""
# s3_region = ""

# Whom to believe when verifying: a trust file, and the key id of whoever signed it.
# trust_file = ""
# trust_root_key = ""

# Seconds to wait for a timestamp authority.
# timestamp_timeout_s = 10

# Whether bundles are added to the log of their store, and the file whose first line opens
# the log's key, if that has a passphrase.
# log = true
# log_passphrase_file = ""

# Directories of this installation.
# keys_dir = ""
# data_dir = ""
# spool_dir = ""

# Timestamp authorities instead of the shipped ones: a file of tables, or the tables themselves.
# Each needs the certificate that its tokens have to lead to.
# authorities_file = ""
# [[authority]]
# name = "my-authority"
# url = "http://timestamp.example.org"
# root = "authority-root.pem"
# policy_oids = []
# revoked_serials = []
# spacing_s = 0

# Witnesses that cosign the log: whoever runs `snapshotter log witness`, or another witness
# of C2SP tlog-witness.
# [[witness]]
# verifier_key = "witness.example/w1+f8481057+BIZEdBIpojNIjDGUupDzMEwKPXYATX3QRiBS/nNXyvXn"
# url = "https://witness.example/w1"

# Other ways to the same pages, for a second look from elsewhere (takedown.second_vantage of a
# policy): each with a name and a proxy as above.
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
            raise click.UsageError("--user knows where the file goes: leave out the directory")
        path = user_file()
    else:
        path = (directory or Path()) / "snapshotter.toml"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.write(path, (_OWN if user else _FOUND).encode(), over=False)
    except FileExistsError as error:
        raise SnapshotterError(f"{path} is there already", hint="edit it, or remove it") from error
    except OSError as error:
        raise SnapshotterError(f"{path} can not be written: {error.strerror}") from error
    print_result(str(path))
    print_message("next: snapshotter doctor, then snapshotter capture https://example.org")
