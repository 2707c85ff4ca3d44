"""
Choose the policy that applies: the configured one, the one for an address, or one that a job names.

A policy can open networks, lock bundles irrevocably and keep all traffic for a key. The person who
runs this process may choose such a policy by its name. A settings file that was only found may not,
nor may a job that others wrote into a database.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from snapshotter.app.settings import Settings, config_variable_line
from snapshotter.errors import PolicyRefused, SnapshotterError
from snapshotter.policy import load as policies
from snapshotter.policy.files import shipped_directory
from snapshotter.policy.policy_selection import AUTO, Candidate, pick, policy_matches
from snapshotter.policy.tables import Policy
from snapshotter.ports import ShowMessage
from snapshotter.translation import tr


def configured_policy(settings: Settings, url: str = "") -> Policy:
    """
    Return the configured policy.

    Args:
        url: The page that it is for, if the address decides; "" for no particular page.

    Raises:
        SnapshotterError: It cannot be read; or a settings file that was only found names it, and it
            opens networks, locks irrevocably or keeps all traffic for a key.
    """
    name = settings.policy
    if name == AUTO:
        name = picked_policy(settings, url).name if url else "default"
    found = policies.load(name, settings.policies_dir)
    if "policy" in settings.found and found.network.allow:
        raise SnapshotterError(
            tr(
                "the policy {policy} allows pages to connect to networks that are refused "
                "otherwise, but only the settings file in the working directory or a table selects "
                "this policy",
                policy=settings.policy,
            ),
            hint=tr(
                "if you want this, add --policy {policy} to the command", policy=settings.policy
            ),
        )
    if "policy" in settings.found and found.retention.days and found.retention.mode == "COMPLIANCE":
        raise SnapshotterError(
            tr(
                "the policy {policy} locks bundles so that nobody can remove the lock, but only "
                "the settings file in the working directory or a table selects this policy",
                policy=settings.policy,
            ),
            hint=tr(
                "if you want this, add --policy {policy} to the command", policy=settings.policy
            ),
        )
    if "policy" in settings.found and found.streams.keep_for:
        raise SnapshotterError(
            tr(
                "the policy {policy} keeps cookies, passwords and all other traffic for the "
                "owner of a key, but only the settings file in the working directory or a table "
                "selects this policy",
                policy=settings.policy,
            ),
            hint=tr(
                "if you want this, add --policy {policy} to the command", policy=settings.policy
            ),
        )
    if "policy" in settings.found and found.network.certificate_authorities:
        raise SnapshotterError(
            tr(
                "the policy {policy} trusts a private certificate authority, but only the "
                "settings file in the working directory or a table selects this policy",
                policy=settings.policy,
            ),
            hint=tr(
                "if you trust this authority, add --policy {policy} to the command",
                policy=settings.policy,
            ),
        )
    return found


def judging_policy(settings: Settings, url: str = "") -> Policy:
    """
    Return the policy whose rules decide verdicts and conclusions.

    A policy that only a found settings file names is never used for that.

    Args:
        url: As in `configured_policy`.

    Raises:
        SnapshotterError: It cannot be read.
    """
    return configured_policy(settings.own, url)


def warn_if_ignored(settings: Settings, show_message: ShowMessage) -> None:
    """Warn if a found settings file names a policy that conclusions do not use."""
    found = settings.found.get("policy")
    if found is not None:
        show_message(
            tr(
                "the policy {policy} is not used for verdicts and take-down events, because only "
                "the settings file {file} in the working directory selects this policy\nif the "
                "file is yours, put this before the command:\n  {config_variable_line}",
                policy=settings.policy,
                file=found.file,
                config_variable_line=config_variable_line(found.file),
            )
        )


def picked_policy(settings: Settings, url: str) -> Candidate:
    """
    Return the policy that an address decides for.

    Raises:
        SnapshotterError: A policy cannot be read.
    """
    return pick(url, policy_matches(settings.policies_dir)).winner


def policy_for(settings: Settings, named: str, url: str = "") -> Policy:
    """
    Return the policy that a job or a watch list names; the configured one if it names none.

    The name comes from a database that others write to. So the policy may narrow what the person
    who runs this process has allowed, and not widen it.

    Raises:
        PolicyRefused: It opens networks, locks irrevocably or keeps all traffic for a key, and
            neither the settings nor the policy of this process do.
        SnapshotterError: It cannot be read.
    """
    if not named:
        return configured_policy(settings, url)
    if named == AUTO:
        named = picked_policy(settings, url).name if url else "default"
    found = policies.load(named, settings.policies_dir)
    opens = found.network.allow
    locks = found.retention.days if found.retention.mode == "COMPLIANCE" else 0
    own = configured_policy(settings, url)
    found = with_same_proxy(own, found)
    allowed = [ip_network(network) for network in (*settings.allow_networks, *own.network.allow)]
    for network in map(ip_network, opens):
        if not any(is_within(network, wider) for wider in allowed):
            raise PolicyRefused(
                tr(
                    "the policy {named} allows pages to connect to the network {network}; this is "
                    "refused, because only a job, a table or a watch list names the policy, and "
                    "not the settings of the worker",
                    named=named,
                    network=network,
                ),
                hint=tr(
                    'if you want this, set allow_networks = ["{network}"] in the settings '
                    "of the worker",
                    network=network,
                ),
            )
    if locks > (own.retention.days if own.retention.mode == "COMPLIANCE" else 0):
        raise PolicyRefused(
            tr(
                "the policy {named} locks bundles so that nobody can remove the lock; this is "
                "refused, because only a job, a table or a watch list names the policy, and not "
                "the settings of the worker",
                named=named,
            ),
            hint=tr("if you want this, start the worker with --policy {named}", named=named),
        )
    if not set(found.streams.keep_for) <= set(own.streams.keep_for):
        raise PolicyRefused(
            tr(
                "the policy {named} keeps cookies, passwords and all other traffic for the owner "
                "of a key; this is refused, because only a job, a table or a watch list names the "
                "policy, and not the settings of the worker",
                named=named,
            ),
            hint=tr("if you want this, start the worker with --policy {named}", named=named),
        )
    authorities = set(found.network.certificate_authorities)
    if not authorities <= set(own.network.certificate_authorities):
        raise PolicyRefused(
            tr(
                "the policy {named} trusts a private certificate authority, but only a job, a "
                "table or a watch list selects this policy",
                named=named,
            ),
            hint=tr(
                "if you trust this authority, start the worker with --policy {named}", named=named
            ),
        )
    return found


def policy_name_for_jobs(name_or_path: str, directory: Path | None = None) -> str:
    """
    Return the name by which a job names a policy; the path of a user's own file is absolute.

    A worker may run in another folder than the command that adds the job.

    Args:
        directory: The folder of the user's own policies.

    Raises:
        SnapshotterError: The policy does not exist, or it cannot be read.
    """
    if not name_or_path or name_or_path == AUTO:
        return name_or_path
    policies.load(name_or_path, directory)
    found = policies.find(name_or_path, directory)
    return name_or_path if found.parent == shipped_directory() else str(found.absolute())


def absolute_policy_path(policy: str) -> str:
    """Return a policy with an absolute path if it is a file, since a worker runs elsewhere."""
    is_file = "/" in policy or policy.endswith(".toml")
    return str(Path(policy).absolute()) if is_file else policy


def policy_reason(settings: Settings, named: str, url: str) -> str:
    """
    Return why the address decides for the policy of a page; "" if a policy is named.

    Args:
        named: As a job or a watch list names it; "" leaves it to the settings.

    Raises:
        SnapshotterError: A policy cannot be read.
    """
    return picked_policy(settings, url).why if (named or settings.policy) == AUTO else ""


def policy_names(settings: Settings, named: str, url: str = "") -> tuple[str, ...]:
    """
    Return the names by which notification rules may know the policy of a job.

    They are the name of its file and, if it differs, the name that the policy gives itself. If the
    address decides and is not given, there is no name.
    """
    named = named or settings.policy
    try:
        if named == AUTO:
            return (picked_policy(settings, url).name,) if url else ()
        found = policies.load(named, settings.policies_dir).name
    except SnapshotterError:  # its file is not here: rules can only know it by what the job says
        found = ""
    return tuple(dict.fromkeys(name for name in (Path(named).stem, found) if name and name != AUTO))


def with_same_proxy(own: Policy, other: Policy) -> Policy:
    """Return a policy that others chose, with our own policy's requirement of a proxy."""
    if not own.network.require_proxy:
        return other
    return other.with_values({"network": other.network.with_values({"require_proxy": True})})


def is_within(network: IPv4Network | IPv6Network, wider: IPv4Network | IPv6Network) -> bool:
    """Return whether a network is a part of another one, or the same."""
    if isinstance(network, IPv4Network):
        return isinstance(wider, IPv4Network) and network.subnet_of(wider)
    return isinstance(wider, IPv6Network) and network.subnet_of(wider)
