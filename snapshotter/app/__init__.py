"""The use cases behind the commands. `wiring` builds the adapters that they are given."""
