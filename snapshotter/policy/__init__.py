"""What is asked for, and how: policies, politeness, curves, identities. Pure, but for files."""
