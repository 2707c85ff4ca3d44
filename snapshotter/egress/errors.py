"""Errors of connections that were not made. They are OSErrors, as callers of sockets expect."""


class EgressError(OSError):
    """
    A connection was not made.

    Args:
        word: Stable, for programs.
        detail: For a person. Never contains a password of an upstream proxy.
    """

    def __init__(self, word: str, detail: str) -> None:
        super().__init__(detail)
        self.word = word
        self.detail = detail


class EgressRefused(EgressError):
    """The rules forbid it; nothing was sent anywhere."""


class EgressFailed(EgressError):
    """The connection was allowed, and could not be made."""
