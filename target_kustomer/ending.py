"""Why a run ends before stdin does, and how long what is in flight may then still settle."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from target_kustomer.exceptions import RequestError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_kustomer.clock import Clock
    from target_kustomer.exceptions import SignalError

logger = logging.getLogger(__name__)

_JOIN_POLL_SECONDS = 0.1


class Ending:
    """Ends a run at the first signal or failure, and its grace at the second signal.

    Args:
        clock: Time.
        grace_seconds: For how long what is in flight may still settle.
        signalled: What a signal ends the run with.
        wake: Wakes the reading, which may wait for stdin.

    Attributes:
        abandon: Takes back what no worker has begun, once there are workers.
        cause: What ends the run, if anything does.
    """

    def __init__(
        self,
        clock: Clock,
        grace_seconds: float,
        signalled: Callable[[int], SignalError],
        wake: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._grace_seconds = grace_seconds
        self._signalled = signalled
        self._wake = wake
        self.abandon: Callable[[], object] = lambda: None
        self._signals = 0
        self._grace_ends: float | None = None
        self.cause: BaseException | None = None

    def has_begun(self) -> bool:
        """Whether nothing more is to be read."""
        return self.cause is not None

    def signal(self, signum: int) -> None:
        """A signal came; safe in a signal handler, which wakes the reading itself."""
        self._signals += 1
        if self.cause is None:
            self.cause = self._signalled(signum)

    def fail(self, failure: BaseException) -> None:
        """A thread failed."""
        if self.cause is None:
            self.cause = _unexpected(failure)
        self._wake()

    def await_end(self, join: Callable[[float], bool]) -> bool:
        """Wait until threads have ended, or the grace is over; whether they have."""
        while not self.has_begun():
            if join(_JOIN_POLL_SECONDS):
                return True
        grace_ends = self._begin_grace()
        while self._signals <= 1 and self._clock.monotonic() < grace_ends:
            if join(_JOIN_POLL_SECONDS):
                return True
        return False

    def _begin_grace(self) -> float:
        """When the grace ends, which is the same for all threads."""
        if self._grace_ends is None:
            logger.warning("ending: what is in flight may settle seconds=%g", self._grace_seconds)
            self.abandon()
            self._grace_ends = self._clock.monotonic() + self._grace_seconds
        return self._grace_ends


def _unexpected(failure: BaseException) -> BaseException:
    """An answer that nobody could act on, in words that tell what to do."""
    if not isinstance(failure, RequestError):
        return failure
    msg = (
        f"Kustomer answered HTTP {failure.status} to the {failure}, which is not expected: check "
        "api_url and Kustomer's status, then run again: the last STATE is safe"
    )
    error = UnreachableError(msg)
    error.__cause__ = failure
    return error
