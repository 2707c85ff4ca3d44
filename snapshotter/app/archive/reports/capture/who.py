"""Return the fields about who made a capture, and from where."""

from collections.abc import Iterator

from snapshotter.app.archive.reports.capture.evidence import TRUST, Evidence, has_owners, operator
from snapshotter.model.capture_report import (
    Basis,
    Field,
    Kind,
    Table,
)
from snapshotter.translation import tr


def who_items(of: Evidence) -> Iterator[Field | Table]:
    """Yield the fields of the group `who`."""
    record = of.record
    name, source = operator(of)
    yield of.found("operator", tr("Person or organisation that stored the capture"), name,
                   source.file, pointer=source.pointer, basis=Basis.UNVERIFIED,
                   note=tr("The operator writes this name into the settings of the software.")
                   )  # fmt: skip
    known = [key for key in map(of.trust.key, key_ids(of)) if key is not None and has_owners(of)]
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


def key_ids(of: Evidence) -> tuple[str, ...]:
    """Return the ids of the keys that signed."""
    known = of.report.established
    if known is not None:
        return known.signers
    return tuple(
        signer["key_id"]
        for _, signer in of.record.objects("/signers")
        if isinstance(signer.get("key_id"), str)
    )
