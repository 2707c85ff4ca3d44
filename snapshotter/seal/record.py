"""
Build the capture record, `capture/capture.json`, from a capture and its seal.

The record is written for a court: it states what was captured, when, how, from whom and with what
outcome, and what must not be concluded from it. Its groups follow the usual report of an online
capture; docs/spec/capture-record.md lists every field.
"""

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any

from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import redactable
from snapshotter.formats.canonical_json import plain
from snapshotter.formats.tls import certificate_authority
from snapshotter.model.capture import Artifact, Capture, MainResponse, Picture, Reason
from snapshotter.model.request import Decision
from snapshotter.ports import Signer
from snapshotter.value_class import dataclass

FORMAT = "snapshotter-capture/1"
ALGORITHM = "ecdsa-p384-sha384"

# A page chooses the length of its addresses and its title, and a verifier reads a record of
# at most 8 MiB: here they are cut, in the network record they stand whole. Characters.
_MAX_TEXT = 65_536
_MAX_TILES = 10_000  # listed of all pictures; a verifier takes at most 200,000 values
_MAX_LISTED_URL = 4_096  # of up to 600 in one record
_MAX_HEADERS = 1_000  # of an answer; 256 KiB have room for so many that nobody reads the record

# What the redactable record closes: what the page, its server or this machine gives, and what could
# identify the capturing person or a source; also what a closed value can be computed or looked up
# from (the period of a certificate, for example). JSON pointers; `*` is each entry of a list.
REDACTABLE = (
    "/content/document_language",
    "/content/failed_requests/*/error",
    "/content/failed_requests/*/url",
    "/content/fonts/failed_faces/*",
    "/content/frames/*/url",
    "/content/images/failed_urls/*",
    "/content/images/placeholder_urls/*",
    "/content/missing_glyphs/*/characters",
    "/content/missing_parts/*",
    "/content/pictures/*/subject",
    "/content/scrolling/container",
    "/from_whom/headers/*/0",
    "/from_whom/headers/*/1",
    "/from_whom/remote_ip",
    "/from_whom/remote_port",
    "/from_whom/status_text",
    "/from_whom/tls/chain/*/issuer",
    "/from_whom/tls/chain/*/not_after",
    "/from_whom/tls/chain/*/not_after_ms",
    "/from_whom/tls/chain/*/not_before",
    "/from_whom/tls/chain/*/not_before_ms",
    "/from_whom/tls/chain/*/pem",
    "/from_whom/tls/chain/*/serial",
    "/from_whom/tls/chain/*/sha256",
    "/from_whom/tls/chain/*/subject",
    "/from_whom/url",
    "/how/actions/*/detail",
    "/how/environment/architecture",
    "/how/environment/browser_arguments/*",
    "/how/environment/browser_binary",
    "/how/environment/fonts_sha256",
    "/how/environment/kernel",
    "/how/environment/os",
    "/how/environment/python",
    "/how/environment/user_agent",
    "/how/policy/name",
    "/how/policy/why",
    "/how/settings/allow_networks/*",
    "/how/settings/block_hosts/*",
    "/how/settings/certificate_authorities/*/sha256",
    "/how/settings/certificate_authorities/*/subject",
    "/how/settings/keep_streams_for/*",
    "/how/settings/locale",
    "/how/settings/mask/patterns/*",
    "/how/settings/mask/selectors/*",
    "/how/settings/pictures/elements/*",
    "/how/settings/redact_url_params/*",
    "/how/settings/redact_viewer_fields/*",
    "/how/settings/strip_params/*",
    "/how/settings/user_agent",
    "/how/settings/verdict/main_regions/*",
    "/how/settings/verdict/rules/*",
    "/how/steps/*/detail",
    "/outcome/reasons/*/detail",
    "/outcome/warnings/*/detail",
    "/what/documents/*/media_type",
    "/what/documents/*/url",
    "/what/final_url",
    "/what/redirects/*/from_url",
    "/what/redirects/*/to_url",
    "/what/requested_url",
    "/what/title",
    "/when/clock_checks/*/name",
    "/when/clock_checks/*/skew_ms",
    "/when/clock_checks/*/value",
    "/who/network/how",
    "/who/network/vantage",
)

# In every record: what the evidence proves, and what it does not prove.
LIMITS = (
    "This record states that the named software received and rendered these bytes. The signature "
    "shows which key signed this statement. A timestamp token proves that the sealed bundle "
    "existed at the time of the token.",
    "This record does not prove who wrote the page, that the statements and counts on the page are "
    "true, or that other visitors saw the same page.",
    "This record does not prove what the address showed before, after or between captures.",
    "The network record contains requests and answers as they were transferred, decrypted with the "
    "session keys of the browser. These keys were then deleted, unless the bundle contains the "
    "keys, encrypted (capture/streams.p7m). Values of secret headers are replaced. TLS signs only "
    "the handshake of a connection, not the data that the connection then carries.",
    "The browser writes the Date header inside page.mhtml. This header is not a proof of time.",
    "The software scrolled the page and did the other listed actions. These actions may have "
    "changed the page.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealFacts:
    """What a record states of its seal. The default: the seal is not known yet."""

    bundle_id: str = ""
    sealed_at: datetime | None = None  # None: the end of the capture
    software: str = ""
    signers: tuple[Signer, ...] = ()  # in the order of their slots
    authorities: tuple[str, ...] = ()  # names of the timestamp authorities that will be asked
    log_checkpoint: str = ""  # the newest one when the capture began, the whole note
    salt_key: bytes = b""  # 32 random bytes; without them the record has no redactable form


def with_artifact(fields: dict[str, Any], artifact: Artifact) -> dict[str, Any]:
    """Return the fields of a record that lists one more file."""
    listed = [*fields["content"]["artifacts"], _artifact(artifact)]
    listed.sort(key=lambda entry: entry["path"])
    return fields | {"content": fields["content"] | {"artifacts": listed}}


def content(
    capture: Capture,
    decision: Decision,
    artifacts: Iterable[Artifact],
    seal: SealFacts = SealFacts(),
) -> dict[str, Any]:
    """
    Return the fields of the record; before the bundle is sealed, without those of its seal.

    Args:
        artifacts: Every file of the bundle except the record, its redactable form, the custody
            chain and the seal.
    """
    response = capture.response
    cut: dict[str, Any] = _cut(
        {
            "authorities": list(seal.authorities),
            "bundle_id": seal.bundle_id,
            "content": {
                "artifacts": [_artifact(artifact) for artifact in artifacts],
                "document_language": capture.document_language,
                "failed_requests": _cut(plain(capture.failed_requests), _MAX_LISTED_URL),
                "fonts": plain(capture.fonts),
                "frames": _cut(plain(capture.frames), _MAX_LISTED_URL),
                "images": _cut(plain(capture.images), _MAX_LISTED_URL),
                "missing_glyphs": plain(capture.missing_glyphs),
                "missing_parts": list(capture.missing_parts),
                "page_size": plain(capture.page_size),
                "pictures": _pictures(capture.pictures),
                "requests": plain(capture.requests),
                "scrolling": plain(capture.scrolling),
                "settlings": plain(capture.settlings),
                "shown_in_pictures": plain(capture.shown_in_pictures),
                "text_characters": capture.text_characters,
            },
            "court_minimum": {
                "full_page_capture": capture.court_minimum.full_page_capture,
                "html_source": capture.court_minimum.html_source,
                "line": court_minimum_line(capture, decision),
                "met": capture.court_minimum.met,
                "url": capture.court_minimum.url,
            },
            "format": FORMAT,
            "from_whom": _answer(response),
            "how": {
                "actions": plain(capture.actions),
                "environment": plain(capture.environment),
                "policy": {
                    "name": decision.policy_name,
                    "sha256": hashlib.sha256(decision.policy_text.encode()).hexdigest(),
                    "why": decision.policy_why,
                },
                "settings": _settings(decision),
                "steps": plain(capture.steps),
            },
            "limits": list(LIMITS),
            "log_checkpoint": seal.log_checkpoint or None,
            "outcome": {
                "reasons": _reasons(capture.reasons),
                "state": capture.outcome.value,
                "warnings": _reasons(capture.warnings),
            },
            "redactions": plain(capture.redactions),
            "requires": {
                "log": decision.require_log,
                "signatures": decision.require_signatures or len(seal.signers),
                "timestamps": decision.require_timestamps,
            },
            "sealed_at": canonical_json.instant(seal.sealed_at or capture.ended_at),
            "signers": [
                {
                    "algorithm": ALGORITHM,
                    "key_id": signer.key_id,
                    "slot": f"sig-{slot:02}",
                    "wacz_auth": slot == 1 and signer.in_software,
                }
                for slot, signer in enumerate(seal.signers, start=1)
            ],
            "software": seal.software,
            "what": {
                "documents": plain(capture.documents),
                "final_url": capture.final_url,
                "http_status": response.status if response else None,
                "redirects": plain(capture.redirects),
                "requested_url": capture.requested_url,
                "title": capture.title,
            },
            "when": {
                "clock": plain(capture.clock),
                "clock_checks": plain(capture.clock_checks),
                "ended_at": canonical_json.instant(capture.ended_at),
                "ended_at_ms": _ms(capture.ended_at),
                "http_date": response.date_header if response else "",
                "navigation_ended_at": plain(capture.navigation_ended_at),
                "navigation_ended_at_ms": _ms(capture.navigation_ended_at),
                "navigation_started_at": plain(capture.navigation_started_at),
                "navigation_started_at_ms": _ms(capture.navigation_started_at),
                "started_at": canonical_json.instant(capture.started_at),
                "started_at_ms": _ms(capture.started_at),
                "timezone": decision.timezone,
            },
            "who": {
                "mode": "local",
                "network": plain(capture.network),
                "network_path": capture.network.path if capture.network else None,
            },
        },
        _MAX_TEXT,
    )
    if seal.salt_key:
        cut[redactable.ANNOUNCED] = {"fields": list(REDACTABLE), "salt_key": seal.salt_key.hex()}
    return cut


def _answer(response: MainResponse | None) -> dict[str, Any] | None:
    """Return the answer; the network record has all headers, and tls.json all certificates."""
    if response is None:
        return None
    answer: dict[str, Any] = plain(response)
    answer["headers"] = answer["headers"][:_MAX_HEADERS]
    if answer["tls"] is not None:
        # A verifier compares a certificate with its digest, and a cut one has another.
        answer["tls"]["chain"] = list(
            itertools.takewhile(lambda each: len(each["pem"]) <= _MAX_TEXT, answer["tls"]["chain"])
        )
    return answer


def court_minimum_line(capture: Capture, decision: Decision) -> str:
    """Return the sentence on the court minimum for the record and the output."""
    if decision.light:
        return "court minimum: not asked for (a light check: no full-page capture)"
    if capture.court_minimum.met:
        return "court minimum: YES (URL, HTML source, full-page capture)"
    return f"court minimum: NO ({', '.join(capture.court_minimum.missing)} missing)"


def _reasons(reasons: Iterable[Reason]) -> list[dict[str, Any]]:
    """Return reasons in the form of the record: `fault` is present only if there is one."""
    return [
        {"code": reason.code, "detail": reason.detail}
        | ({"fault": reason.fault} if reason.fault else {})
        for reason in reasons
    ]


def _artifact(artifact: Artifact) -> dict[str, Any]:
    return {
        "blake3": artifact.digests.blake3,
        "length": artifact.digests.length,
        "made_at": canonical_json.instant(artifact.made_at),
        "made_at_ms": _ms(artifact.made_at),
        "media_type": artifact.media_type,
        "note": artifact.note,
        "path": artifact.path,
        "sha256": artifact.digests.sha256,
        "step": artifact.step,
    }


def _pictures(pictures: Iterable[Picture]) -> list[dict[str, Any]]:
    """Return the pictures, with the tiles of each file as far as a record may list them."""
    listed, left = [], _MAX_TILES
    for picture in pictures:
        value = plain(picture)
        for file in value["files"]:
            file["tile_count"] = len(file["tiles"])
            file["tiles"] = file["tiles"][:left]
            left -= len(file["tiles"])
        listed.append(value)
    return listed


def _settings(decision: Decision) -> dict[str, Any]:
    """
    Return every setting, under its name in `Decision`.

    What stands elsewhere in the record is left out, and so are the texts of rules, which are
    files of their own.
    """
    settings = _group(
        decision,
        *("policy_name", "policy_text", "policy_why"),
        *("require_log", "require_signatures", "require_timestamps"),
        *("browser", "certificate_authorities", "readings", "redact", "scroll_step", "verdict"),
    )
    return settings | {
        "browser": PurePath(decision.browser).name,  # no path of this machine goes into a bundle
        "certificate_authorities": [
            certificate_authority.facts(authority) for authority in decision.certificate_authorities
        ],
        "readings": _group(decision.readings, "sites", "rules", "files"),
        "redact_identity": decision.redact.identity,
        "redact_mode": decision.redact.mode,
        "redact_url_params": list(decision.redact.url_params),
        "redact_viewer_fields": list(decision.redact.viewer_names),
        "scroll_step_percent": round(decision.scroll_step * 100),
        "verdict": _group(decision.verdict, "rule_texts"),
    }


def _group(values: Any, *without: str) -> dict[str, Any]:
    """
    Return a dataclass of settings by name, but for the names in `without`.

    A record has no floats: seconds, `_s` in the name, become integer milliseconds, `_ms`.
    """
    group: dict[str, Any] = {}
    for field in fields(values):
        value = getattr(values, field.name)
        if field.name in without:
            continue
        if field.name.endswith("_s"):
            group[f"{field.name.removesuffix('_s')}_ms"] = round(value * 1000)
        elif is_dataclass(value):
            group[field.name] = _group(value)
        else:
            group[field.name] = sorted(value) if isinstance(value, frozenset) else plain(value)
    return group


def _cut(value: Any, limit: int) -> Any:
    """Cut every text longer than `limit` characters in a value, with a note of its length."""
    if isinstance(value, str) and len(value) > limit:
        return f"{value[:limit]}… (cut; it has {len(value)} characters)"
    if isinstance(value, list):
        return [_cut(item, limit) for item in value]
    if isinstance(value, dict):
        return {key: _cut(item, limit) for key, item in value.items()}
    return value


def _ms(at: datetime | None) -> int | None:
    """Return milliseconds since 1970, which keep the order within a second."""
    return None if at is None else canonical_json.milliseconds(at)
