"""
Define the findings of a verification, and the verdict that follows from them.

The three verdicts are those of ETSI EN 319 102-1: PASSED, FAILED and INDETERMINATE (neither could
be shown). A check that was not made does not count as passed: if there are no findings at all, the
verdict is INDETERMINATE.
"""

import enum
from collections.abc import Collection, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, NoReturn, Self

from snapshotter.model.assessment import StatedAssessment
from snapshotter.model.verified_facts import VerifiedFacts
from snapshotter.value_class import dataclass


class Verdict(enum.Enum):
    """The result of a check."""

    PASSED = "passed"  # checked, and it is so
    FAILED = "failed"  # checked, and it is not so
    INDETERMINATE = "indeterminate"  # could not be established: says nothing either way

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict is not a truth value: compare with `is Verdict.PASSED`")


class Code(enum.StrEnum):
    """Why a check did not pass; `docs/spec/bundle.md` tells when each code is given."""

    OK = "OK"
    CONTAINER = "CONTAINER"
    NAME = "NAME"
    MISSING = "MISSING"
    UNLISTED = "UNLISTED"
    MANIFEST = "MANIFEST"
    HASH = "HASH"
    BLAKE3 = "BLAKE3"
    SIG = "SIG"
    SIG_MISSING = "SIG_MISSING"
    KEY_UNKNOWN = "KEY_UNKNOWN"
    KEY_MISMATCH = "KEY_MISMATCH"
    KEY_MALFORMED = "KEY_MALFORMED"
    KEY_PERIOD = "KEY_PERIOD"
    KEY_REVOKED = "KEY_REVOKED"
    ALG = "ALG"
    QUORUM = "QUORUM"
    TS_MISSING = "TS_MISSING"
    TS_MALFORMED = "TS_MALFORMED"
    TS_IMPRINT = "TS_IMPRINT"
    TS_POLICY = "TS_POLICY"
    TS_UNTRUSTED = "TS_UNTRUSTED"
    TS_REVOKED = "TS_REVOKED"
    TIME = "TIME"
    JSON = "JSON"
    FORMAT = "FORMAT"
    DERIVED = "DERIVED"
    WACZ_SIG = "WACZ_SIG"
    SERVER_SIG = "SERVER_SIG"
    CUSTODY = "CUSTODY"
    LOG = "LOG"
    LOG_MISSING = "LOG_MISSING"
    COMMITMENT = "COMMITMENT"
    INTERNAL = "INTERNAL"
    # Of take-down events; `docs/spec/takedown-event.md` says when each is given.
    EVENT = "EVENT"
    EVENT_KEY = "EVENT_KEY"
    BUNDLE = "BUNDLE"
    BUNDLE_MISSING = "BUNDLE_MISSING"
    BUNDLE_OTHER = "BUNDLE_OTHER"
    BUNDLE_OPEN = "BUNDLE_OPEN"
    VERDICT = "VERDICT"
    IDENTITY = "IDENTITY"
    CONCLUSION = "CONCLUSION"
    PREVIOUS = "PREVIOUS"
    # Of campaign reports; `docs/spec/campaign-report.md`, which uses those of events as well.
    NUMBER = "NUMBER"
    LEFT_OUT = "LEFT_OUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check."""

    check: str  # container names hashes capture-record signature timestamp time derived custody …
    verdict: Verdict
    code: Code
    detail: str  # one plain sentence

    def __post_init__(self) -> None:
        if (self.verdict is Verdict.PASSED) != (self.code is Code.OK):
            raise ValueError("a check that passed has code OK, and no other has")

    @classmethod
    def passed(cls, check: str, detail: str) -> Self:
        """Return the finding of a check that passed."""
        return cls(check=check, verdict=Verdict.PASSED, code=Code.OK, detail=detail)

    @classmethod
    def failed(cls, check: str, code: Code, detail: str) -> Self:
        """Return the finding of a check that failed."""
        return cls(check=check, verdict=Verdict.FAILED, code=code, detail=detail)

    @classmethod
    def indeterminate(cls, check: str, code: Code, detail: str) -> Self:
        """Return the finding of a check that established nothing."""
        return cls(check=check, verdict=Verdict.INDETERMINATE, code=code, detail=detail)


def overall(findings: Collection[Finding]) -> Verdict:
    """Return the worst verdict. No findings at all is INDETERMINATE: nothing was shown."""
    verdicts = {finding.verdict for finding in findings}
    for worst in (Verdict.FAILED, Verdict.INDETERMINATE):
        if worst in verdicts:
            return worst
    return Verdict.PASSED if verdicts else Verdict.INDETERMINATE


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalFinding:
    """What became of one renewal beside a bundle."""

    number: int
    authority: str = ""  # who gave its token
    time: datetime | None = None  # of that token; None where it does not count
    until: datetime | None = None  # when that token's certificates end
    problem: str = ""  # why it does not count


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """What a redacted copy of a bundle does not show."""

    fields: tuple[str, ...]  # JSON pointers into the capture record, sorted
    files: tuple[str, ...]  # of the signed list, sorted
    manifest_sha256: str  # of the signed list; "" if the copy has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings about one bundle, and what follows from them."""

    findings: tuple[Finding, ...]
    bundle_id: str = ""
    requested_url: str = ""
    captured_at: datetime | None = None  # as the bundle claims
    proven_time: datetime | None = None  # the earliest good token's
    authorities: tuple[str, ...] = ()  # that confirm the time of the first signature
    sha256: str = ""  # of the whole file
    length: int = 0  # bytes
    trust: str = ""  # against what it was judged, in words
    # For whoever looks further than one bundle (an audit): the capture record and the custody
    # chain as they were verified, empty where none was, and when the certificates end that
    # its time rests on.
    custody: bytes = field(default=b"", repr=False, compare=False)
    record: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    assessed: StatedAssessment | None = field(default=None, repr=False)  # None: it was not read
    # The only values that conclusions may use. None: the bundle FAILED, a check did not run, or
    # the record is none that a capture writes.
    established: VerifiedFacts | None = field(default=None, repr=False, compare=False)
    proven_until: datetime | None = None
    renewals: tuple[RenewalFinding, ...] = ()  # that stand beside it, whether they count or not
    withheld: Withheld | None = None  # of a redacted copy
    # Late tokens that its time needs: a renewal has to cover them by name.
    needs_late_tokens: bool = False

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the findings."""
        return overall(self.findings)

    def codes(self, *verdicts: Verdict) -> list[str]:
        """Return the codes of the findings that have one of these verdicts, sorted, each once."""
        return sorted(
            {finding.code.value for finding in self.findings if finding.verdict in verdicts}
        )
