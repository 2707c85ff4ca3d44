"""Two captures of one page, side by side: what changed, and what did not. Pure."""
