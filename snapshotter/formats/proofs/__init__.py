"""
Read, make and check proofs of time (RFC 3161) and proofs of a transparency log (RFC 6962, C2SP).

`rfc3161` checks timestamp tokens, and `renewal` is what a later token covers. A log consists of
`leaf`, `merkle` and `tiles`; `note` is its signed checkpoint, `tlog_proof` the proof that an entry
is in it, and `log_state` what its writers share.
"""
