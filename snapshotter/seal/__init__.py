"""
Seal captures, hold signing keys, and write the log.

`sealer` makes the bundle of a capture, and `record` its capture record. Signing keys are in files
(`signer`, `key_files`), in key services or on tokens (`open_key`, `external_key`, `kms`, `pkcs11`).
`timestamp` asks timestamp authorities. `log_key`, `log_writer` and `log_lock_repair` keep the log;
`witness_client` asks a witness for a cosignature; `witness` and `witness_server` run a witness.
"""
