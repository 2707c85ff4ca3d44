"""
Format bundles for output: list entries as text or JSON, and the main facts of a capture record as
labelled lines.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

from snapshotter.cli.output import (
    format_bytes,
    format_local_time,
    format_time,
    page_facts,
    print_message,
)
from snapshotter.cli.table import Column
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.bundle_overview import BundleOverview
    from snapshotter.app.archive.bundles import ListedBundle
    from snapshotter.model.assessment import Assessment
    from snapshotter.model.copies import Copy
    from snapshotter.model.sentences import CaptureState, PageState
    from snapshotter.model.takedown import Observation

_SHORT_ID = 8  # characters at the end of an id
_ID_AND_TIME = (Column(heading="id"), Column(heading=tr("captured (UTC)")))
LIST_COLUMNS = (
    *_ID_AND_TIME,
    Column(heading="page", least=15),
    Column(heading="capture"),
    Column(heading="title", least=12),
    Column(heading="host", least=8, keeps_end=True),
)
OBSERVATION_COLUMNS = (
    *_ID_AND_TIME,
    Column(heading="page", least=15),
    Column(heading="address", least=12),
)
_MOST_CHARACTERS = 300  # of a text in an overview
_MOST_PARTS = 5  # missing parts that an overview names
_MOST_COPIES = 5  # pages with nearly the same text that are named
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


def bundle_row(entry: "ListedBundle", *, held: bool) -> tuple[str, ...]:
    """Return the cells of a bundle in the table of `list`, in the order of `LIST_COLUMNS`."""
    from snapshotter.app.archive.bundle_list import hosts
    from snapshotter.formats.bundle.store_keys import bundle_time
    from snapshotter.model.sentences import CaptureState, page_words

    at = f"{bundle_time(entry.bundle_id):%Y-%m-%d %H:%M}"
    short = entry.bundle_id[-_SHORT_ID:]
    if entry.erased:
        return short, at, tr("erased"), "", tr("order: {order}", order=entry.erased.order), ""
    if entry.problem:
        return short, at, tr("cannot be read"), "", entry.problem, ""
    capture = CaptureState.of_record(entry.record)
    outcome = capture.outcome.value if capture.outcome is not None else "?"
    what = entry.record["what"]
    host = next(iter(hosts(entry)), "")
    return (
        short,
        at,
        page_words(entry.shown, capture.outcome),
        tr("{outcome}, held", outcome=outcome) if held else outcome,
        what["title"] or what["requested_url"],
        host,
    )


def observation_row(observation: "Observation") -> tuple[str, ...]:
    """Return the cells of a capture of a page, in the order of `OBSERVATION_COLUMNS`."""
    return (
        observation.bundle_id[-_SHORT_ID:],
        f"{observation.at.astimezone(UTC):%Y-%m-%d %H:%M}",
        describe_observation(observation),
        observation.url,
    )


def copy_rows(copies: Sequence["Copy"]) -> list[tuple[str, str]]:
    """Return the rows of captures of other pages with nearly the same text."""
    from snapshotter.formats.printable import cut

    rows = [
        (
            tr("same text"),
            tr(
                "nearly the same text at {url}, capture {bundle_id}",
                url=cut(copy.url, _MOST_CHARACTERS),
                bundle_id=copy.bundle_id,
            ),
        )
        for copy in copies[:_MOST_COPIES]
    ]
    if len(copies) > _MOST_COPIES:
        rows.append(("", tr("and further pages: {count}", count=len(copies) - _MOST_COPIES)))
    return rows


def overview_lines(overview: "BundleOverview", copies: Sequence["Copy"] = ()) -> list[str]:
    """
    Return the facts of a bundle that a person needs first: the headline, then one group.

    Args:
        copies: Captures of other pages with nearly the same text.
    """
    from snapshotter.model import sentences
    from snapshotter.verify.report import group_lines

    record, assessment = overview.record, overview.assessment
    capture = sentences.CaptureState.of_record(record)
    with _strange_records_refused():
        page = sentences.PageState.of(assessment, record["what"]["http_status"])
        headline = sentences.headline(page=page, capture=capture)
        rows = [*_overview_rows(overview, capture, page), *copy_rows(copies)]
    return [
        f"{headline} {sentences.NOT_VERIFIED}",
        "",
        *group_lines(f"bundle {record['bundle_id']}", rows),
    ]


def record_lines(record: dict[str, Any], assessment: "Assessment | None") -> list[str]:
    """Return the facts of a capture record for a person: the headline, then groups."""
    from snapshotter.model import sentences
    from snapshotter.verify.report import group_lines

    capture = sentences.CaptureState.of_record(record)
    with _strange_records_refused():
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
    lines = [f"{headline} {sentences.NOT_VERIFIED}", ""]
    for heading, rows in groups:
        lines += group_lines(heading, [(label, str(text)) for label, text in rows])
    return lines


@contextlib.contextmanager
def _strange_records_refused() -> Iterator[None]:
    """Raise SnapshotterError for a record that lacks fields: a stranger may have written it."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, EvidenceInvalid) as error:
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


Rows = list[tuple[str, Any]]
_SYNCHRONISED = {
    True: tr("synchronised"),
    False: tr("not synchronised"),
    None: tr("synchronisation unknown"),
}


def _overview_rows(
    overview: "BundleOverview", capture: "CaptureState", page: "PageState"
) -> list[tuple[str, str]]:
    from snapshotter.formats.canonical_json import parse_instant
    from snapshotter.formats.printable import cut
    from snapshotter.model.sentences import page_words

    record = overview.record
    what = record["what"]
    requested, final, title = (what[key] for key in ("requested_url", "final_url", "title"))
    rows = [("title", cut(str(title), _MOST_CHARACTERS))] if title else []
    rows.append(("address", cut(str(final), _MOST_CHARACTERS)))
    if requested != final:
        rows.append(("requested", cut(str(requested), _MOST_CHARACTERS)))
    rows += [
        ("captured", format_local_time(parse_instant(record["when"]["started_at"]))),
        ("page", page_words(page.shown, capture.outcome)),
        *(
            (label, cut(text, _MOST_CHARACTERS))
            for label, text in page_facts(page.shown, stub=False)
        ),
        ("capture", capture.outcome.value if capture.outcome is not None else "not established"),
    ]
    missing = _missing(record)
    rows += [("missing", cut(part, _MOST_CHARACTERS)) for part in missing[:_MOST_PARTS]]
    if len(missing) > _MOST_PARTS:
        rows.append(("", tr("and further parts: {count}", count=len(missing) - _MOST_PARTS)))
    if not missing:
        rows.append(("missing", tr("no missing part is known")))
    times = overview.token_times
    time = tr("no timestamp token")
    if times:
        time = tr(
            "timestamp tokens: {count}, the earliest of {time}",
            count=len(times),
            time=format_time(times[0]),
        )
    logged = tr("a log proof is beside the bundle")
    return [
        *rows,
        ("time proof", time),
        ("log", logged if overview.is_logged else tr("no log proof is beside the bundle")),
        *(("signed by", f"key {signer['key_id']}") for signer in record["signers"]),
        (
            "size",
            tr(
                "{bytes}, files in the bundle: {files}",
                bytes=format_bytes(overview.length),
                files=overview.files,
            ),
        ),
    ]


def _missing(record: dict[str, Any]) -> list[str]:
    """Return what the capture lacks, the reasons first, each as a clause."""
    from snapshotter.model.sentences import reason_clause

    content = record["content"]
    images, requests = content["images"], content["requests"]
    missing = [
        reason_clause(reason["code"], reason.get("fault") or "")
        for reason in record["outcome"]["reasons"]
    ]
    missing += map(str, content["missing_parts"])
    if images["loaded"] < images["wanted"]:
        missing.append(
            tr(
                "images: {loaded} of {wanted} loaded",
                loaded=images["loaded"],
                wanted=images["wanted"],
            )
        )
    if requests["answered"] < requests["total"]:
        missing.append(
            tr(
                "answers to requests: {answered} of {total} received",
                answered=requests["answered"],
                total=requests["total"],
            )
        )
    return missing


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
            for failed in content["failed_requests"]
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


def print_left_out(left_out: Mapping[str, str]) -> None:
    """Print how many captures are left out because of their quarantine, which ones, and why."""
    if not left_out:
        return
    print_message(tr("captures in quarantine that are left out: {count}", count=len(left_out)))
    for bundle_id, why in left_out.items():
        print_message(f"  {bundle_id} {why}")
