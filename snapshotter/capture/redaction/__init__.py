"""
Replace secrets, and what identifies the capturing person, before anything reaches a bundle.

- `redactor`: values of secret headers, and user names and passwords in URLs.
- `concealer`, `name_values`, `encodings`: values of named fields and parameters, in any encoding.
- `capturer_identity`: names, addresses, accounts and credentials of the capturing person.
"""
