"""
Rules and settings that people write: policies, rule files, politeness, curves, page identities.

Modules read them from TOML and compute decisions from them. They have no I/O but these files.
"""
