"""
Read the settings of this installation. No other module reads settings from the environment.

Of two values for a setting the later in this order counts: built-in defaults, the user's own
settings file, `snapshotter.toml` in the working directory or the nearest folder above it, the file
that SNAPSHOTTER_CONFIG names, `SNAPSHOTTER_*` variables, options. The addresses of a proxy and of
the queue's database may hold a password; all other secrets are files that a setting names.

A file that happens to be where a person works may have come with an exhibit. It may decide where
captures go, but never which keys are trusted, which programs run, or what a verdict is
(docs/adr/0058). `Settings.found` holds what such a file sets; each use of a setting that it must
not decide reads `Settings.own`.
"""

import os
import shlex
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

import platformdirs

from snapshotter.egress.rules import EgressRules
from snapshotter.errors import SnapshotterError
from snapshotter.formats.proofs.note import COSIGNATURE_V1, parse_verifier_key
from snapshotter.formats.signatures.key_reference import is_reference
from snapshotter.formats.table import Field, Table, TableError, check_key
from snapshotter.policy.files import (
    AUTO,
    first_validation_mistake,
    network,
    read_toml,
    shipped_directory,
)
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FILE_NAME = "snapshotter.toml"
EVENT_KEY = "events"  # the usual name of the key that signs take-down events
ANNOTATION_KEY = "annotations"  # the usual name of the key that signs annotations
_PREFIX = "SNAPSHOTTER_"
_SQLITE = "sqlite:///"


class AuthorityEntry(Table, from_text=True):
    """One timestamp authority: `[[authority]]` in the file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$")
    url: str

    @check_key("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        return _checked_address(url)

    root: str  # PEM file with its root certificate, relative to the file that names it
    policy_oids: tuple[str, ...] = ()
    revoked_serials: tuple[
        Annotated[str, Field(pattern=r"^[0-9]{1,60}$")], ...
    ] = ()  # of signer certificates, decimal
    spacing_s: float = Field(default=0, ge=0, le=3600)  # asked of us between two requests
    reason: str = ""


def _checked_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must be an http or https address with a host and without a password")
    _ = parts.port  # raises ValueError for one that is none
    return url


class WitnessEntry(Table, from_text=True):
    """A witness of the log as it is configured."""

    verifier_key: str  # name+id+base64, as the witness publishes it
    url: str

    @check_key("verifier_key")
    @classmethod
    def _is_a_witness(cls, text: str) -> str:
        try:
            key = parse_verifier_key(text)
        except SnapshotterError as error:
            raise ValueError(error.message) from error
        if key.kind != COSIGNATURE_V1:
            raise ValueError("is not the key of a witness, which cosigns checkpoints")
        return text

    @check_key("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        return _checked_address(url)


class VantageEntry(Table, from_text=True):
    """Another way to the same pages: `[[vantage]]` in the file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    proxy: str = Field(min_length=1, repr=False)  # as the setting; may hold a password

    @check_key("name")
    @classmethod
    def _is_no_word_of_ours(cls, name: str) -> str:
        if name in ("direct", "proxy", "tor"):
            raise ValueError("this name means the usual network path; use another name")
        return name

    @check_key("proxy")
    @classmethod
    def _is_a_proxy(cls, value: str) -> str:
        return _checked_proxy(value)


def _checked_proxy(value: str) -> str:
    EgressRules(upstream=value, total_bytes=1)  # raises ValueError, which names no password
    return value


def _checked_origin(value: str) -> str:
    """Return an origin as browsers write it: scheme, host and port in lower case, no path."""
    parts = urlsplit(value.lower())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a host, as console.example.org or 127.0.0.1:8765")
    port = parts.port  # raises ValueError for one that is none
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    origin = f"{parts.scheme}://{host}{f':{port}' if port is not None else ''}"
    if origin != value.lower():
        raise ValueError("must have no path, no user and no other part after the host and port")
    usual = {"http": ":80", "https": ":443"}[parts.scheme]
    return origin.removesuffix(usual)  # browsers leave the usual port out


def _parts_of_list(value: object) -> object:
    """Return the parts of a list that is written in a variable, divided by commas."""
    if isinstance(value, str):
        return tuple(part for part in map(str.strip, value.split(",")) if part)
    return value


class _Authorities(Table, from_text=True):
    authority: tuple[AuthorityEntry, ...] = ()


class _File(Table, from_text=True):
    store: str = ""
    policy: str = ""
    policies_dir: str = ""
    key: str = ""
    event_key: str = ""
    annotation_key: str = ""
    cosigners: tuple[str, ...] = ()
    passphrase_file: str = ""
    keys_dir: str = ""
    data_dir: str = ""
    spool_dir: str = ""
    browser_path: str = ""
    allow_no_sandbox: bool = False
    allow_networks: tuple[str, ...] = ()
    proxy: str = ""
    queue: str = ""
    notify_file: str = ""
    politeness_file: str = ""
    identity_file: str = ""
    pywb_dir: str = ""
    operator: str = Field(default="", max_length=200)
    pseudonym: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$")
    role: str = Field(default="", max_length=64)
    record_access: bool = True
    trust_file: str = ""
    trust_root_key: str = ""
    s3_endpoint: str = ""
    s3_region: str = ""
    timestamp_timeout_s: float = Field(default=10, gt=0, le=120)
    authorities_file: str = ""
    authority: tuple[AuthorityEntry, ...] | None = None
    log: bool = True
    log_passphrase_file: str = ""
    witness: tuple[WitnessEntry, ...] = ()
    vantage: tuple[VantageEntry, ...] = ()
    serve_origin: str = ""
    serve_hosts: tuple[str, ...] = ()

    @check_key("serve_origin")
    @classmethod
    def _is_an_origin(cls, value: str) -> str:
        return _checked_origin(value) if value else ""

    @check_key("serve_hosts", before=True)
    @classmethod
    def _are_separated(cls, value: object) -> object:
        return _parts_of_list(value)

    @check_key("serve_hosts")
    @classmethod
    def _are_hosts(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_checked_origin(f"http://{value}").removeprefix("http://") for value in values)

    @check_key("vantage")
    @classmethod
    def _have_names_of_their_own(
        cls, entries: tuple[VantageEntry, ...]
    ) -> tuple[VantageEntry, ...]:
        names = [vantage.name for vantage in entries]
        if len(set(names)) < len(names):
            raise ValueError("two entries have the same name")
        return entries

    @check_key("cosigners", before=True)
    @classmethod
    def _are_names(cls, value: object) -> object:
        # In a variable divided by spaces: a reference to a key may hold a comma.
        return tuple(value.split()) if isinstance(value, str) else value

    @check_key("allow_networks", before=True)
    @classmethod
    def _is_a_list(cls, value: object) -> object:
        return _parts_of_list(value)

    @check_key("allow_networks")
    @classmethod
    def _are_networks(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(network(text) for text in values)
        except SnapshotterError as error:
            raise ValueError(error.message) from error

    @check_key("proxy")
    @classmethod
    def _is_a_proxy(cls, value: str) -> str:
        return _checked_proxy(value)


# Relative paths in a file are relative to that file, wherever one works from.
_PATHS = frozenset(
    {
        "authorities_file",
        "browser_path",
        "data_dir",
        "identity_file",
        "keys_dir",
        "log_passphrase_file",
        "notify_file",
        "passphrase_file",
        "policies_dir",
        "politeness_file",
        "pywb_dir",
        "spool_dir",
        "trust_file",
    }
)


_AT_HOME = _PATHS | {"policy", "queue", "store"}


# What a file may say that was found and not named: nothing that runs a program or names the
# place of a key. How little of it counts for verification is in `Settings.own`.
_FOUND = frozenset({"key", "policy", "store", "timestamp_timeout_s"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundValue:
    """The value of a setting in a file that was only found."""

    file: str  # the file; or in words what else may have come from a stranger
    instead: Any  # the value that holds without this file


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A timestamp authority as configured, its root a path that can be opened."""

    name: str
    url: str
    root: Path
    policy_oids: frozenset[str]
    revoked_serials: frozenset[int]
    spacing_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of this installation, resolved."""

    store: str
    # False: none was named, and the folder `captures` of the working directory is not used, since
    # it may have come with an exhibit.
    has_store: bool
    policy: str  # a name, the path of a file, or "auto", which holds where none is named
    policies_dir: Path | None  # the folder of the user's own policies
    key: str  # name of the signing key, or its reference in a service or on a token
    event_key: str  # name of the key that signs take-down events, and never a capture
    annotation_key: str  # name of the key that signs annotations, and never a capture
    cosigners: tuple[str, ...]  # further keys that sign each bundle, named in the same way
    passphrase_file: Path | None
    keys_dir: Path
    data_dir: Path  # pending tokens, salts of remote stores
    spool_dir: Path  # captures in progress
    browser_path: Path | None
    allow_no_sandbox: bool  # start the browser without its sandbox if it is not possible
    allow_networks: tuple[str, ...]  # networks that are not public and are allowed, CIDR
    proxy: str = field(repr=False)  # "", "http://…", "socks5://…" or "tor"; may hold a password
    queue: str = field(repr=False)  # sqlite:///FILE or postgresql://…; may hold a password
    notify_file: Path | None  # rules of notifications; None: there are none
    identity_file: Path | None  # identifiers of the capturing person; None: none are searched
    politeness_file: Path | None  # limits of visits to hosts; None: the shipped ones
    operator: str  # who acts; "": not named in custody events; in holds and erasures the user
    pseudonym: str  # in annotations in place of the operator; "": the operator is named
    role: str  # of the operator in annotations
    record_access: bool  # reading and exporting a bundle write custody events
    pywb_dir: Path | None  # the folder of its programs; None: on PATH
    trust_file: Path | None
    trust_root_key: str
    s3_endpoint: str
    s3_region: str
    timestamp_timeout_s: float
    authorities: tuple[Authority, ...]
    log: bool  # whether bundles are logged
    log_passphrase_file: Path | None
    witnesses: tuple[WitnessEntry, ...]
    vantages: tuple[VantageEntry, ...]  # other ways to the same pages, by name
    vantage: str  # the one of these that `proxy` is; "": the usual way
    serve_origin: str  # of the console, as "https://host"; "": where it listens
    serve_hosts: tuple[str, ...]  # further values of the header Host that the console answers
    sources: tuple[str, ...]  # the files that were read, for `doctor`
    # The settings whose value is in a file that was only found, by their names.
    found: Mapping[str, FoundValue] = field(default_factory=dict, hash=False)

    @property
    def own(self) -> Self:
        """These settings without the values of a found file: verdicts use only them."""
        instead = {name: found_value.instead for name, found_value in self.found.items()}
        return replace(self, **instead, found={})

    def with_policy(self, policy: str, *, found_in: str = "") -> Self:
        """
        Return these settings with another policy.

        Args:
            found_in: The file that names the policy and may have come from a stranger; "" if there
                is none.
        """
        found = {name: found_value for name, found_value in self.found.items() if name != "policy"}
        if found_in:
            found["policy"] = FoundValue(file=found_in, instead=self.own.policy)
        return replace(self, policy=policy, found=found)


def user_file() -> Path:
    """Return the path of this user's own settings file."""
    return Path(platformdirs.user_config_dir("snapshotter")) / FILE_NAME


def load(
    *,
    overrides: Mapping[str, str] | None = None,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    found: bool = True,
) -> Settings:
    """
    Return the settings of this process.

    Args:
        overrides: From options: names as in the file.
        directory: Where the search for `snapshotter.toml` begins; None for the working directory.
        environment: Instead of the environment of the process.
        found: Whether to search at all. A command that judges a given file does not, and then has
            only a store that was named.

    Raises:
        SnapshotterError: A file or variable is invalid; the message names it.
    """
    _require_home()
    environ = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    found_values: dict[str, Any] = {}
    found_file = ""
    sources: list[str] = []
    named = os.path.expanduser(environ.get(f"{_PREFIX}CONFIG", ""))
    if user_file().is_file():
        values |= _read(user_file(), found=False)
        sources.append(str(user_file()))
    here = _upward(directory or Path.cwd()) if found else None
    if here is not None and not _is_one_of(here, named):
        found_values = _read(here, found=True)
        found_file = str(here)
        sources.append(found_file)
    stronger: dict[str, Any] = {}
    if named:
        _require_absolute("CONFIG", named)
        stronger |= _read(Path(named), found=False)  # not there: reading it says so
        sources.append(named)
    names = {info.name for info in _File.key_infos()} - {"authority", "witness", "vantage"}
    for name in sorted(names):
        text = environ.get(f"{_PREFIX}{name.upper()}")
        if text is not None:
            text = _at_home(name, text)
            if name == "queue":
                _require_absolute("QUEUE", *reversed(file_of_queue(text)))
            if name in _PATHS or (name == "policy" and _is_path(text)):
                _require_absolute(name.upper(), text)
            stronger[name] = text
            sources.append(f"{_PREFIX}{name.upper()}")
    unknown = sorted(
        name
        for name in environ
        if name.startswith(_PREFIX) and name.removeprefix(_PREFIX).lower() not in names | _OTHERS
    )
    if unknown:
        raise SnapshotterError(
            tr(
                "the environment variable {unknown} does not belong to a setting",
                unknown=unknown[0],
            ),
            hint=tr("write a file with all settings:\n  snapshotter init --user"),
        )
    stronger |= {key: _at_home(key, value) for key, value in (overrides or {}).items() if value}
    own = _resolve(_validate(values | stronger, "the settings"), sources)
    if not found:
        return replace(own, has_store=bool((values | stronger).get("store")))
    decides = sorted(set(found_values) - set(stronger))
    if not decides:
        return own
    resolved = _resolve(_validate(values | found_values | stronger, "the settings"), sources)
    return replace(
        resolved,
        found={name: FoundValue(file=found_file, instead=getattr(own, name)) for name in decides},
    )


def settings_from_values(values: Mapping[str, Any]) -> Settings:
    """
    Return settings with these values, named as in the file, and nothing else.

    No file and no variable is read, so that the settings do not depend on the user, and no file of
    theirs is touched. Paths are absolute.

    Raises:
        SnapshotterError: A value is invalid.
    """
    _require_home()
    return _resolve(_validate(values, "the settings"), [])


def _require_home() -> None:
    """Raise if this user has no home directory, as a bare user number in a container."""
    try:
        Path.home()
    except RuntimeError as error:
        raise SnapshotterError(
            tr("the user of this process has no home directory"),
            hint=tr("set HOME to a directory that you can write to"),
        ) from error


def _require_absolute(name: str, path: str, before: str = "") -> None:
    """
    Raise if a variable holds a relative path, also after a prefix.

    A variable stays set in the folder of an exhibit, where a relative path names another file.
    """
    if path and not os.path.isabs(path):
        full = shlex.quote(before + os.path.abspath(path))
        raise SnapshotterError(
            tr(
                "{prefix}{name} is the relative path {before}{path}, which leads to a different "
                "file in each folder",
                prefix=_PREFIX,
                name=name,
                before=before,
                path=path,
            ),
            hint=tr(
                "give the absolute path: {prefix}{name}={full}",
                prefix=_PREFIX,
                name=name,
                full=full,
            ),
        )


def _at_home(name: str, text: str) -> str:
    """
    Return the value of a setting with `~` at the begin of a path replaced by the home directory.

    No shell does that in a file of variables, and an exhibit may contain a folder called `~`.
    """
    return os.path.expanduser(text) if name in _AT_HOME else text


def file_of_queue(queue: str) -> tuple[str, str]:
    """Return the prefix and the path of a queue in a file; "" as path for a database server."""
    if "://" not in queue:
        return "", queue
    before, prefix, file = queue.partition(_SQLITE)
    return (prefix, file) if prefix and not before else (queue, "")


def _is_path(policy: str) -> bool:
    """Return whether a policy is given by the path of its file."""
    return os.sep in policy or policy.endswith(".toml")


def _is_one_of(file: Path, named: str) -> bool:
    """Return whether a file is the user's own, or the one that SNAPSHOTTER_CONFIG names."""
    others = (user_file(), *([Path(named)] if named else []))
    return any(other.is_file() and file.samefile(other) for other in others)


# Variables that are not settings of this file: shell completion, and what our tests set.
_OTHERS = frozenset({"complete", "config", "make_url", "require_tools"})


def _resolve(file: _File, sources: list[str]) -> Settings:
    data_dir = Path(file.data_dir or platformdirs.user_data_dir("snapshotter"))
    cache_dir = Path(platformdirs.user_cache_dir("snapshotter"))
    if file.authority is not None:
        authorities = tuple(_authority(entry, Path.cwd()) for entry in file.authority)
    else:
        authorities = _authorities(file.authorities_file)
    return Settings(
        store=file.store or "captures",
        has_store=True,
        policy=file.policy or AUTO,
        policies_dir=Path(file.policies_dir) if file.policies_dir else None,
        key=file.key or "default",
        event_key=file.event_key or EVENT_KEY,
        annotation_key=file.annotation_key or ANNOTATION_KEY,
        cosigners=file.cosigners,
        passphrase_file=Path(file.passphrase_file) if file.passphrase_file else None,
        keys_dir=Path(file.keys_dir) if file.keys_dir else data_dir / "keys",
        data_dir=data_dir,
        spool_dir=Path(file.spool_dir) if file.spool_dir else cache_dir / "spool",
        browser_path=Path(file.browser_path) if file.browser_path else None,
        allow_no_sandbox=file.allow_no_sandbox,
        allow_networks=file.allow_networks,
        proxy=file.proxy,
        queue=file.queue or f"sqlite:///{data_dir / 'queue.db'}",
        notify_file=Path(file.notify_file) if file.notify_file else None,
        identity_file=Path(file.identity_file) if file.identity_file else None,
        politeness_file=Path(file.politeness_file) if file.politeness_file else None,
        operator=file.operator,
        pseudonym=file.pseudonym,
        role=file.role,
        record_access=file.record_access,
        pywb_dir=Path(file.pywb_dir).expanduser() if file.pywb_dir else None,
        trust_file=Path(file.trust_file) if file.trust_file else None,
        trust_root_key=file.trust_root_key,
        s3_endpoint=file.s3_endpoint,
        s3_region=file.s3_region,
        timestamp_timeout_s=file.timestamp_timeout_s,
        authorities=authorities,
        log=file.log,
        log_passphrase_file=Path(file.log_passphrase_file) if file.log_passphrase_file else None,
        witnesses=file.witness,
        vantages=file.vantage,
        vantage="",
        serve_origin=file.serve_origin,
        serve_hosts=file.serve_hosts,
        sources=tuple(sources),
    )


def _authorities(path_text: str) -> tuple[Authority, ...]:
    shipped = shipped_directory() / "authorities" / "authorities.toml"
    path = Path(path_text) if path_text else shipped
    try:
        entries = _Authorities.read(read_toml(path)).authority
    except TableError as error:
        raise SnapshotterError(
            tr(
                "the timestamp authorities in {path} are invalid: {first_validation_mistake}",
                path=path,
                first_validation_mistake=first_validation_mistake(error),
            )
        ) from error
    return tuple(_authority(entry, path.parent) for entry in entries)


def _authority(entry: AuthorityEntry, base: Path) -> Authority:
    return Authority(
        name=entry.name,
        url=entry.url,
        root=base / entry.root,
        policy_oids=frozenset(entry.policy_oids),
        revoked_serials=frozenset(int(serial) for serial in entry.revoked_serials),
        spacing_s=entry.spacing_s,
    )


def _upward(directory: Path) -> Path | None:
    for parent in (directory, *directory.parents):
        if (parent / FILE_NAME).is_file():
            return parent / FILE_NAME
    return None


def _read(path: Path, *, found: bool) -> dict[str, Any]:
    values = read_toml(path)
    _validate(values, str(path))
    refused = sorted(set(values) - _FOUND) if found else []
    if found and is_reference(values.get("key", "")):
        refused.append(tr("a key that is not in your key directory"))  # its module would be run
    if refused:
        raise SnapshotterError(
            tr(
                "{path} sets {refused}, which this file may not set. snapshotter found the file "
                "in the working directory or a folder above, so the file may come from another "
                "person",
                path=path,
                refused=", ".join(refused),
            ),
            hint=tr(
                "move these settings to {user_file}. If the file is yours, allow the file for "
                "this session:\n  export {config_variable_line}",
                user_file=user_file(),
                config_variable_line=config_variable_line(path),
            ),
        )
    for name in sorted(setting for setting in _PATHS if values.get(setting)):
        values[name] = _beside(path, values[name])
    for entry in values.get("authority", []):
        entry["root"] = _beside(path, entry["root"])
    if _is_path(str(values.get("policy", ""))):  # a file of one's own, and no name
        values["policy"] = _beside(path, values["policy"])
    before, file = file_of_queue(str(values.get("queue", "")))
    if file:
        values["queue"] = before + _beside(path, file)
    store = values.get("store", "")
    if store and "://" not in store:
        values["store"] = _beside(path, store)
    return values


def config_variable_line(file: Path | str) -> str:
    """Return the shell assignment by which a user declares a found file to be their own."""
    return f"SNAPSHOTTER_CONFIG={shlex.quote(str(file))}"


def _beside(file: Path, path: str) -> str:
    """Return the path that a file names, relative to the folder of that file."""
    return os.path.normpath(file.parent / Path(path).expanduser())


def _validate(values: Mapping[str, Any], where: str) -> _File:
    try:
        return _File.read(values)
    except TableError as error:
        raise SnapshotterError(f"{where}: {first_validation_mistake(error)}") from error
