"""The target in a time that passes faster, as a program: a minute is over in three seconds."""

from __future__ import annotations

import time

from typing_extensions import override

from target_kustomer.clock import RunClock
from target_kustomer.target import TargetKustomer

SPEED = 20
"""Seconds that pass in one."""


def hurried_time() -> float:
    """UTC seconds since 1970, if it were later."""
    return time.time() * SPEED


class _Clock(RunClock):
    @override
    def monotonic(self) -> float:
        return time.monotonic() * SPEED

    @override
    def time(self) -> float:
        return hurried_time()

    @override
    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / SPEED)


class _Target(TargetKustomer):
    clock_class = _Clock


if __name__ == "__main__":
    _Target.cli()
