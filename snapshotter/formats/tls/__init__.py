"""
Read recorded TLS connections and server certificates, and check what servers signed.

`connection` decrypts a recorded connection, with `records`, `handshake`, `finished` and `key_log`.
`server_signature` keeps the signatures of servers and checks them, with `certificate` and `brotli`.
`certificate_authority` reads the certificates of private authorities, `certificate_timestamps` the
timestamps in server certificates, and `names` translates the numbers of TLS into names.
"""
