"""
Read, make and check proofs of time (RFC 3161) and proofs of a transparency log (RFC 6962, C2SP).
"""
