"""The one way out: every connection of a capture and of its helpers is vetted and made here."""
