"""
Search the pictures of a capture for capturer identifiers, by the texts that were read from them.

All other texts of a capture are searched while the page is captured. Texts that are read from
pictures, such as those of QR codes, are known only after the assessment.
"""

from collections import Counter
from dataclasses import replace

from snapshotter.capture.redaction.capturer_identity import CapturerIdentifiers, explain_refusal
from snapshotter.formats.page import assessment as assessments
from snapshotter.model.capture import Capture
from snapshotter.model.capturer_identity import CapturerIdentifier, IdentifierFinding
from snapshotter.model.request import Decision


def with_identifiers_in_pictures(
    capture: Capture, decision: Decision, own: tuple[CapturerIdentifier, ...]
) -> Capture:
    """
    Return the capture with findings for the identifiers that its pictures show.

    They are reported and not redacted: verifiers derive the assessment from the pictures again.

    Raises:
        CapturerIdentityExposed: There is a finding, and the policy says to stop.
    """
    if decision.redact.identity == "ignore" or not own:
        return capture
    names = CapturerIdentifiers(own)
    hits = Counter(
        (hit.name.kind, artifact.path)
        for artifact in capture.artifacts
        if artifact.path == assessments.PATH
        for hit in names.find(artifact.file.read_bytes())
    )
    found = tuple(
        IdentifierFinding(kind=kind, where=where, count=count)
        for (kind, where), count in sorted(hits.items())
    )
    if found and decision.redact.identity == "stop":
        raise explain_refusal(found)
    return replace(capture, identifier_findings=(*capture.identifier_findings, *found))
