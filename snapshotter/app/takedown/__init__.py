"""
Conclude that pages were removed, prove it, report it, and verify all of that.

Use cases: conclude and sign events (`events`), verify an event (`event_verification`), find the
captures of a proof and make its pack (`proof_case`, `proof_pack`), verify the event in a pack
(`pack_verification`), make and verify a campaign report (`campaign_report`,
`campaign_verification`).
"""
