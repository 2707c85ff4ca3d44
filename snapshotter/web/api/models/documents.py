"""Describe what is requested of processes with keys: verifications, audits, proofs, documents."""

from typing import Annotated, Literal

from pydantic import Field

from snapshotter.web.api.models.common import BundleId, Question

_Bundles = Annotated[list[BundleId], Field(min_length=1, max_length=500)]
_Formats = Annotated[list[Literal["html", "json", "pdf"]], Field(max_length=3)]
_Groups = Annotated[list[Literal["notes", "reviews", "tags", "title"]], Field(max_length=4)]
_Paper = Literal["A4", "Letter"]
_Zone = Annotated[str, Field(max_length=64, description="A time zone, such as Europe/Berlin.")]


class VerificationRequest(Question):
    """A capture or a take-down event to verify."""

    object_id: BundleId


class AuditRequest(Question):
    """An audit of the store."""

    sample: int = Field(default=0, ge=0, description="How many bundles are read; 0: all.")
    since: Annotated[str, Field(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")] = Field(
        default="", description="Only bundles of this day and later, UTC."
    )
    restart: bool = Field(default=False, description="Do not continue an interrupted audit.")


class ConclusionRequest(Question):
    """Pages whose take-downs are concluded."""

    urls: Annotated[list[Annotated[str, Field(max_length=10_000)]], Field(max_length=500)] = Field(
        default=[], description="Empty: all pages that a capture shows as removed."
    )


class TrustFileRequest(Question):
    """The trust file of this installation, which archives contain."""

    owner: str = Field(
        min_length=1, max_length=200, description="Of the keys, as readers of archives see it."
    )


class ProofRequest(Question):
    """A proof pack to make: of an event, of the last take-down of a page, or of two captures."""

    event_id: Annotated[str, Field(max_length=64)] = ""
    url: Annotated[str, Field(max_length=10_000)] = ""
    bundle_ids: Annotated[list[BundleId], Field(max_length=2)] = Field(
        default=[], description="The last capture that shows the page, and the first without it."
    )
    without: list[Literal["confirmations", "controls", "pdf", "vantages"]] = Field(
        default=[], max_length=4, description="Parts that are left out."
    )


class ReportRequest(Question):
    """Reports about captures to make."""

    bundle_ids: _Bundles
    case: Annotated[str, Field(max_length=64)] = Field(
        default="", description="The case whose exhibit numbers the reports state."
    )
    formats: _Formats = Field(default=[], description="Empty: all.")
    paper: _Paper = "A4"
    zone: _Zone = ""


class ExportRequest(Question):
    """Captures to export as one ZIP archive."""

    bundle_ids: _Bundles
    form: Literal["bundles", "evidence", "masked", "redacted"] = "bundles"
    fields: list[Annotated[str, Field(max_length=200)]] = Field(
        default=[], max_length=200, description="Of redacted copies: values that are withheld."
    )
    keep: list[Annotated[str, Field(max_length=1_000)]] = Field(
        default=[], max_length=200, description="Of redacted copies: files that they contain."
    )


class CaseReportRequest(Question):
    """The report about all exhibits of a case."""

    included: _Groups = Field(
        default=[], description="The groups of texts by people that are included."
    )
    searches: list[Annotated[str, Field(max_length=200)]] = Field(default=[], max_length=50)
    formats: _Formats = Field(default=[], description="Empty: all.")
    paper: _Paper = "A4"
    zone: _Zone = ""


class CaseExportRequest(Question):
    """The archive of a case."""

    included: _Groups = Field(
        default=[], description="The groups of texts by people that are included."
    )
    pdf: bool = False
    load_files: bool = False
    case_report: bool = True
    part_bytes: int = Field(default=0, ge=0, description="Bytes of a part; 0: one archive.")
    paper: _Paper = "A4"
    zone: _Zone = "UTC"
