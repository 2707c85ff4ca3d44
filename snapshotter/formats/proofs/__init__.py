"""
Read, make and check proofs of time (RFC 3161) and proofs of a transparency log (RFC 6962, C2SP).

`rfc3161` checks timestamp tokens, and `renewal` has the texts that a later token covers. For a log,
`leaf` has its entries, `merkle` and `tiles` its tree, `note` its signed checkpoints, `tlog_proof`
the proof that an entry is in it, and `log_state` what its writers share.
"""
