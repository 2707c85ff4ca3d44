"""Limit the memory that the C library keeps in a process that makes many captures."""

import ctypes

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h


def share_one_arena() -> None:
    """
    Make all threads of this process allocate from one arena, if its C library is glibc.

    By default each thread gets an arena of its own, up to eight for each core, and each keeps up
    to 64 MB that its thread has freed. Each capture has new threads with large buffers, so a
    process that makes many captures would keep hundreds of megabytes.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries lack it
    if set_option is not None:
        set_option(_ARENA_MAX, 1)
