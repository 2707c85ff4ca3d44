"""By what an audit judges, besides the trust file."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRules:
    """The instant of an audit, and what counts as near to it."""

    now: datetime
    skew: timedelta  # that two clocks may differ
    grace: timedelta  # what was captured so recently may be on its way into the log
    renewal_within: timedelta  # certificates that end so soon are told of
