"""Return the fields about what a capture contains."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from snapshotter.app.archive.reports.capture.evidence import ASSESSMENT, NETWORK, POLICY, Evidence
from snapshotter.app.archive.reports.capture.record_fields import RecordFields, as_kind
from snapshotter.formats.bundle import names
from snapshotter.model.capture_report import (
    Basis,
    Column,
    Field,
    Kind,
    Table,
    Value,
)
from snapshotter.translation import tr

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


def content_items(of: Evidence) -> Iterator[Field | Table]:
    """Yield the fields of the group `content`."""
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
