"""
Format bundles for output: list entries as text or JSON, and the main facts of a capture record as
labelled lines.
"""

from typing import TYPE_CHECKING, Any

from snapshotter.cli.output import (
    format_bytes,
    page_facts,
    verdict_json,
)
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.bundles import ListedBundle
    from snapshotter.model.assessment import Assessment
    from snapshotter.model.sentences import CaptureState, PageState
    from snapshotter.model.takedown import Observation

# The parts of the court minimum in a record.
_MINIMUM = (
    ("url", "URL"),
    ("html_source", "HTML source"),
    ("full_page_capture", tr("full-page capture")),
)


def describe_observation(observation: "Observation") -> str:
    """Return what a capture shows, in a few words: `not available (removal by the author)`."""
    from snapshotter.model.assessment import AssessmentSummary
    from snapshotter.model.sentences import page_words

    shown = AssessmentSummary(
        content=observation.content,
        availability=observation.availability,
        cause=observation.cause,
        undecided=observation.undecided,
        wall=observation.wall,
        ambiguous=observation.ambiguous,
    )
    states = sorted({account.state for account in observation.accounts})
    return page_words(shown) + (f", account {', '.join(states)}" if states else "")


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
    """Return a line of the list: id, time, page, capture, address, title."""
    from snapshotter.model.sentences import CaptureState, page_words

    if entry.erased:
        return tr(
            "{bundle_id}  erased on {at:%Y-%m-%d} by order: {order}",
            bundle_id=entry.bundle_id,
            at=entry.erased.at,
            order=entry.erased.order,
        )
    if entry.problem:
        return tr(
            "{bundle_id}  cannot be read  {problem}",
            bundle_id=entry.bundle_id,
            problem=entry.problem,
        )
    record = entry.record
    what, capture = record["what"], CaptureState.of_record(record)
    status, title = what["http_status"] or "---", what["title"]
    return (
        f"{entry.bundle_id}  {record['when']['started_at']}  "
        f"{page_words(entry.shown, capture.outcome)}  "
        f"{record['outcome']['state']}  {status}  {what['requested_url']}"
        f"{f'  {title}' if title else ''}{tr('  legal hold') if held else ''}"
    )


def record_lines(record: dict[str, Any], assessment: "Assessment | None") -> list[str]:
    """Return the main facts of a capture record for a person: the headline, then groups."""
    from snapshotter.model import sentences
    from snapshotter.verify.report import group_lines

    capture = sentences.CaptureState.of_record(record)
    try:
        page = sentences.PageState.of(assessment, record["what"]["http_status"])
        headline = sentences.headline(page=page, capture=capture)
        state = capture.outcome.value if capture.outcome is not None else "not established"
        groups = (
            (
                f"page: {sentences.page_words(page.shown, capture.outcome)}",
                _page_rows(record, page),
            ),
            (f"capture: {state}", _capture_rows(record, capture, page)),
            (tr("proof: not verified"), _proof_rows(record)),
            ("environment", _environment_rows(record)),
            ("files", _file_rows(record)),
        )
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        # A stranger may have written the record, so it may lack fields.
        why = (
            tr("the field {error} is missing", error=error)
            if isinstance(error, KeyError)
            else str(error)
        )
        raise SnapshotterError(
            tr("the capture record is invalid: {why}", why=why),
            hint=tr(
                "print the record as JSON with the option --json, or verify the bundle:\n  "
                "snapshotter verify BUNDLE"
            ),
        ) from error
    lines = [f"{headline} {sentences.NOT_VERIFIED}", ""]
    for heading, rows in groups:
        lines += group_lines(heading, [(label, str(text)) for label, text in rows])
    return lines


Rows = list[tuple[str, Any]]
_SYNCHRONISED = {
    True: tr("synchronised"),
    False: tr("not synchronised"),
    None: tr("synchronisation unknown"),
}


def _page_rows(record: dict[str, Any], page: "PageState") -> Rows:
    from snapshotter.model.sentences import format_http_status

    what = record["what"]
    status = what["http_status"]
    return [
        ("requested", what["requested_url"]),
        *(
            ("redirect", f"{hop['status'] or hop['kind']} {hop['to_url']}")
            for hop in what["redirects"]
        ),
        ("final", what["final_url"]),
        ("title", what["title"]),
        ("status", format_http_status(status) if status else "no answer"),
        *page_facts(page.shown),
    ]


def _capture_rows(record: dict[str, Any], capture: "CaptureState", page: "PageState") -> Rows:
    from snapshotter.model.sentences import court_minimum_words, qualify_court_minimum

    outcome, minimum, content = (record[key] for key in ("outcome", "court_minimum", "content"))
    met = minimum["met"] is True
    missing = [name for key, name in _MINIMUM if minimum[key] is not True]
    words = court_minimum_words(met, missing, light=capture.light)
    when, images, requests = record["when"], content["images"], content["requests"]
    return [
        *(("reason", f"{reason['code']}: {reason['detail']}") for reason in outcome["reasons"]),
        *(
            ("warning", f"{warning['code']}: {warning['detail']}")
            for warning in outcome.get("warnings", ())
        ),
        ("captured", f"{when['started_at']} to {when['ended_at']}"),
        ("images", f"{images['loaded']} of {images['wanted']} loaded"),
        ("requests", f"{requests['answered']} of {requests['total']} answered"),
        *(
            ("no answer", f"{failed['error']} {failed['url']}")
            for failed in content["failed_requests"][:20]
        ),
        *(("missing", part) for part in content["missing_parts"]),
        *(_replaced(item["place"], item["name"], item["count"]) for item in record["redactions"]),
        ("court minimum", qualify_court_minimum(words, met, page.shown)),
    ]


def _proof_rows(record: dict[str, Any]) -> Rows:
    return [
        ("bundle", record["bundle_id"]),
        (
            "sealed",
            tr(
                "{record}, according to the clock of the machine that made the capture",
                record=record["sealed_at"],
            ),
        ),
        *(("signed by", f"key {signer['key_id']}") for signer in record["signers"]),
    ]


def _environment_rows(record: dict[str, Any]) -> Rows:
    when, how, whom = record["when"], record["how"], record["from_whom"]
    environment, clock = how["environment"], when["clock"]
    rows: Rows = [
        ("policy", how["policy"]["name"]),
        ("software", record["software"]),
        ("browser", environment["browser_product"]),
        ("sandbox", environment["sandbox"]["detail"]),
        (
            "clock",
            tr(
                "{clock}, {synchronised}, {error}; Date header of the server: {when}",
                clock=clock["source"],
                synchronised=_SYNCHRONISED.get(clock["synchronised"], _SYNCHRONISED[None]),
                error=tr("error at most {error} ms", error=clock["max_error_ms"])
                if clock["max_error_ms"] is not None
                else tr("error unknown"),
                when=when["http_date"] or "none",
            ),
        ),
    ]
    if whom:
        rows.append(("server", f"{whom['remote_ip']} port {whom['remote_port']}"))
        if whom["tls"]:
            chain = whom["tls"]["chain"]
            leaf = f", {chain[0]['subject']} by {chain[0]['issuer']}" if chain else ""
            rows.append(("TLS", f"{whom['tls']['protocol']} {whom['tls']['cipher']}{leaf}"))
    return rows


def _file_rows(record: dict[str, Any]) -> Rows:
    return [
        ("", f"{item['path']} {format_bytes(item['length'])} {item['note']}".rstrip())
        for item in record["content"]["artifacts"]
    ]


def _replaced(source: str, name: str, count: int) -> tuple[str, str]:
    """Return label and text for values that commitments replace."""
    if source == "viewer-field":
        return "removed", tr(
            "data about the visitor in the field {name}, number of places: {count}",
            name=name,
            count=count,
        )
    return "replaced", tr(
        "values of {name} in {source}, number of places: {count}",
        name=name,
        source=source,
        count=count,
    )
