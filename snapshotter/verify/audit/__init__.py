"""Audit a whole store: its log, its bundles, and each against the other."""
