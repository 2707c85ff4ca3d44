"""
Is it one object that a store can not give, or the store?

One that can not be read must not end the audit of all others: whoever could break one
would hide the rest.
"""

from snapshotter.errors import ServiceUnavailable
from snapshotter.ports import ObjectStore


def require_answer(store: ObjectStore, error: Exception) -> None:
    """
    Return if the store answers, or was never said not to.

    Args:
        error: What asking for one object has raised.

    Raises:
        ServiceUnavailable: It does not answer.
    """
    if isinstance(error, ServiceUnavailable):
        next(iter(store.list("log/")), None)
