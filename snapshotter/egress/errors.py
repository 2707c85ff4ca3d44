"""Why a connection was not made, in words that stay; OSErrors, as callers of sockets expect."""


class EgressError(OSError):
    """
    A connection that there is not.

    Args:
        word: Stable, for programs.
        detail: For a person. Never holds a password of an upstream proxy.
    """

    def __init__(self, word: str, detail: str) -> None:
        super().__init__(detail)
        self.word = word
        self.detail = detail


class EgressRefused(EgressError):
    """The rules forbid it; nothing was sent anywhere."""


class EgressFailed(EgressError):
    """It was allowed and did not come about."""
