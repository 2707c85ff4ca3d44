"""Manifest, signatures and timestamp tokens over a capture; then the log."""
