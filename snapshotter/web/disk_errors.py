"""Tell a full disk from a fault of ours, for pages and for the API."""

from snapshotter.errors import ServiceUnavailable, is_disk_full
from snapshotter.translation import tr


def disk_problem(error: Exception) -> ServiceUnavailable:
    """
    Return the expected error that a full disk is.

    Raises:
        Exception: The given error, which is not about a full disk.
    """
    if not isinstance(error, OSError) or not is_disk_full(error):
        raise error
    return ServiceUnavailable(
        tr("no space is left on a disk of the machine of the console"),
        hint=tr("free space on the disk, then try again"),
    )
