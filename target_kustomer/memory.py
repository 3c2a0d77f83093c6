"""How the C library keeps memory for threads, and when Python looks for what it can give back."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_M_ARENA_MAX = -8
_M_MMAP_THRESHOLD = -3
"""glibc's numbers of these settings (malloc.h)."""

_HEAPS = 2
_LARGE_BYTES = 128 * 1024
"""glibc's own threshold at the start, which it raises to as much as 32 MB as a run goes on."""

_OBJECTS_BETWEEN_COLLECTIONS = 10_000
"""Python's own 700 would look through the records under way some ten times as often."""


def share_heaps() -> None:
    """Let all threads share two heaps; to be called before they are started.

    glibc gives each thread a heap of its own, up to eight for each core, and each keeps what it
    once needed: a run that goes on for hours takes more and more. What is large, as answers and
    bodies are, goes back to the system instead. Nothing where the C library has no such settings.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, _HEAPS)
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def spare_what_stays() -> None:
    """Keep the garbage collector from what the start has made: it stays until the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
