from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from target_kustomer.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Clock:
    """A clock that moves when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Kustomer:
    """A running simulator, a client that knows its key, and the clock of both."""

    def __init__(self, simulator: Simulator, client: httpx.Client, clock: Clock) -> None:
        self.simulator = simulator
        self.org = simulator.org
        self.clock = clock
        self.client = client
        self.get = client.get
        self.post = client.post
        self.put = client.put
        self.patch = client.patch
        self.delete = client.delete

    def with_key(self, **key: Any) -> httpx.Client:
        """Returns the client after it has changed to a new key."""
        token = f"key-{len(self.org.keys)}"
        self.org.add_key(token, **key)
        self.client.headers["Authorization"] = f"Bearer {token}"
        return self.client

    def submit(self, method: str, path: str, items: Any) -> str:
        """Submits a bulk job, and returns its id."""
        response = self.client.request(method, path, json=items)
        assert response.status_code == 201, response.text
        job_id: str = response.json()["data"]["id"]
        return job_id

    def batches(self, job_id: str, **query: Any) -> dict[str, Any]:
        """Returns the answer with the batches of a job."""
        response = self.client.get(f"/v1/bulk/{job_id}/batches", params=query)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def done(self, method: str, path: str, items: Any) -> dict[str, dict[str, Any]]:
        """Has a bulk job done, and returns its results by `_clientRef`."""
        items = [{"_clientRef": str(number), **item} for number, item in enumerate(items)]
        job_id = self.submit(method, path, items)
        self.clock.advance(1)
        [batch] = self.batches(job_id)["data"]
        return {result["_clientRef"]: result for result in batch["attributes"]["results"]}


@pytest.fixture
def make() -> Iterator[Callable[..., Kustomer]]:
    """Starts simulators with the switches given."""
    with ExitStack() as stack:

        def started(**settings: Any) -> Kustomer:
            clock = Clock()
            simulator = stack.enter_context(Simulator(clock=clock, **settings))
            client = httpx.Client(base_url=simulator.url, headers=simulator.headers)
            return Kustomer(simulator, stack.enter_context(client), clock)

        yield started


@pytest.fixture
def kustomer(make: Callable[..., Kustomer]) -> Kustomer:
    """A simulator with all switches at their defaults."""
    return make()
