"""
Define `AuditRules`: the time of an audit, and the periods that its checks allow.

What is trusted is not defined here, but in the trust file.
"""

from datetime import datetime, timedelta

from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRules:
    """The time of an audit, and the periods that its checks allow."""

    now: datetime
    skew: timedelta  # how much two clocks may differ
    grace: timedelta  # a bundle captured this recently may not be in the log yet
    renewal_within: timedelta  # certificates that expire within this time are reported
