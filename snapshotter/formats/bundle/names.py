"""
Define the names of a bundle's members, and tell which of them the manifests list.

The names of late tokens, renewals and log proofs, which are sidecars, are here as well. The sealer
and the verifier both use this module, so they cannot disagree about the layout
(docs/spec/bundle.md, "Names").
"""

import re

CAPTURE_RECORD = "capture/capture.json"
CUSTODY = "capture/custody.jsonl"
REDACTABLE_RECORD = "capture/redactable.json"
OPENINGS = "redacted/openings.json"  # of a redacted copy
SERVER_SIGNATURES = "capture/tls.json"
MANIFEST_SHA256 = "seal/manifest-sha256.txt"
MANIFEST_BLAKE3 = "seal/manifest-blake3.txt"
DATAPACKAGE = "datapackage.json"
DATAPACKAGE_DIGEST = "datapackage-digest.json"

# Every bundle has these; a capture that failed has them as well.
REQUIRED = frozenset(
    {
        "archive/data.warc.gz",
        "capture/policy.toml",
        "indexes/index.cdx",
        "pages/pages.jsonl",
        CAPTURE_RECORD,
        CUSTODY,
        DATAPACKAGE,
        DATAPACKAGE_DIGEST,
        MANIFEST_BLAKE3,
        MANIFEST_SHA256,
    }
)
# A redacted copy has these, and never those that repeat addresses and the title.
REQUIRED_OF_REDACTED = frozenset({MANIFEST_BLAKE3, MANIFEST_SHA256, OPENINGS, REDACTABLE_RECORD})
NEVER_IN_REDACTED = frozenset({CAPTURE_RECORD, DATAPACKAGE, DATAPACKAGE_DIGEST})
LOG_PROOF = "tlog-proof"  # what follows a bundle's name and a dot in that of its log proof
MAX_SIGNATURES = 9
MAX_TOKENS = 9  # a signature
MAX_LATE_TOKENS = 9  # beside a bundle
MAX_RENEWALS = 99  # beside a bundle
MAX_NAME = 200  # bytes

_MEMBER = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-zA-Z0-9][a-zA-Z0-9._-]*)?")
_LISTED = re.compile(
    r"(capture/[a-zA-Z0-9][a-zA-Z0-9._-]*\.[a-zA-Z0-9._-]+"
    r"|archive/data\.warc\.gz|indexes/index\.cdx|pages/pages\.jsonl)"
)
_SIGNATURE = re.compile(r"seal/sig-0[1-9]\.(der|pem)")
_TOKEN = re.compile(r"seal/sig-0[1-9]\.tsa-0[1-9]\.tsr")


def is_member_name(name: str) -> bool:
    """Whether a bundle may have a member of this name at all."""
    return len(name) <= MAX_NAME and _MEMBER.fullmatch(name) is not None


def is_listed(name: str) -> bool:
    """Whether the manifests have to name this member (`seal/manifest-blake3.txt` apart)."""
    return is_member_name(name) and _LISTED.fullmatch(name) is not None


def is_unlisted(name: str) -> bool:
    """Whether this member proves itself, or is derived, and stands in no manifest."""
    return (
        name in {MANIFEST_SHA256, DATAPACKAGE, DATAPACKAGE_DIGEST}
        or _SIGNATURE.fullmatch(name) is not None
        or _TOKEN.fullmatch(name) is not None
    )


def signature(slot: int) -> str:
    """Name of the signature in slot 1, 2 …"""
    return f"seal/sig-{_slot(slot)}.der"


def public_key(slot: int) -> str:
    """Name of the public key in slot 1, 2 …"""
    return f"seal/sig-{_slot(slot)}.pem"


def token(slot: int, number: int) -> str:
    """Name of token 1, 2 … over the signature in a slot."""
    return f"seal/sig-{_slot(slot)}.tsa-{_slot(number)}.tsr"


def late_token(number: int) -> str:
    """What follows a bundle's name and a dot in the name of late token 1, 2 …"""
    return f"late-{_slot(number)}.tsr"


def renewal(number: int) -> tuple[str, str]:
    """What follows a bundle's name and a dot in the names of the two files of renewal 1, 2 …"""
    if not 1 <= number <= MAX_RENEWALS:
        raise ValueError(f"the number of a renewal must be from 1 to {MAX_RENEWALS}")
    return f"renewal-{number:02}.txt", f"renewal-{number:02}.tsr"


def _slot(number: int) -> str:
    if not 1 <= number <= MAX_SIGNATURES:
        raise ValueError("the number of a slot must be from 1 to 9")
    return f"{number:02}"
