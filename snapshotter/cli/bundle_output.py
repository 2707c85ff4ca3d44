"""
Format bundles for output: list entries as text or JSON, and the main facts of a capture record as
labelled lines.
"""

from typing import TYPE_CHECKING, Any

from snapshotter.cli.output import (
    format_bytes,
    verdict_json,
    verdict_lines,
)
from snapshotter.errors import SnapshotterError

if TYPE_CHECKING:
    from snapshotter.app.archive.bundles import ListedBundle
    from snapshotter.model.assessment import Assessment
    from snapshotter.model.takedown import Observation

# The parts of the court minimum in a record.
_MINIMUM = (
    ("url", "URL"),
    ("html_source", "HTML source"),
    ("full_page_capture", "full-page capture"),
)


def describe_observation(observation: "Observation") -> str:
    """Return what a capture shows, in a few words: `unavailable (author)`."""
    words: str = observation.availability.value
    why = observation.cause or observation.undecided
    words += f" ({why.value})" if why else ""
    states = sorted({account.state for account in observation.accounts})
    return words + (f", account {', '.join(states)}" if states else "")


def bundle_json(entry: "ListedBundle", *, held: bool) -> dict[str, Any]:
    from snapshotter.formats.canonical_json import instant

    record, erased = entry.record, entry.erased
    what = record.get("what", {})
    return {
        "bundle_id": entry.bundle_id,
        "bytes": entry.object.length,
        "captured_at": record.get("when", {}).get("started_at"),
        "erased": {"at": instant(erased.at), "by": erased.by, "order": erased.order}
        if erased
        else None,
        "final_url": what.get("final_url"),
        "held": held,
        "http_status": what.get("http_status"),
        "key": entry.object.key,
        "outcome": record.get("outcome", {}).get("state"),
        "problem": entry.problem or None,
        "requested_url": what.get("requested_url"),
        "title": what.get("title"),
        "verdict": verdict_json(entry.shown),
    }


def bundle_line(entry: "ListedBundle", *, held: bool) -> str:
    if entry.erased:
        return (
            f"{entry.bundle_id}  erased by order of {entry.erased.at:%Y-%m-%d}  "
            f"{entry.erased.order}"
        )
    if entry.problem:
        return f"{entry.bundle_id}  unreadable  {entry.problem}"
    record = entry.record
    what = record["what"]
    status, title = what["http_status"] or "---", what["title"]
    shown = f"  {entry.shown.words}" if entry.shown is not None else ""
    return (
        f"{entry.bundle_id}  {record['when']['started_at']}  {record['outcome']['state']:<8}  "
        f"{status}{shown}  {what['requested_url']}{f'  {title}' if title else ''}"
        f"{'  held' if held else ''}"
    )


def record_lines(record: dict[str, Any], assessment: "Assessment | None") -> list[tuple[str, str]]:
    """Return the main facts of a capture record, each as a label and a text."""
    from snapshotter.model import sentences

    capture = sentences.CaptureState.of_record(record)

    try:
        what, when, how, content = (record[key] for key in ("what", "when", "how", "content"))
        whom, environment = record["from_whom"], how["environment"]
        clock = when["clock"]
        minimum = record["court_minimum"]
        page = sentences.PageState.of(assessment, what["http_status"])
        shown = page.shown
        missing = [name for key, name in _MINIMUM if minimum[key] is not True]
        words = sentences.court_minimum_words(minimum["met"] is True, missing, light=capture.light)
        lines = [
            (
                "in short",
                f"{sentences.headline(page=page, capture=capture)} {sentences.NOT_VERIFIED}",
            ),
            ("bundle", record["bundle_id"]),
            ("title", what["title"]),
            ("requested", what["requested_url"]),
            *(
                ("redirect", f"{hop['status'] or hop['kind']} {hop['to_url']}")
                for hop in what["redirects"]
            ),
            ("final", what["final_url"]),
            ("HTTP status", str(what["http_status"] or "none")),
            *verdict_lines(shown),
            ("outcome", record["outcome"]["state"]),
            *(
                ("", f"{reason['code']}: {reason['detail']}")
                for reason in record["outcome"]["reasons"]
            ),
            *(
                ("", f"warning: {warning['code']}: {warning['detail']}")
                for warning in record["outcome"].get("warnings", ())
            ),
            (
                "court minimum",
                sentences.qualify_court_minimum(words, minimum["met"] is True, shown),
            ),
            ("captured", f"{when['started_at']} to {when['ended_at']}"),
            (
                "clock",
                f"{clock['source']}, synchronised: {clock['synchronised']}, "
                f"error at most {clock['max_error_ms']} ms; server's Date: "
                f"{when['http_date'] or 'none'}",
            ),
            ("sealed", record["sealed_at"]),
            ("signed by", ", ".join(signer["key_id"] for signer in record["signers"])),
            ("software", record["software"]),
            ("browser", environment["browser_product"]),
            ("sandbox", environment["sandbox"]["detail"]),
            ("policy", how["policy"]["name"]),
        ]
        if whom:
            lines.append(("server", f"{whom['remote_ip']} port {whom['remote_port']}"))
            if whom["tls"]:
                chain = whom["tls"]["chain"]
                leaf = f", {chain[0]['subject']} by {chain[0]['issuer']}" if chain else ""
                lines.append(("TLS", f"{whom['tls']['protocol']} {whom['tls']['cipher']}{leaf}"))
        images, requests = content["images"], content["requests"]
        lines += [
            ("images", f"{images['loaded']} of {images['wanted']} loaded"),
            ("requests", f"{requests['answered']} of {requests['total']} answered"),
            *(
                ("no answer", f"{failed['error']} {failed['url']}")
                for failed in content["failed_requests"][:20]
            ),
            *(("missing", part) for part in content["missing_parts"]),
            *(
                _replaced(item["place"], item["name"], item["count"])
                for item in record["redactions"]
            ),
            *(
                ("file", f"{item['path']} {format_bytes(item['length'])} {item['note']}".rstrip())
                for item in content["artifacts"]
            ),
        ]
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        # A stranger may have written the record, so it may lack fields.
        why = (
            f"has no {error}" if isinstance(error, KeyError) else f"is not as it has to be: {error}"
        )
        raise SnapshotterError(
            f"the capture record {why}",
            hint="snapshotter show --json prints it as it is; snapshotter verify judges it",
        ) from error
    return [(label, str(text)) for label, text in lines]


def _replaced(source: str, name: str, count: int) -> tuple[str, str]:
    """Return label and text for values that commitments replace."""
    if source == "viewer-field":
        return "removed", f"viewer field removed: {name} ({count} times)"
    return "replaced", f"{count} {name} values ({source})"
