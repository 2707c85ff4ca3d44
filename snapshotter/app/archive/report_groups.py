"""
Make the fields and tables of a capture report, in the groups of docs/spec/report.md.

Each value has its source, and a basis: verified by the verification of the report, or the author's
word. A field that the record does not state is in the report too, as absent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from snapshotter.app.archive.record_fields import MAX_ROWS, RecordFields, as_kind, that_fit
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import custody_sidecars, names, redactable, store_keys
from snapshotter.formats.proofs.rfc3161 import Token
from snapshotter.model import sentences
from snapshotter.model.assessment import AssessmentSummary
from snapshotter.model.capture_report import (
    Basis,
    Column,
    Field,
    Group,
    Kind,
    Presence,
    Row,
    Source,
    Table,
    Value,
)
from snapshotter.model.custody import REPLICATION
from snapshotter.model.finding import Report, Verdict
from snapshotter.model.sentences import CaptureState, PageState, ProofState
from snapshotter.report.capture_page import ACTION_WORDS, STEP_STATES, CaptureMaterial
from snapshotter.report.local_time import LocalTime
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.trust import Trust

ANNOTATIONS: Final = "annotations"
ASSESSMENT: Final = "capture/assessment.json"
NETWORK: Final = "capture/network.json"
POLICY: Final = "capture/policy.toml"
VERIFICATION: Final = "verification"
TRUST: Final = "trust"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadToken:
    """A timestamp token of a bundle."""

    file: str  # a member, or what follows the bundle's name and a dot
    slot: int | None  # of the signature that it is over; None: no trusted authority's is good
    authority: str  # as the trust file names it; "" if it is not good
    token: Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A bundle that was just verified, and what was read of it."""

    material: CaptureMaterial
    report: Report
    trust: Trust
    network: Any = None  # `capture/network.json`
    assessment: Any = None  # `capture/assessment.json`
    policy: str = ""  # TOML
    chain: tuple[custody_sidecars.ChainedEvent, ...] = ()
    tokens: tuple[ReadToken, ...] = ()
    unread: tuple[str, ...] = ()
    exhibit: str = ""  # case and number; "" for none

    @property
    def bundle_id(self) -> str:
        """The id that the bundle states; if it states none, the name under which it was given."""
        stated = self.report.bundle_id
        return stated if store_keys.is_id(stated) else self.material.name

    @property
    def bundle_file(self) -> str:
        """The name of the bundle as a file."""
        return f"{self.bundle_id.removesuffix('.wacz')}.wacz"

    @property
    def checked(self) -> Basis:
        """The basis of what the verification checks or computes."""
        return Basis.VERIFIED if self.is_sound else Basis.UNVERIFIED

    @property
    def stated(self) -> Basis:
        """The basis of what a signed file of the bundle states."""
        return Basis.STATED if self.is_sound else Basis.UNVERIFIED

    @property
    def is_sound(self) -> bool:
        """Whether every check was made, and none FAILED."""
        is_copy = self.is_redacted and self.report.verdict is not Verdict.FAILED
        return self.report.established is not None or is_copy

    @property
    def is_redacted(self) -> bool:
        """Whether the file is a redacted copy."""
        return self.report.withheld is not None

    @property
    def withheld_files(self) -> frozenset[str]:
        """The members that a redacted copy lacks."""
        withheld = self.report.withheld
        return frozenset(withheld.files if withheld is not None else ())

    @property
    def record(self) -> RecordFields:
        """The capture record, or the redactable record of a redacted copy."""
        root = self.material.record
        is_redactable = root.get("format") == redactable.FORMAT
        return RecordFields(
            root=root,
            basis=self.stated,
            file=redactable.PATH if is_redactable else names.CAPTURE_RECORD,
        )

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of each member of the bundle, as the verification computed it."""
        known = self.report.established
        return {path: found.sha256 for path, found in known.members.items()} if known else {}

    @property
    def manifest_sha256(self) -> str:
        """SHA-256 of the signed list of files; "" if the verification did not establish it."""
        withheld = self.report.withheld
        if withheld is not None:
            return withheld.manifest_sha256 if self.is_sound else ""
        return self.digests.get(names.MANIFEST_SHA256, "")

    def found(
        self,
        key: str,
        term: str,
        value: Value,
        source: str,
        *,
        kind: Kind = Kind.TEXT,
        basis: Basis | None = None,
        pointer: str = "",
        note: str = "",
    ) -> Field:
        """Return a field whose value the verification found."""
        is_there = value is not None and value not in ("", ())
        return Field(
            key=key,
            term=term,
            value=value if is_there else None,
            kind=kind,
            basis=basis or self.checked,
            source=Source(file=source, pointer=pointer),
            presence=Presence.PRESENT if is_there else Presence.ABSENT,
            note=note,
        )


def groups(of: Evidence, local: LocalTime) -> tuple[Group, ...]:
    """Return all fields and tables of the report."""
    made = (
        Group(key="what", term=tr("What was captured"), items=tuple(_what(of))),
        Group(key="when", term=tr("When"), items=tuple(_when(of))),
        Group(key="who", term=tr("Who made the capture, and from where"), items=tuple(_who(of))),
        Group(key="how", term=tr("How the page was captured"), items=tuple(_how(of))),
        Group(key="from_whom", term=tr("What the server sent"), items=tuple(_from_whom(of))),
        Group(key="content", term=tr("What the capture contains"), items=tuple(_content(of))),
        Group(key="integrity", term=tr("Integrity"), items=tuple(_integrity(of))),
        Group(key="custody", term=tr("Custody"), items=tuple(_custody(of))),
        Group(key="redactions", term=tr("Redactions"), items=tuple(_redactions(of))),
        Group(
            key="limits",
            term=tr("What the report does not prove"),
            items=(of.record.field("record", tr("The record states"), "/limits", Kind.LINES),),
        ),
    )
    return tuple(
        replace(group, items=tuple(_unless_withheld(of, item) for item in group.items))
        for group in made
    )


def _unless_withheld(of: Evidence, item: Field | Table) -> Field | Table:
    """Return an item as it is, or as withheld if its file is."""
    if item.source.file not in of.withheld_files:
        return item
    note = tr("The file {file} is withheld.", file=item.source.file)
    if isinstance(item, Table):
        return item if item.rows else replace(item, empty=note)
    if item.presence is not Presence.ABSENT:
        return item
    return replace(item, presence=Presence.WITHHELD, note=note)


def instant(at: datetime | None) -> str | None:
    """Return an instant as reports have it; None for none."""
    return canonical_json.instant(at) if at is not None else None


def operator(of: Evidence) -> tuple[str, Source]:
    """Return who stored the bundle, as the first event after the seal names them, or ""."""
    for position, event in _positions(of):
        if event.number:
            return event.event.by, _event_source(of, event, position, "by")
    return "", Source(file=f"{of.bundle_file}.custody-0001.jsonl", pointer="/0/by")


# --- what ---------------------------------------------------------------------------------------


def _what(of: Evidence) -> Iterator[Field | Table]:
    record, report = of.record, of.report
    assessed = RecordFields(root=of.assessment, basis=of.stated, file=ASSESSMENT)
    shown = (
        AssessmentSummary.of(of.material.assessment) if of.material.assessment is not None else None
    )
    is_failed = report.verdict is Verdict.FAILED
    of_copy = tr("This file is a redacted copy of the bundle.") if of.is_redacted else ""
    yield of.found("bundle_sha256", tr("SHA-256 of the bundle"), report.sha256, of.bundle_file,
                   kind=Kind.DIGEST, basis=Basis.VERIFIED, note=of_copy)  # fmt: skip
    yield of.found("bundle_bytes", tr("Length of the bundle"), report.length, of.bundle_file,
                   kind=Kind.BYTES, basis=Basis.VERIFIED)  # fmt: skip
    yield record.field("bundle_id", tr("Id of the bundle"), "/bundle_id")
    yield of.found("exhibit", tr("Exhibit"), of.exhibit, ANNOTATIONS, basis=Basis.UNVERIFIED)
    yield assessed.field("identity", tr("Identity of the page by the rules of its site"),
                         "/identity")  # fmt: skip
    yield record.field("requested_url", tr("Requested address"), "/what/requested_url",
                       Kind.ADDRESS)  # fmt: skip
    yield record.field("final_url", tr("Final address"), "/what/final_url", Kind.ADDRESS)
    yield record.table(
        "redirects", tr("Redirects"), "/what/redirects",
        (
            (Column(key="kind", term=tr("Kind")), "kind"),
            (Column(key="from_url", term=tr("From"), kind=Kind.ADDRESS), "from_url"),
            (Column(key="to_url", term=tr("To"), kind=Kind.ADDRESS), "to_url"),
            (Column(key="status", term=tr("Status"), kind=Kind.CODE), "status"),
            (Column(key="at", term=tr("Time"), kind=Kind.INSTANT), "at"),
        ),
        empty=tr("No redirect was recorded."),
    )  # fmt: skip
    yield record.field("title", tr("Title of the page"), "/what/title")
    yield record.field("http_status", tr("HTTP status"), "/what/http_status", Kind.CODE)
    outcome = CaptureState.of_record(record.root) if record.root else None
    page = PageState.of(of.material.assessment, record.number("/what/http_status"))
    yield of.found(
        "verdict", tr("Is the page there?"),
        None if is_failed or outcome is None or ASSESSMENT in of.withheld_files
        else sentences.page_sentence(page, outcome.outcome),
        ASSESSMENT, pointer="/takedown", basis=of.stated,
        note=tr("The rules that the bundle contains give this answer."),
    )  # fmt: skip
    yield assessed.field("notice", tr("Notice on the page"), "/takedown/notice")
    yield of.found(
        "whole", tr("Is the capture whole?"),
        None if is_failed or outcome is None or outcome.outcome is None
        else sentences.capture_sentence(outcome),
        record.file, pointer="/outcome", basis=of.stated,
    )  # fmt: skip
    court = record.at("/court_minimum")
    minimum = None
    if isinstance(court, Mapping) and isinstance(court.get("met"), bool):
        parts = (("url", "URL"), ("html_source", tr("HTML source")),
                 ("full_page_capture", tr("full-page capture")))  # fmt: skip
        lacking = [words for name, words in parts if court.get(name) is not True]
        minimum = sentences.qualify_court_minimum(
            sentences.court_minimum_words(
                court["met"], lacking, light=outcome is not None and outcome.light
            ),
            court["met"],
            shown,
        )
    yield of.found("court_minimum", tr("Court minimum (Berkeley Protocol, paragraph 155)"), minimum,
                   record.file, pointer="/court_minimum", basis=of.stated,
                   note=tr("The record states this about the whole bundle, not about this copy.")
                   if of.is_redacted else "")  # fmt: skip


# --- when ---------------------------------------------------------------------------------------


def _when(of: Evidence) -> Iterator[Field | Table]:
    record, report = of.record, of.report
    for key, term in (
        ("started_at", tr("Capture began")),
        ("navigation_started_at", tr("Navigation began")),
        ("navigation_ended_at", tr("Navigation ended")),
        ("ended_at", tr("Capture ended")),
    ):
        yield record.field(key, term, f"/when/{key}", Kind.INSTANT)
    yield record.field("sealed_at", tr("Seal began"), "/sealed_at", Kind.INSTANT,
                       note=tr("The clock of the capturing machine gives these times.")
                       )  # fmt: skip
    yield record.field("timezone", tr("Time zone given to the page"), "/when/timezone")
    yield record.field("locale", tr("Language given to the page"), "/how/settings/locale")
    yield record.field("clock_source", tr("Source of the clock's state"), "/when/clock/source")
    yield record.field("clock_synchronised", tr("Clock was synchronised"),
                       "/when/clock/synchronised", Kind.FLAG)  # fmt: skip
    yield record.field("clock_offset_ms", tr("Offset of the clock"), "/when/clock/offset_ms",
                       Kind.MILLISECONDS)  # fmt: skip
    yield record.field("clock_max_error_ms", tr("Largest error of the clock"),
                       "/when/clock/max_error_ms", Kind.MILLISECONDS)  # fmt: skip
    yield record.field("clock_leap", tr("Leap second status"), "/when/clock/leap")
    yield record.field("http_date", tr("Date header of the server"), "/when/http_date",
                       note=tr("The server states this time. The header is no proof of time.")
                       )  # fmt: skip
    yield record.table(
        "clock_checks", tr("Other times that the server and the page stated"), "/when/clock_checks",
        (
            (Column(key="source", term=tr("Source")), "source"),
            (Column(key="name", term=tr("Name")), "name"),
            (Column(key="value", term=tr("Stated")), "value"),
            (Column(key="ours", term=tr("Clock of the capturing machine"), kind=Kind.INSTANT),
             "ours"),
            (Column(key="skew_ms", term=tr("Difference"), kind=Kind.MILLISECONDS), "skew_ms"),
            (Column(key="within_bound", term=tr("Within the limit of the policy"),
                    kind=Kind.FLAG), "within_bound"),
        ),
        empty=tr("No other time was recorded."),
    )  # fmt: skip
    yield _tokens(of)
    proven = report.proven_time if report.verdict is not Verdict.FAILED else None
    tokens = names.token(1, 1)
    yield of.found("proven_time", tr("Time by which the bundle existed"), instant(proven), tokens,
                   kind=Kind.INSTANT)  # fmt: skip
    yield of.found("authorities", tr("Timestamp authorities that confirm the time"),
                   report.authorities if proven is not None else None, TRUST,
                   kind=Kind.LINES)  # fmt: skip
    ended = _instant(record.text("/when/ended_at"))
    delay = int((proven - ended).total_seconds() * 1000) if proven and ended else None
    yield of.found("token_delay_ms", tr("Time between the end of the capture and the proven time"),
                   delay, tokens, kind=Kind.MILLISECONDS, basis=of.stated,
                   note=tr("The end of the capture is a time of the capturing machine, in whole "
                           "seconds."))  # fmt: skip
    yield of.found("qualified", tr("Qualified under eIDAS"), None, TRUST,
                   note=tr("The software reads no list of qualified timestamp authorities. "
                           "Therefore this document does not state whether an authority is "
                           "qualified."))  # fmt: skip


def _tokens(of: Evidence) -> Table:
    columns = (
        Column(key="file", term=tr("File")),
        Column(key="authority", term=tr("Authority")),
        Column(key="time", term=tr("Time"), kind=Kind.INSTANT),
        Column(key="accuracy_ms", term=tr("Accuracy"), kind=Kind.MILLISECONDS),
        Column(key="policy_oid", term=tr("Policy"), under="authority"),
        Column(key="serial", term=tr("Serial number"), under="authority"),
        Column(key="signer", term=tr("Certificate of the signer"), under="authority"),
        Column(key="signature", term=tr("Over the signature")),
    )
    rows = []
    for read in of.tokens:
        is_good = read.slot is not None and of.checked is Basis.VERIFIED
        file = read.file if read.file.startswith("seal/") else f"{of.bundle_file}.{read.file}"
        rows.append(
            Row(
                values=(
                    file,
                    read.authority if is_good else tr("not by a trusted authority"),
                    instant(read.token.time),
                    read.token.accuracy_ms,
                    read.token.policy_oid,
                    str(read.token.serial),
                    read.token.signer_subject,
                    f"sig-{read.slot:02}" if read.slot is not None else None,
                ),
                basis=Basis.VERIFIED if is_good else Basis.UNVERIFIED,
                source=Source(file=file),
            )
        )
    return Table(
        key="tokens",
        term=tr("Timestamp tokens (RFC 3161)"),
        columns=columns,
        rows=tuple(rows),
        total=len(rows),
        source=Source(file="seal"),
        empty=tr("The bundle has no timestamp token."),
        note=tr(
            "A token proves that the signature, and with it the bundle, existed at this time. An "
            "authority that states no accuracy has an empty cell."
        ),
    )


# --- who ----------------------------------------------------------------------------------------


def _who(of: Evidence) -> Iterator[Field | Table]:
    record = of.record
    name, source = operator(of)
    yield of.found("operator", tr("Person or organisation that stored the capture"), name,
                   source.file, pointer=source.pointer, basis=Basis.UNVERIFIED,
                   note=tr("The operator writes this name into the settings of the software.")
                   )  # fmt: skip
    known = [key for key in map(of.trust.key, _key_ids(of)) if key is not None and has_owners(of)]
    yield of.found("organisation", tr("Owner of the signing key"),
                   tuple(dict.fromkeys(key.owner for key in known)), TRUST, kind=Kind.LINES,
                   note=""
        if has_owners(of)
        else tr(
            "A trust file names the owners of keys. The report was made without a trust file."
        ))  # fmt: skip
    yield record.field("worker", tr("Capturing machine"), "/who/worker",
                       note=tr("A record names no person and no machine."))  # fmt: skip
    yield record.field("mode", tr("Mode"), "/who/mode")
    yield record.field("network_path", tr("Path through the network"), "/who/network_path")
    yield record.field("network_enforced", tr("The kernel enforced the path"),
                       "/who/network/enforced", Kind.FLAG)  # fmt: skip
    yield record.field("network_how", tr("How the path was enforced"), "/who/network/how")
    yield record.field("vantage", tr("Name of the path"), "/who/network/vantage")
    yield record.field("exit_country", tr("Country of the exit"), "/who/network/country")
    yield record.field("public_address", tr("Public address of the capturing machine"),
                       "/who/network/public_address",
                       note=tr("A record has no address of the capturing machine."))  # fmt: skip
    new = tr(
        "The record states no log-in session. The software begins each capture with a new browser "
        "profile, without cookies and files of earlier visits."
    )
    for key, term, value in (
        ("account", tr("Account state"), tr("anonymous: no log-in session was used")),
        ("cache", tr("Cache state"), tr("empty at the beginning")),
    ):
        yield of.found(key, term, value if record.root else None, record.file,
                       pointer="/software", basis=Basis.UNVERIFIED, note=new)  # fmt: skip


def _key_ids(of: Evidence) -> tuple[str, ...]:
    known = of.report.established
    if known is not None:
        return known.signers
    return tuple(
        signer["key_id"]
        for _, signer in of.record.objects("/signers")
        if isinstance(signer.get("key_id"), str)
    )


# --- how ----------------------------------------------------------------------------------------


def _how(of: Evidence) -> Iterator[Field | Table]:
    record = of.record
    for key, term, pointer, kind in (
        ("software", tr("Software"), "/software", Kind.TEXT),
        ("build", tr("Digest of the software"), "/how/environment/build_sha256", Kind.DIGEST),
        ("browser", tr("Browser"), "/how/environment/browser_product", Kind.TEXT),
        ("browser_revision", tr("Revision of the browser"), "/how/environment/browser_revision",
         Kind.TEXT),
        ("browser_sha256", tr("SHA-256 of the browser"), "/how/environment/browser_sha256",
         Kind.DIGEST),
        ("browser_arguments", tr("Arguments of the browser"),
         "/how/environment/browser_arguments", Kind.LINES),
        ("os", tr("Operating system"), "/how/environment/os", Kind.TEXT),
        ("kernel", tr("Kernel"), "/how/environment/kernel", Kind.TEXT),
        ("architecture", tr("Architecture"), "/how/environment/architecture", Kind.TEXT),
        ("python", tr("Python"), "/how/environment/python", Kind.TEXT),
        ("playwright", tr("Playwright"), "/how/environment/playwright", Kind.TEXT),
        ("image_digest", tr("Digest of the container image"), "/how/environment/image_digest",
         Kind.DIGEST),
        ("sandbox_enforced", tr("The browser had a sandbox"),
         "/how/environment/sandbox/enforced", Kind.FLAG),
        ("sandbox_detail", tr("Sandbox"), "/how/environment/sandbox/detail", Kind.TEXT),
        ("scale", tr("Device pixels of a CSS pixel"), "/how/settings/scale", Kind.NUMBER),
        ("user_agent", tr("User agent"), "/how/environment/user_agent", Kind.TEXT),
        ("fonts_sha256", tr("SHA-256 of the list of fonts"), "/how/environment/fonts_sha256",
         Kind.DIGEST),
        ("fonts_count", tr("Number of fonts"), "/how/environment/fonts_count", Kind.NUMBER),
        ("light", tr("Light check"), "/how/settings/light", Kind.FLAG),
        ("policy", tr("Policy"), "/how/policy/name", Kind.TEXT),
        ("policy_version", tr("Version of the policy"), "/how/policy/version", Kind.TEXT),
        ("policy_why", tr("Why this policy"), "/how/policy/why", Kind.TEXT),
    ):  # fmt: skip
        yield record.field(key, term, pointer, kind)
    window = as_kind(record.at("/how/settings/viewport_px"), Kind.LINES)
    yield of.found("window", tr("Width and height of the window, CSS pixels"),
                   " × ".join(window) if isinstance(window, tuple) else None,
                   record.file, pointer="/how/settings/viewport_px",
                   basis=of.stated)  # fmt: skip
    yield record.field("policy_sha256", tr("SHA-256 of the policy"), "/how/policy/sha256",
                       Kind.DIGEST,
                       basis=of.stated if POLICY in of.withheld_files else of.checked)  # fmt: skip
    yield of.found("policy_text", tr("Text of the policy"), of.policy, POLICY, kind=Kind.BLOCK,
                   basis=of.stated)  # fmt: skip
    yield record.table(
        "actions", tr("Actions on the page"), "/how/actions",
        (
            (Column(key="at", term=tr("Time"), kind=Kind.INSTANT), "at"),
            (Column(key="action", term=tr("Action")), _action),
            (Column(key="detail", term=tr("Details")), "detail"),
            (Column(key="text_before", term=tr("Characters before"), kind=Kind.NUMBER),
             lambda item: _change(item, "text_before")),
            (Column(key="text_after", term=tr("Characters after"), kind=Kind.NUMBER),
             lambda item: _change(item, "text_after")),
        ),
        empty=tr("The software did no action on the page."),
        note=tr(
            "The characters before and after are the length of the page's text before and after "
            "the action."
        ),
    )  # fmt: skip
    yield record.table(
        "steps", tr("Steps of the capture"), "/how/steps",
        (
            (Column(key="name", term=tr("Step")), _step),
            (Column(key="state", term=tr("Result")), _step_state),
            (Column(key="started_at", term=tr("Began"), kind=Kind.INSTANT), "started_at"),
            (Column(key="duration_ms", term=tr("Duration"), kind=Kind.MILLISECONDS),
             "duration_ms"),
            (Column(key="detail", term=tr("Details")), "detail"),
        ),
        empty=tr("The record states no step."),
    )  # fmt: skip
    yield record.table(
        "waits", tr("Waits for the page"), "/content/settlings",
        (
            (Column(key="at", term=tr("Time"), kind=Kind.INSTANT), "at"),
            (Column(key="duration_ms", term=tr("Duration"), kind=Kind.MILLISECONDS),
             "duration_ms"),
            (Column(key="how", term=tr("Why the wait ended")), "how"),
            (Column(key="meaning", term=tr("Meaning"), under="how"),
             lambda item: _WAIT_ENDS.get(str(item.get("how")))),
        ),
        empty=tr("The record states no wait."),
    )  # fmt: skip
    for key, term in (
        ("steps", tr("Scroll steps")), ("height", tr("Height of the scrolled part, CSS pixels"))
    ):  # fmt: skip
        yield record.field(f"scroll_{key}", term, f"/content/scrolling/{key}", Kind.NUMBER)
    stopped = record.field("scroll_stopped", tr("Why scrolling ended"),
                           "/content/scrolling/stopped")  # fmt: skip
    yield replace(stopped, note=_SCROLL_ENDS.get(str(stopped.value), ""))
    yield record.table(
        "failed_requests", tr("Requests that were blocked or failed"), "/content/failed_requests",
        (
            (Column(key="url", term=tr("Address"), kind=Kind.ADDRESS), "url"),
            (Column(key="resource_type", term=tr("Type")), "resource_type"),
            (Column(key="error", term=tr("Reason")), "error"),
        ),
        empty=tr("No request was blocked, and none failed."),
    )  # fmt: skip


# docs/spec/capture-record.md, `content.settlings`
_WAIT_ENDS: Final[Mapping[str, str]] = {
    "nothing-pending": tr("the page announced nothing for the next 3 seconds"),
    "observed": tr("the page did not change for 1 second"),
    "cap": tr("the time limit was reached"),
    "went-on": tr("the page opened another document, or did not answer"),
    "scripts-stopped": tr("the scripts of the page were stopped"),
}
_SCROLL_ENDS: Final[Mapping[str, str]] = {
    "bottom": tr("The end of the page was reached."),
    "steps": tr("The limit of scroll steps was reached."),
    "time": tr("The time limit was reached."),
    "height": tr("The limit of the height was reached."),
    "blocked": tr("The page did not scroll any further."),
}


def _action(item: Mapping[str, Any]) -> Value:
    kind = item.get("kind")
    if not isinstance(kind, str):
        return as_kind(kind, Kind.TEXT)
    return ACTION_WORDS.get(kind, kind.replace("-", " "))


def _change(item: Mapping[str, Any], name: str) -> Value:
    change = item.get("change")
    return as_kind(change.get(name), Kind.NUMBER) if isinstance(change, Mapping) else None


def _step(item: Mapping[str, Any]) -> Value:
    name = item.get("name")
    return (sentences.step_name(name) or name) if isinstance(name, str) else None


def _step_state(item: Mapping[str, Any]) -> Value:
    state = item.get("state")
    return STEP_STATES[state][0] if isinstance(state, str) and state in STEP_STATES else None


# --- from whom ----------------------------------------------------------------------------------


def _from_whom(of: Evidence) -> Iterator[Field | Table]:
    record = of.record
    for key, term, pointer, kind in (
        ("url", tr("Address of the document"), "/from_whom/url", Kind.ADDRESS),
        ("status", tr("Status"), "/from_whom/status", Kind.CODE),
        ("status_text", tr("Text of the status"), "/from_whom/status_text", Kind.TEXT),
        ("protocol", tr("Protocol"), "/from_whom/protocol", Kind.TEXT),
        ("remote_ip", tr("Address of the server"), "/from_whom/remote_ip", Kind.TEXT),
        ("remote_port", tr("Port of the server"), "/from_whom/remote_port", Kind.CODE),
        ("tls_protocol", tr("TLS version"), "/from_whom/tls/protocol", Kind.TEXT),
        ("tls_cipher", tr("TLS cipher"), "/from_whom/tls/cipher", Kind.TEXT),
        ("tls_group", tr("Key exchange"), "/from_whom/tls/key_exchange_group", Kind.TEXT),
        ("tls_signature", tr("Signature algorithm of the server"),
         "/from_whom/tls/signature_algorithm", Kind.TEXT),
        ("tls_transparency", tr("Certificate transparency"),
         "/from_whom/tls/certificate_transparency", Kind.TEXT),
    ):  # fmt: skip
        yield record.field(key, term, pointer, kind)
    signed = [
        finding.detail
        for finding in of.report.findings
        if finding.check.strip() == "server-signature"
    ]
    yield of.found("server_signature", tr("What the server signed"), tuple(signed),
                   names.SERVER_SIGNATURES, kind=Kind.LINES)  # fmt: skip
    yield record.table(
        "certificates", tr("Certificates, beginning with the certificate of the server"),
        "/from_whom/tls/chain",
        (
            (Column(key="sha256", term="SHA-256", kind=Kind.DIGEST), "sha256"),
            (Column(key="subject", term=tr("Subject")), "subject"),
            (Column(key="issuer", term=tr("Issuer"), under="subject"), "issuer"),
            (Column(key="serial", term=tr("Serial number"), under="subject"), "serial"),
            (Column(key="not_before", term=tr("Valid from"), kind=Kind.INSTANT), "not_before"),
            (Column(key="not_after", term=tr("Valid until"), kind=Kind.INSTANT, under="not_before"),
             "not_after"),
        ),
        empty=tr("The connection had no certificates, because it was not encrypted."),
    )  # fmt: skip
    headers = record.at("/from_whom/headers")
    pairs = [
        (number, pair)
        for number, pair in enumerate(headers if isinstance(headers, list) else ())
        if isinstance(pair, list) and len(pair) == 2
    ]
    yield Table(
        key="headers",
        term=tr("Headers of the answer"),
        columns=(Column(key="name", term=tr("Name")), Column(key="value", term=tr("Value"))),
        rows=that_fit(
            Row(
                values=(as_kind(pair[0], Kind.TEXT), as_kind(pair[1], Kind.TEXT)),
                basis=of.stated,
                source=Source(file=record.file, pointer=f"/from_whom/headers/{number}"),
            )
            for number, pair in pairs[:MAX_ROWS]
        ),
        total=len(pairs),
        source=Source(file=record.file, pointer="/from_whom/headers"),
        empty=tr("The record has no answer of the server."),
        note=tr("Values of secret headers were replaced before the files were written."),
    )
    network = RecordFields(root=of.network, basis=of.stated, file=NETWORK)
    yield network.table(
        "connections", tr("Connections and name resolution"), "/connections",
        (
            (Column(key="host", term=tr("Host")), "host"),
            (Column(key="port", term=tr("Port"), kind=Kind.CODE, under="host"), "port"),
            (Column(key="answers", term=tr("DNS answers"), kind=Kind.LINES), "answers"),
            (Column(key="asked_at", term=tr("Resolved"), kind=Kind.INSTANT, under="answers"),
             "asked_at"),
            (Column(key="address", term=tr("Connected to")), "address"),
            (Column(key="via", term=tr("Path"), under="address"), "via"),
            (Column(key="tls", term="TLS", under="address"), _tls),
            (Column(key="bytes_received", term=tr("Received"), kind=Kind.BYTES),
             "bytes_received"),
            (Column(key="problem", term=tr("Problem"), under="address"), _problem),
        ),
        empty=tr("The record has no connection."),
        note=tr("The resolver of the capturing machine gave the DNS answers."),
    )  # fmt: skip
    yield _requests(of)


def _tls(item: Mapping[str, Any]) -> Value:
    found = item.get("tls")
    if not isinstance(found, Mapping):
        return None
    return ", ".join(str(found.get(name, "")) for name in ("version", "cipher"))


def _problem(item: Mapping[str, Any]) -> Value:
    texts = (as_kind(item.get(name), Kind.TEXT) for name in ("refusal", "error"))
    return next((text for text in texts if text), None)


def _requests(of: Evidence) -> Table:
    rows = that_fit(
        Row(
            values=(instant(row.at), row.status, row.media_type, row.url, row.length),
            basis=of.stated,
            source=Source(file="indexes/index.cdx"),
        )
        for row in of.material.requests
        if not row.error
    )
    failed = sum(1 for row in of.material.requests if row.error)
    return Table(
        key="requests",
        term=tr("Requests that were answered"),
        columns=(
            Column(key="at", term=tr("Time"), kind=Kind.INSTANT),
            Column(key="status", term=tr("Status"), kind=Kind.CODE),
            Column(key="media_type", term=tr("Type"), under="status"),
            Column(key="url", term=tr("Address"), kind=Kind.ADDRESS),
            Column(key="length", term=tr("Stored"), kind=Kind.BYTES),
        ),
        rows=rows,
        total=of.material.request_count - failed,
        source=Source(file="indexes/index.cdx"),
        empty=tr("No request was answered."),
    )


# --- content ------------------------------------------------------------------------------------

# What a file of a bundle is, by its step or its path: received, made while the page was shown, or
# made afterwards from other files.
_RECEIVED: Final = frozenset({"archive/data.warc.gz", names.SERVER_SIGNATURES})
_SHOWN_STEPS: Final = ("viewport", "screenshot", "mhtml", "dom", "element", "pdf", "inner")
_DERIVED: Final = frozenset(
    {"capture/layout.json", "capture/page-normalised.txt", ASSESSMENT, "indexes/index.cdx",
     "pages/pages.jsonl"}
)  # fmt: skip


_ROLES: Final[Mapping[str, str]] = {
    "archive/data.warc.gz": tr("network traffic"),
    "capture/README.txt": tr("how to check the bundle by hand"),
    ASSESSMENT: tr("what the page shows, by the rules"),
    "capture/console.jsonl": tr("messages of the page's scripts"),
    "capture/dom.html": tr("the document as shown"),
    "capture/form-values.jsonl": tr("values of form controls"),
    "capture/images.jsonl": tr("the result of each image"),
    "capture/layout.json": tr("the text in blocks, with positions"),
    "capture/log.jsonl": tr("log of the capture"),
    NETWORK: tr("connections"),
    "capture/page-normalised.txt": tr("the text, normalised for search"),
    "capture/page.mhtml": tr("the page as one file (MHTML)"),
    "capture/page.txt": tr("the text as shown"),
    POLICY: tr("the policy of the capture"),
    "capture/screenshot.png": tr("picture of the whole page"),
    "capture/streams.p7m": tr("encrypted network streams"),
    "capture/target.pdf": tr("the page as PDF"),
    names.SERVER_SIGNATURES: tr("what the server signed"),
    "capture/viewport.png": tr("picture of the first view"),
    "indexes/index.cdx": tr("index of the network traffic"),
    "pages/pages.jsonl": tr("list of pages, for replay"),
}


def _role(item: Mapping[str, Any]) -> Value:
    path = item.get("path")
    if not isinstance(path, str):
        return None
    if path.startswith("capture/rules-"):
        return tr("rules by which the page was read")
    return _ROLES.get(path) or (tr("picture") if path.endswith(".png") else None)


def _made_by(item: Mapping[str, Any]) -> Value:
    step = item.get("step")
    return tr("step: {step}", step=step) if isinstance(step, str) and step else None


def _origin(item: Mapping[str, Any]) -> Value:
    path, step = as_kind(item.get("path"), Kind.TEXT), item.get("step")
    if path in _RECEIVED:
        return tr("original: received")
    if path in _DERIVED or step in ("assess", "seal", "text"):
        return tr("derived")
    if isinstance(step, str) and step.startswith(_SHOWN_STEPS):
        return tr("original: as shown")
    return tr("original: recorded")


def _content(of: Evidence) -> Iterator[Field | Table]:
    record = of.record
    yield record.table(
        "artifacts", tr("Files of the bundle"), "/content/artifacts",
        (
            (Column(key="path", term=tr("File")), "path"),
            (Column(key="role", term=tr("Content"), under="path", basis=of.stated), _role),
            (Column(key="media_type", term=tr("Type"), under="path", basis=of.stated),
             "media_type"),
            (Column(key="note", term=tr("Note"), under="path", basis=of.stated), "note"),
            (Column(key="length", term=tr("Length"), kind=Kind.BYTES), "length"),
            (Column(key="sha256", term="SHA-256", kind=Kind.DIGEST), "sha256"),
            (Column(key="origin", term=tr("Original or derived"), basis=of.stated), _origin),
            (Column(key="step", term=tr("Made by the step"), under="origin", basis=of.stated),
             _made_by),
            (Column(key="made_at", term=tr("Made"), kind=Kind.INSTANT, basis=of.stated), "made_at"),
        ),
        empty=tr("The record names no file."),
        basis=lambda item: _artifact_basis(of, item),
        note=tr(
            "The path, the length and the digest of each file are verified. The other columns are "
            "stated in the record."
        ),
    )  # fmt: skip
    for key, term in (
        ("wanted", tr("Images that the page requested")),
        ("loaded", tr("Images that were loaded")),
        ("failed", tr("Images that failed")),
        ("pending", tr("Images that were still loading at the end")),
        ("placeholder", tr("Images that the page hid or replaced")),
    ):
        yield record.field(f"images_{key}", term, f"/content/images/{key}", Kind.NUMBER)
    yield record.field("images_failed_urls", tr("Addresses of images that failed"),
                       "/content/images/failed_urls", Kind.LINES)  # fmt: skip
    for key, term in (
        ("total", tr("Requests")),
        ("answered", tr("Requests with an answer")),
        ("http_errors", tr("Answers with an error")),
        ("failed", tr("Requests that failed")),
        ("blocked", tr("Requests that were blocked")),
        ("cancelled", tr("Requests that the page cancelled")),
        ("bodies_missing", tr("Answers without their content")),
    ):
        yield record.field(f"requests_{key}", term, f"/content/requests/{key}", Kind.NUMBER)
    yield record.field("text_characters", tr("Length of the text, in characters"),
                       "/content/text_characters", Kind.NUMBER)  # fmt: skip
    yield record.field("language", tr("Language of the document"), "/content/document_language")
    yield record.field("page_width", tr("Width of the page, CSS pixels"),
                       "/content/page_size/width", Kind.NUMBER)  # fmt: skip
    yield record.field("page_height", tr("Height of the page, CSS pixels"),
                       "/content/page_size/height", Kind.NUMBER)  # fmt: skip
    yield record.field("page_truncated", tr("The picture does not show the whole page"),
                       "/content/page_size/truncated", Kind.FLAG)  # fmt: skip
    yield record.field("missing_parts", tr("Parts that the bundle lacks"),
                       "/content/missing_parts", Kind.LINES)  # fmt: skip
    assessed = RecordFields(root=of.assessment, basis=of.stated, file=ASSESSMENT)
    yield assessed.field("main_sha256", tr("SHA-256 of the main text, normalised"), "/main_sha256",
                         Kind.DIGEST)  # fmt: skip
    yield assessed.table(
        "dates", tr("Dates that the page shows"), "/readings/dates",
        (
            (Column(key="kind", term=tr("Kind")), "kind"),
            (Column(key="raw", term=tr("On the page")), "raw"),
            (Column(key="first", term=tr("Interpreted as, from"), kind=Kind.INSTANT), "first"),
            (Column(key="end", term=tr("Until"), kind=Kind.INSTANT), "end"),
        ),
        empty=tr("No date was found."),
    )  # fmt: skip
    yield assessed.table(
        "counts", tr("Counts that the page shows"), "/readings/counts",
        (
            (Column(key="unit", term=tr("Unit")), "unit"),
            (Column(key="raw", term=tr("On the page")), "raw"),
            (Column(key="lower", term=tr("At least"), kind=Kind.NUMBER), "lower"),
            (Column(key="upper", term=tr("At most"), kind=Kind.NUMBER), "upper"),
        ),
        empty=tr("No count was found."),
    )  # fmt: skip
    yield assessed.table(
        "qr_codes", tr("QR codes"), "/readings/qr_codes",
        (
            (Column(key="text", term=tr("Content"), kind=Kind.ADDRESS), "text"),
            (Column(key="picture", term=tr("Picture")), "picture"),
        ),
        empty=tr("No QR code was found."),
    )  # fmt: skip
    yield assessed.field("outlinks", tr("Links of the main text"), "/readings/links", Kind.LINES)


def _artifact_basis(of: Evidence, item: Mapping[str, Any]) -> Basis:
    path = as_kind(item.get("path"), Kind.TEXT)
    if of.is_redacted:  # the signed list has the digests of withheld files, too
        return of.stated if path in of.withheld_files else of.checked
    is_same = isinstance(path, str) and of.digests.get(path) == item.get("sha256")
    return of.checked if is_same else Basis.UNVERIFIED


# --- integrity ----------------------------------------------------------------------------------


def _integrity(of: Evidence) -> Iterator[Field | Table]:
    record, known = of.record, of.report.established
    yield of.found("manifest_sha256", tr("SHA-256 of the signed list of files"),
                   of.manifest_sha256, names.MANIFEST_SHA256,
                   kind=Kind.DIGEST)  # fmt: skip
    is_judged = known is not None or (of.is_redacted and of.is_sound)
    good = known.good_signers if known is not None else _good_keys(of)
    yield record.table(
        "signatures", tr("Signatures"), "/signers",
        (
            (Column(key="slot", term=tr("Signature")), "slot"),
            (Column(key="key_id", term=tr("Key id"), kind=Kind.DIGEST), "key_id"),
            (Column(key="algorithm", term=tr("Algorithm"), under="slot"), "algorithm"),
            (Column(key="owner", term=tr("Owner named in the trust file")),
             lambda item: _owner(of, item)),
            (Column(key="trusted", term=tr("Trusted at the proven time"), kind=Kind.FLAG),
             lambda item: item.get("key_id") in good if is_judged else None),
        ),
        empty=tr("The record names no signer."),
        basis=lambda item: of.checked,
    )  # fmt: skip
    yield of.found("key_statement", tr("Source of the trusted keys"), trust_words(of), TRUST,
                   basis=Basis.VERIFIED)  # fmt: skip
    yield of.found("trust_sha256", tr("SHA-256 of the trust file"), of.trust.sha256, TRUST,
                   kind=Kind.DIGEST, basis=Basis.VERIFIED)  # fmt: skip
    proof = f"{of.bundle_file}.{names.LOG_PROOF}"
    yield of.found("log_index", tr("Entry in the log"),
                   known.log_index if known is not None else None, proof,
                   kind=Kind.NUMBER)  # fmt: skip
    yield of.found("log_origin", tr("Log"), known.log_origin if known is not None else None,
                   proof)  # fmt: skip
    yield of.found("logged_by", tr("Time by which a witness saw the entry"),
                   instant(known.logged_by) if known is not None else None, proof,
                   kind=Kind.INSTANT)  # fmt: skip
    log = tuple(f.detail for f in of.report.findings if f.check.strip() == "log")
    yield of.found("log_checks", tr("Checks of the log"), log, VERIFICATION, pointer="/checks",
                   kind=Kind.LINES)  # fmt: skip
    stored = [event for event in of.chain if event.event.receipt is not None]
    last = stored[-1] if stored else None
    receipt = last.event.receipt if last is not None else None
    source = (
        _event_source(of, last, _position(of, last), "receipt")
        if last is not None
        else Source(file=f"{of.bundle_file}.custody-0001.jsonl")
    )
    for key, term, value, kind in (
        ("store", tr("Store"), receipt.store if receipt else None, Kind.TEXT),
        ("stored_at", tr("Last receipt of the store"),
         instant(receipt.at) if receipt else None, Kind.INSTANT),
        ("retain_until", tr("Deletion locked until"),
         instant(receipt.retain_until) if receipt else None, Kind.INSTANT),
        ("legal_hold", tr("Legal hold of the store"),
         receipt.legal_hold if receipt else None, Kind.FLAG),
    ):  # fmt: skip
        yield of.found(key, term, value, source.file, pointer=source.pointer, kind=kind,
                       basis=Basis.UNVERIFIED)  # fmt: skip
    copies = sum(event.event.event == REPLICATION for event in of.chain)
    yield of.found("replicas", tr("Replications in the custody chain"), copies,
                   f"{of.bundle_file}.custody-0001.jsonl", kind=Kind.NUMBER,
                   basis=Basis.UNVERIFIED)  # fmt: skip
    holds = tuple(
        event.event.detail
        for event in of.chain
        if event.event.object.rpartition(".wacz.")[2].startswith("hold-")
    )
    yield of.found("holds", tr("Legal holds in the custody chain"), holds,
                   f"{of.bundle_file}.custody-0001.jsonl", kind=Kind.LINES,
                   basis=Basis.UNVERIFIED)  # fmt: skip
    yield record.field("requires_signatures", tr("Signatures that the record requires"),
                       "/requires/signatures", Kind.NUMBER)  # fmt: skip
    yield record.field("requires_timestamps", tr("Tokens that the record requires"),
                       "/requires/timestamps", Kind.NUMBER)  # fmt: skip
    proof_state = ProofState.of(of.report)
    yield of.found("proof", tr("Is the proof intact?"), sentences.proof_sentence(proof_state),
                   VERIFICATION, pointer="/verdict", basis=Basis.VERIFIED)  # fmt: skip


def _good_keys(of: Evidence) -> tuple[str, ...]:
    """Return the keys of a redacted copy, if the check of the keys passed."""
    keys = [found.verdict for found in of.report.findings if found.check.strip() == "key"]
    is_good = of.is_sound and keys and all(verdict is Verdict.PASSED for verdict in keys)
    return _key_ids(of) if is_good else ()


def _owner(of: Evidence, item: Mapping[str, Any]) -> Value:
    key_id = item.get("key_id")
    key = of.trust.key(key_id) if isinstance(key_id, str) and has_owners(of) else None
    return key.owner if key is not None else None


def trust_words(of: Evidence) -> str:
    """Return which keys were trusted, for a reader who is not the person who verified."""
    if has_owners(of):
        return of.report.trust
    return tr("the keys in the settings of the person who made this report, without a trust file")


def has_owners(of: Evidence) -> bool:
    """Whether a trust file names the owners of keys; else the keys are those of the settings."""
    return of.trust.version is not None


# --- custody and redactions ---------------------------------------------------------------------


def _custody(of: Evidence) -> Iterator[Field | Table]:
    columns = (
        Column(key="sequence", term=tr("Number"), kind=Kind.NUMBER),
        Column(key="at", term=tr("Time"), kind=Kind.INSTANT),
        Column(key="event", term=tr("Event")),
        Column(key="object", term=tr("Object"), kind=Kind.ADDRESS, under="event"),
        Column(key="outcome", term=tr("Result")),
        Column(key="detail", term=tr("Details"), under="event"),
        Column(key="by", term=tr("By")),
        Column(key="agent", term=tr("Software"), under="by"),
    )
    positions = list(_positions(of))
    rows = tuple(
        Row(
            values=(
                link.sequence, instant(link.event.at), link.event.event, link.event.object,
                link.event.outcome, link.event.detail, link.event.by, link.event.agent,
            ),
            basis=of.stated if not link.number else Basis.UNVERIFIED,
            source=_event_source(of, link, position),
        )
        for position, link in positions[:MAX_ROWS]
    )  # fmt: skip
    yield Table(
        key="events",
        term=tr("Events"),
        columns=columns,
        rows=rows,
        total=len(positions),
        source=Source(file=names.CUSTODY),
        empty=tr("No custody event could be read."),
        note=tr(
            "The bundle contains the events up to the seal, and the signature of the bundle covers "
            "these events. Later events are in files beside the bundle. Each event names the "
            "digest of the event before it."
        ),
    )
    yield of.found("problems", tr("Problems of the chain"), of.material.custody_problems,
                   names.CUSTODY, kind=Kind.LINES)  # fmt: skip


def _positions(of: Evidence) -> Iterator[tuple[int, custody_sidecars.ChainedEvent]]:
    """Yield the events with their positions in their files, from 0."""
    file, position = 0, -1
    for link in of.chain:
        position = position + 1 if link.number == file else 0
        file = link.number
        yield position, link


def _position(of: Evidence, wanted: custody_sidecars.ChainedEvent) -> int:
    return next(position for position, link in _positions(of) if link is wanted)


def _event_source(
    of: Evidence, link: custody_sidecars.ChainedEvent, position: int, name: str = ""
) -> Source:
    file = (
        f"{of.bundle_file}.{custody_sidecars.kind(link.number)}" if link.number else names.CUSTODY
    )
    return Source(file=file, pointer=f"/{position}/{name}" if name else f"/{position}")


def _redactions(of: Evidence) -> Iterator[Field | Table]:
    withheld = of.report.withheld
    if withheld is not None:
        for key, term, names_of in (
            ("withheld_values", tr("Values that this copy withholds"), withheld.fields),
            ("withheld_files", tr("Files that this copy withholds"), withheld.files),
        ):
            yield of.found(key, term, names_of, VERIFICATION, kind=Kind.LINES)
    yield of.record.table(
        "values", tr("Values that were replaced before the files were written"), "/redactions",
        (
            (Column(key="place", term=tr("Place")), "place"),
            (Column(key="name", term=tr("Name")), "name"),
            (Column(key="count", term=tr("Number"), kind=Kind.NUMBER), "count"),
            (Column(key="reason", term=tr("Reason")), _reason),
            (Column(key="commitments", term=tr("Commitments"), kind=Kind.LINES), "commitments"),
        ),
        empty=tr("No value was replaced."),
        note=tr(
            "A commitment is the SHA-256 of the value and a secret salt. The holder of the salt "
            "can show later which value was replaced."
        ),
    )  # fmt: skip
    for key, term in (
        ("redact_headers", tr("Headers that the policy replaces")),
        ("redact_url_params", tr("Parameters of addresses that the policy replaces")),
        ("redact_viewer_fields", tr("Fields about the viewer that the policy replaces")),
        ("strip_params", tr("Parameters that the policy removes from the requested address")),
    ):
        yield of.record.field(key, term, f"/how/settings/{key}", Kind.LINES)
    yield of.record.field("redact_identity",
                          tr("Setting for files that contain a name of the capturing person"),
                          "/how/settings/redact_identity")  # fmt: skip


def _reason(item: Mapping[str, Any]) -> Value:
    place = item.get("place")
    reasons = {
        "request-header": tr("a secret of the browser"),
        "response-header": tr("a secret of the browser"),
        "url-parameter": tr("named by the policy"),
        "requested-url": tr("named by the policy"),
        "viewer-field": tr("identifies the viewer"),
        "own-name": tr("identifies the capturing person"),
    }
    return reasons.get(place) if isinstance(place, str) else None


def _instant(text: str) -> datetime | None:
    try:
        return canonical_json.parse_instant(text).astimezone(UTC) if text else None
    except EvidenceInvalid:
        return None
