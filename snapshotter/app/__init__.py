"""What a command does, and the only place that builds the parts of it (`wiring*.py`)."""
