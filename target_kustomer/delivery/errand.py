"""Runs what may block on a thread of its own, so that the reading thread can leave it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from target_kustomer.exceptions import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_POLL_SECONDS = 0.1


class _Errand(Generic[T]):
    """A call, and what came of it."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self.results: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.results.append(self._call())
        except BaseException as error:  # noqa: BLE001  raised again by the thread that waits
            self.error = error


def run_errand(call: Callable[[], T], interrupted: Callable[[], bool]) -> T:
    """Call and return the result, unless the run is interrupted before.

    A signal does not end a request that blocks the main thread; here it does not block it.

    Raises:
        StoppedError: The run was interrupted; the call is left to itself.
    """
    errand = _Errand(call)
    thread = threading.Thread(target=errand.run, name="errand", daemon=True)
    if interrupted():
        raise StoppedError
    thread.start()
    while thread.is_alive():
        if interrupted():
            raise StoppedError
        thread.join(_POLL_SECONDS)
    if errand.error is not None:
        raise errand.error
    return errand.results[0]
