"""One module for each format: bytes to values and back, no input or output of its own."""
