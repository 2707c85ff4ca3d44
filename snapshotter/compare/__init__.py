"""Compare two captures of one page: what changed, and what did not. Pure."""
