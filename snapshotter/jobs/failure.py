"""Why an attempt made no bundle, as a slot tells it to its worker."""

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """Whose fault it is that there is no bundle, which decides what comes next."""

    PAGE = "page"  # the page's, perhaps: tried again, some times
    LOST = "lost"  # its slot ended, and the worker lived: the page's, perhaps
    WORKER = (
        "worker"  # the worker itself ended, or the machine: tried again for as long as it takes
    )
    SERVICE = "service"  # browser, store, disk: tried again for as long as it takes
    FINAL = "final"  # refused: a further try would mend nothing
    TAKEN = "taken"  # the store holds another file under the id of its bundle
    RETURNED = "returned"  # the worker was told to stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt made no bundle."""

    fault: Fault
    error: str  # a sentence
    hint: str = ""
    exit_code: int = 1
    http_status: int | None = None
    retry_after: str = ""
