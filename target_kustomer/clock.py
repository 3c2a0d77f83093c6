"""Time, injected: everything that waits waits here, and leaves when the run is ending."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from target_kustomer.exceptions import StoppedError


class Clock(Protocol):
    """What the code asks of time; tests may bring their own."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""

    def time(self) -> float:
        """UTC seconds since 1970."""

    def sleep(self, seconds: float) -> None:
        """Wait, or raise StoppedError at once when the run must end."""


class RunClock:
    """The machine's clock; :meth:`stop` ends every sleep in progress."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        return time.monotonic()

    def time(self) -> float:
        """UTC seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait, or raise StoppedError at once when the run must end."""
        if self._stopped.wait(max(seconds, 0.0)):
            raise StoppedError

    def stop(self) -> None:
        """End every sleep, now and later, with StoppedError."""
        self._stopped.set()
