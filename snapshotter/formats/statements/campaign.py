"""
Read and write campaign reports: what became of watched pages, signed by the author.

    {"format":"snapshotter-campaign/1","report":{…}}     the report
    {"key_id":"…","public_key":"…","signature":"…"}      who signed it

The report names every capture on which a number rests: its id, the digest of its bundle, and what
it showed. So each number can be computed again from the report alone, and what each capture showed
can be checked with its bundle (docs/spec/campaign-report.md).
"""

from typing import Final

from snapshotter.formats import canonical_json, typed
from snapshotter.formats.bundle.store_keys import bundle_time
from snapshotter.formats.signatures import signed_statement
from snapshotter.formats.signatures.signed_statement import Signer
from snapshotter.model.campaign import CampaignReport

FORMAT: Final = "snapshotter-campaign/1"
MAX_BYTES: Final = 64 << 20
MAX_PAGES: Final = 20_000
MAX_CAPTURES: Final = 100_000
MAX_NUMBERS: Final = 1_000
MAX_VALUES: Final = 2_000_000  # numbers, texts, lists and objects, one in another


def encode(report: CampaignReport, signer: Signer) -> bytes:
    """
    Return the report, signed.

    Raises:
        ValueError: It is none that `parse` would take.
    """
    _check(report)
    data = signed_statement.encode({"format": FORMAT, "report": typed.write(report)}, signer)
    if len(data) > MAX_BYTES:
        raise ValueError(f"the report is longer than {MAX_BYTES} bytes")
    marks = sum(data.count(mark) for mark in (b",", b"[", b"{"))
    if marks > MAX_VALUES and canonical_json.count_values(data) > MAX_VALUES:
        raise ValueError(f"the report has more than {MAX_VALUES} values")
    return data


def parse(data: bytes) -> tuple[CampaignReport, str]:
    """
    Return the report and the id of the key that signed it, whose signature holds.

    Whose key it is says trust; that its numbers follow says who makes them again.

    Raises:
        EvidenceInvalid: Anything else.
    """
    return signed_statement.parse_one(
        data, FORMAT, "report", CampaignReport, _check, limit=MAX_BYTES, max_values=MAX_VALUES
    )


def is_campaign(head: bytes) -> bool:
    """Whether these first bytes of a file look like a report's, whatever it is worth."""
    return head.startswith(f'{{"format":"{FORMAT}",'.encode())


def _check(report: CampaignReport) -> None:
    """Raise ValueError for what contradicts itself."""
    campaign, found = report.campaign, report.findings
    bundle_time(campaign.report_id)  # its id is one
    captures = sum(len(page.captures) + len(page.controls) for page in campaign.pages)
    if len(campaign.pages) > MAX_PAGES or captures > MAX_CAPTURES:
        raise ValueError(
            f"the report has more than {MAX_PAGES} pages or {MAX_CAPTURES} captures: choose a "
            "shorter period, or fewer pages"
        )
    if campaign.since >= campaign.until:
        raise ValueError("the period of the report ends before it begins")
    if [page.identity for page in found.rows] != [page.identity for page in campaign.pages]:
        raise ValueError("the rows of the report do not belong to its pages")
    if len(found.numbers) > MAX_NUMBERS:
        raise ValueError(f"the report has more than {MAX_NUMBERS} numbers")
    names = [number.name for number in found.numbers]
    if len(set(names)) != len(names):
        raise ValueError("the report has a number twice")
    if len({page.identity for page in campaign.pages}) != len(campaign.pages):
        raise ValueError("a page is counted twice")
    counted = [observation.bundle_id for page in campaign.pages for observation in page.captures]
    if len(set(counted)) != len(counted):
        raise ValueError("a capture is counted twice")
    for page in campaign.pages:
        if page.confirm.times < 1 or page.confirm.after.total_seconds() < 0:
            raise ValueError("a removal must be confirmed by at least one capture and a time")
        for observation in (*page.captures, *page.controls):
            bundle_time(observation.bundle_id)
            if len(observation.sha256) != 64 or observation.began_at > observation.at:
                raise ValueError(f"{observation.bundle_id} is not a capture")
