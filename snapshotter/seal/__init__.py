"""
Seal captures and write the log: records, signatures, timestamp tokens, witnesses.

Contents: the sealer with the capture record; signing keys in files (`signer`, `key_files`),
in key services and on tokens (`external_key`, `kms`, `pkcs11`); timestamp authorities
(`timestamp`); the log's key, writer and repair; the client and the server of witnesses.
"""
