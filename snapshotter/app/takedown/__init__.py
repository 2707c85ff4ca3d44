"""
Conclude that pages were removed, prove it, report it, and verify all of that.

Use cases: conclude and sign events (`events`), verify an event (`event_verification`), find the
captures of a proof and make its pack (`proof_case`, `proof_pack`), verify the event in a pack
(`pack_verification`), make and verify a campaign report (`campaign_report`,
`campaign_verification`).

Both verifications derive verdicts again (`rederivation`) from the bundles that they find
(`bundle_finder`). The verification of an event consists of `event_captures`, `event_identity` and
`previous_event`; that of a report of `campaign_captures`, `campaign_pages`, `campaign_numbers` and
`campaign_store`.
"""
