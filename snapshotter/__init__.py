"""Preserve web pages as evidence: capture, seal, store, verify."""

__version__ = "0.1.0"
SOFTWARE = f"snapshotter {__version__}"  # how bundles, events and reports name it
