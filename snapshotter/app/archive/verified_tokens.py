"""List the verified tokens of a bundle: who gave each of them, and in which file it is."""

from collections.abc import Iterator
from pathlib import Path

from snapshotter.app.archive import bundles
from snapshotter.formats.bundle import names
from snapshotter.formats.proofs.rfc3161 import Anchor, Token, TokenInvalid, check_response
from snapshotter.value_class import dataclass
from snapshotter.verify.files import MAX_SIDECAR_BYTES, NotAFile, open_file
from snapshotter.verify.trust import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedToken:
    """A valid token over a signature, by an authority of the trust file."""

    file: str  # member of the bundle, or name of the file beside it
    slot: int  # of the signature that it is over, from 1
    authority_number: int  # of its authority in the trust, from 1
    anchor: Anchor
    token: Token


def verified_tokens(bundle: Path, trust: Trust) -> Iterator[VerifiedToken]:
    """
    Yield the tokens by authorities of the trust file, in the bundle and in its sidecars.

    Raises:
        EvidenceInvalid: Not a bundle.
    """
    with bundle.open("rb") as stream:
        signatures = bundles.read_signatures(stream)
        inside = {
            member_name
            for member_name in bundles.read_member_names(stream)
            if member_name.endswith(".tsr")
        }
        responses = [
            (slot, name, bundles.read_member(stream, name, limit=MAX_SIDECAR_BYTES))
            for slot in range(1, len(signatures) + 1)
            for name in (names.token(slot, number) for number in range(1, names.MAX_TOKENS + 1))
            if name in inside
        ]
    for number in range(1, names.MAX_LATE_TOKENS + 1):
        beside = bundle.with_name(f"{bundle.name}.{names.late_token(number)}")
        try:
            with open_file(beside) as stream:
                data = stream.read(MAX_SIDECAR_BYTES + 1)
        except (FileNotFoundError, NotAFile):
            continue
        responses += [(slot, beside.name, data) for slot in range(1, len(signatures) + 1)]
    for slot, name, response in responses:
        for authority_number, anchor in enumerate(trust.authorities, start=1):
            try:
                token = check_response(response, signatures[slot - 1], anchor)
            except TokenInvalid:
                continue  # of another authority, or over another signature: not one to show
            yield VerifiedToken(
                file=name, slot=slot, authority_number=authority_number, anchor=anchor, token=token
            )
            break
