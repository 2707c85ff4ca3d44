"""The egress guard: it checks and makes every outgoing connection of a capture and its helpers."""
