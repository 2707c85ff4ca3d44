"""
Read recorded TLS connections and server certificates, and check what servers signed.

`connection` decrypts a recorded connection, with `records`, `handshake` and `key_log`.
`server_signature` keeps the signatures of servers and checks them, with `certificate`.
`certificate_authority` reads the certificates of private authorities.
"""
