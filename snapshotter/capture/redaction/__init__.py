"""
Replace secrets and whatever identifies the capturing person before anything reaches a bundle.

- `redactor`: values of secret headers, and passwords in URLs.
- `concealer`, `name_values`, `encodings`: values of named fields and parameters, in any encoding.
- `capturer_identity`: names, addresses and accounts of the capturing person.
"""
