"""
Read and check public keys and signatures, make signed statements, and encrypt for recipients.

`keys` has the one accepted encoding of keys and signatures, and `key_reference` names keys that a
key service or a token holds. `signed_statement` is a signed JSON record, `cms` encrypts files, and
`standard_webhooks` signs the bodies of webhooks.
"""
