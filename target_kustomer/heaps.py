"""How the C library keeps memory for threads."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_ARENA_MAX = -8
"""glibc's number of that setting (malloc.h)."""

_HEAPS = 2


def share_heaps() -> None:
    """Let all threads share two heaps; to be called before they are started.

    glibc gives each thread a heap of its own, up to eight for each core, and each keeps what it
    once needed: a run that goes on for hours takes more and more. Nothing where the C library
    has no such setting.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _HEAPS)
