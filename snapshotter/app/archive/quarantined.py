"""
Read which captures are in quarantine, from the notices beside the bundles.

Whatever shows, searches or copies captures leaves these out, and says so. A notice by any key hides
a capture; only a trusted key ends a quarantine.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from snapshotter.app import store_records
from snapshotter.errors import PolicyRefused
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.signatures.signed_statement import MAX_BYTES
from snapshotter.formats.statements import quarantine
from snapshotter.formats.statements.quarantine import Quarantine
from snapshotter.model.takedown import Observation
from snapshotter.ports import ReadableStore
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.index.store_index import Index

IsTrusted = Callable[[str], bool]  # whether a key of this id may end a quarantine
# Returns why captures are in quarantine, by the ids of those that are.
FindHidden = Callable[[Iterable[str]], Mapping[str, str]]


def is_notice(kind: str) -> bool:
    """Whether a sidecar of this kind is a notice of quarantine."""
    return quarantine.sequence_of(kind) is not None


def read_quarantine(
    store: ReadableStore,
    bundle_id: str,
    is_trusted: IsTrusted,
    *,
    kinds: Iterable[str] | None = None,
) -> Quarantine:
    """
    Return what the notices of a bundle state.

    Args:
        kinds: The kinds of its sidecars, if they were listed; None: list them.
    """
    key = store_keys.bundle_key(bundle_id)
    if kinds is None:
        listed = store.list(f"{key}.quarantine-")
        kinds = [found.key.removeprefix(f"{key}.") for found in listed]
    records = [
        # A notice that is gone since it was listed is a damaged one.
        (
            sequence,
            store_records.read(store, store_keys.sidecar_key(key, kind), limit=MAX_BYTES) or b"",
        )
        for kind in kinds
        if (sequence := quarantine.sequence_of(kind)) is not None
    ]
    return quarantine.read(bundle_id, records, is_trusted)


def is_hidden(
    store: ReadableStore, bundle_id: str, is_trusted: IsTrusted, *, kinds: Iterable[str]
) -> bool:
    """Whether a capture with these sidecars is in quarantine; nothing is read without notices."""
    found = [kind for kind in kinds if is_notice(kind)]
    return bool(found) and read_quarantine(store, bundle_id, is_trusted, kinds=found).is_hidden


def require_visible(store: ReadableStore, bundle_id: str, is_trusted: IsTrusted) -> None:
    """Return if a capture is not in quarantine. Raises PolicyRefused: it is."""
    found = read_quarantine(store, bundle_id, is_trusted)
    if not found.is_hidden:
        return
    reason = _reason(found)
    raise PolicyRefused(
        tr("{bundle_id} is in quarantine: {reason}", bundle_id=bundle_id, reason=reason),
        hint=tr(
            "if you may end the quarantine, release the capture first:\n  snapshotter release "
            "--reason REASON {bundle_id}",
            bundle_id=bundle_id,
        ),
    )


def hidden_reasons(
    bundle_ids: Iterable[str], *, store: ReadableStore, is_trusted: IsTrusted, index: "Index"
) -> dict[str, str]:
    """
    Return why captures are in quarantine, by the ids of those that are: a `FindHidden`.

    Args:
        index: Of the store, brought up to date: it has the kinds of the sidecars.
    """
    found = {}
    for bundle_id, kinds in index.sidecar_kinds(list(dict.fromkeys(bundle_ids))).items():
        notices = [kind for kind in kinds if is_notice(kind)]
        if not notices:
            continue
        state = read_quarantine(store, bundle_id, is_trusted, kinds=notices)
        if state.is_hidden:
            found[bundle_id] = tr("in quarantine: {reason}", reason=_reason(state))
    return found


def none_hidden(bundle_ids: Iterable[str]) -> Mapping[str, str]:
    """Return that no capture is in quarantine: a `FindHidden`."""
    return {}


def _reason(found: Quarantine) -> str:
    return found.active.reason if found.active is not None else found.problems[0]


def visible(
    observations: Iterable[Observation],
    store: ReadableStore,
    is_trusted: IsTrusted,
    *,
    index: "Index",
) -> tuple[Observation, ...]:
    """
    Return the captures that are not in quarantine, in their order.

    Args:
        index: Of the store, brought up to date: it has the kinds of the sidecars.
    """
    given = tuple(observations)
    kinds = index.sidecar_kinds([observation.bundle_id for observation in given])
    return tuple(
        observation
        for observation in given
        if not is_hidden(
            store, observation.bundle_id, is_trusted, kinds=kinds.get(observation.bundle_id, ())
        )
    )


def hidden_captures(store: ReadableStore, is_trusted: IsTrusted) -> dict[str, Quarantine]:
    """Return all captures of a store that are in quarantine, by id, from one listing."""
    kinds: dict[str, list[str]] = {}
    for found in store.list(f"{store_keys.BUNDLES}/"):
        try:
            key = store_keys.parse_bundle_key(found.key)
        except ValueError:
            continue  # not ours
        if is_notice(key.kind):
            kinds.setdefault(key.bundle_id, []).append(key.kind)
    read = {
        bundle_id: read_quarantine(store, bundle_id, is_trusted, kinds=of_bundle)
        for bundle_id, of_bundle in kinds.items()
    }
    return {bundle_id: found for bundle_id, found in read.items() if found.is_hidden}
