"""Preserve web pages as evidence: capture, seal, store, verify."""

__version__ = "0.1.0"
