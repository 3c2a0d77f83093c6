"""Time that passes faster, for the target and the simulator alike: waits are not waited for."""

from __future__ import annotations

import time

from typing_extensions import override

from target_kustomer.clock import RunClock
from target_kustomer.target import TargetKustomer

SPEED = 200
"""Seconds that pass in one."""


def fast_time() -> float:
    """UTC seconds since 1970, as the simulator's clock."""
    return _START + (time.time() - _START) * SPEED


_START = time.time()


class FastClock(RunClock):
    """The machine's clock, sped up."""

    @override
    def monotonic(self) -> float:
        return time.monotonic() * SPEED

    @override
    def time(self) -> float:
        return fast_time()

    @override
    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / SPEED)


class FastTarget(TargetKustomer):
    """The target in fast time; HTTP time-outs are not part of it."""

    clock_class = FastClock
