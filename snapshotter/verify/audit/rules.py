"""
Define `AuditRules`: the time of an audit, and the periods that its checks allow.

What is trusted is not defined here, but in the trust file.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRules:
    """The time of an audit, and the periods that its checks allow."""

    now: datetime
    skew: timedelta  # how much two clocks may differ
    grace: timedelta  # a bundle captured this recently may not be in the log yet
    renewal_within: timedelta  # certificates that expire within this time are reported
