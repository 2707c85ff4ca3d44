"""
Read and change trust files, remember their newest versions, and rotate signing keys.

Use cases: change a trust file or its draft (`editing`), rotate or revoke a signing key
(`key_rotation`), describe a trust file (`summary`), refuse a version that is older than the newest
seen one (`remembered_version`). `files` reads and writes a trust file with its signature.
"""
