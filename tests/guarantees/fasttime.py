"""Time that passes faster, for the target and the simulator alike: waits are not waited for."""

from __future__ import annotations

import time

from typing_extensions import override

from target_kustomer.clock import RunClock
from target_kustomer.target import TargetKustomer


class FastTime:
    """A time that passes faster than the machine's, from a moment on.

    Args:
        speed: Seconds that pass in one.
        since: The moment at which both are the same, in UTC seconds since 1970.
    """

    def __init__(self, speed: float, since: float) -> None:
        self._speed = speed
        self._since = since

    def __call__(self) -> float:
        """UTC seconds since 1970, as the simulator's clock."""
        return self._since + (time.time() - self._since) * self._speed

    def target(self) -> type[TargetKustomer]:
        """The target in this time; HTTP time-outs are not part of it."""
        now, speed = self, self._speed

        class FastClock(RunClock):
            @override
            def monotonic(self) -> float:
                return time.monotonic() * speed

            @override
            def time(self) -> float:
                return now()

            @override
            def sleep(self, seconds: float) -> None:
                super().sleep(seconds / speed)

        class FastTarget(TargetKustomer):
            clock_class = FastClock

        return FastTarget


SPEED = 200

fast_time = FastTime(SPEED, time.time())

FastTarget = fast_time.target()
