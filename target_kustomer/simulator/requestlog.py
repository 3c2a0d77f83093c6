"""The log of the requests that the API got, for tests to read."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class LoggedRequest:
    """One request.

    Attributes:
        ordinal: Its number, from 1.
        time: Epoch seconds at which it came.
        method: HTTP method.
        path: Path, percent-encoded as it came.
        query: Query string as it came.
        in_flight: Requests in flight when it came, itself included.
        kind: What it asks for, such as `bulk-submit`, `bulk-poll` or `customer.read`; empty
            where it was not understood.
        status: Status of the answer; None while there is none, and if there never was one.
        cost: Units of the org's budget spent.
        body_bytes: Size of its body.
        records: Records in its body.
        fault: Kind of the fault that hit it, or None.
    """

    ordinal: int
    time: float
    method: str
    path: str
    query: str
    in_flight: int
    kind: str = ""
    status: int | None = None
    cost: int = 0
    body_bytes: int = 0
    records: int = 0
    fault: str | None = None


class RequestLog:
    """All requests to the API since the start, in the order in which they came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[LoggedRequest] = []
        self._in_flight = 0

    @property
    def entries(self) -> list[LoggedRequest]:
        """The requests so far."""
        with self._lock:
            return list(self._entries)

    @property
    def cost(self) -> int:
        """Units of the org's budget spent by all of them."""
        return sum(entry.cost for entry in self.entries)

    def of_kind(self, kind: str) -> list[LoggedRequest]:
        """Returns the requests of one kind."""
        return [entry for entry in self.entries if entry.kind == kind]

    def counts(self) -> dict[str, int]:
        """Returns how many requests there were of each kind."""
        counts: dict[str, int] = {}
        for entry in self.entries:
            counts[entry.kind] = counts.get(entry.kind, 0) + 1
        return counts

    def as_dicts(self) -> list[dict[str, Any]]:
        """Returns the requests as JSON values."""
        return [asdict(entry) for entry in self.entries]

    def open(self, time: float, method: str, path: str, query: str) -> LoggedRequest:
        """Notes a request that has come."""
        with self._lock:
            self._in_flight += 1
            ordinal = len(self._entries) + 1
            entry = LoggedRequest(ordinal, time, method, path, query, self._in_flight)
            self._entries.append(entry)
            return entry

    def close(self) -> None:
        """Notes that a request is done with."""
        with self._lock:
            self._in_flight -= 1
