"""Values that two rooms exchange. The standard library alone."""
