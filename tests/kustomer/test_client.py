"""Answers that Kustomer itself would not give, and how requests keep to its limits."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from typing_extensions import override

from target_kustomer.clock import RunClock
from target_kustomer.exceptions import (
    LostAnswerError,
    RefusedError,
    UnreachableError,
)
from target_kustomer.kustomer.client import Client, Request
from target_kustomer.kustomer.endpoints import Kustomer
from target_kustomer.settings import Settings
from target_kustomer.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support import Clock

HTML = b"<html>a gateway's page</html>"


class Gateway(BaseHTTPRequestHandler):
    """Gives every request the same answer."""

    answer: ClassVar[tuple[int, dict[str, str], bytes]]

    def do_GET(self) -> None:
        status, headers, body = self.answer
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  http.server's name

    @override
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def client() -> Iterator[Callable[..., Client]]:
    """A client of a gateway that answers so; what it waits for is over at once."""
    ends: list[Callable[[], None]] = []

    def make(status: int, body: bytes = HTML, **headers: str) -> Client:
        handler = type("Handler", (Gateway,), {"answer": (status, headers, body)})
        server = HTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        settings = {"api_key": "secret-key", "api_url": url, "retry_deadline_seconds": 0}
        made = Client(Settings.from_config(settings), RunClock())
        ends.extend((made.close, server.shutdown, thread.join, server.server_close))
        return made

    yield make
    for end in ends:
        end()


LOOK_UP = Request("look-up", "GET", "/customers/email=a%40example.com")
CREATE = Request("create", "POST", "/customers/bulk", json=[{}], repeatable=False)
GZIP = {"Content-Encoding": "gzip"}


@pytest.mark.parametrize("status", [403, 404, 408, 500, 502, 503, 504])
def test_a_gateways_page_is_never_an_answer_of_kustomer(
    status: int, client: Callable[..., Client]
) -> None:
    with pytest.raises(UnreachableError, match=f"HTTP {status}"):
        client(status).send(LOOK_UP)
    with pytest.raises(LostAnswerError):
        client(status).send(CREATE)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b"null", HTML])
def test_a_success_that_cannot_be_read_is_no_success(
    body: bytes, client: Callable[..., Client]
) -> None:
    with pytest.raises(UnreachableError):
        client(200, body).send(LOOK_UP)
    with pytest.raises(LostAnswerError):
        client(201, body).send(CREATE)


def test_an_answer_that_cannot_be_decoded_is_lost(client: Callable[..., Client]) -> None:
    with pytest.raises(UnreachableError):
        client(200, b"no gzip", **GZIP).send(LOOK_UP)
    with pytest.raises(LostAnswerError):
        client(201, b"no gzip", **GZIP).send(CREATE)


def test_a_body_that_a_gateway_finds_too_large_is_refused(client: Callable[..., Client]) -> None:
    with pytest.raises(RefusedError) as refused:
        client(413).send(CREATE)
    assert refused.value.status == 413


def test_requests_keep_to_the_share_and_use_it(clock: Clock) -> None:
    with Simulator(clock=clock.time, rate_limit=100) as simulator, _client(simulator, clock) as api:
        started = clock.now
        for _ in range(400):
            api.key()
        requests = simulator.requests.entries
    times = [each.time for each in requests]
    assert {each.status for each in requests} == {200}
    assert 400 / (clock.now - started) >= 0.95 * 80 / 60
    assert all(later - first >= 60 for first, later in zip(times, times[80:], strict=False))


def test_answers_that_never_come_do_not_slow_down_those_that_do(clock: Clock) -> None:
    with Simulator(clock=clock.time, rate_limit=100) as simulator, _client(simulator, clock) as api:
        api.key()
        for kind in ("refuse_connection", "reset_before", "reset_after"):
            simulator.faults.add(kind, times=80)
        for _ in range(240):
            with pytest.raises(UnreachableError):
                api.key()
        api.key()
        started = clock.now
        for _ in range(10):
            api.key()
        assert clock.now - started < 15


def test_a_wait_for_the_reset_does_not_count_as_a_wait_for_an_answer(clock: Clock) -> None:
    with (
        Simulator(clock=clock.time) as simulator,
        _client(simulator, clock, retry_deadline_seconds=60) as api,
    ):
        started = clock.now
        simulator.faults.add("429", seconds=90)
        simulator.faults.add("500")
        api.key()
        assert 90 <= clock.now - started < 95


def test_an_object_whose_limit_is_spent_waits_alone_and_is_not_refused(clock: Clock) -> None:
    with (
        Simulator(clock=clock.time, object_limit=2) as simulator,
        _client(simulator, clock) as api,
    ):
        one, other = (simulator.org.add_customer({"name": name}).id for name in ("one", "other"))
        started = clock.now
        for customer in (one, one, other):
            api.update("customer", customer, {"name": "new"})
        assert clock.now - started < 1
        api.update("customer", one, {"name": "newer"})
        assert clock.now - started >= 60
        assert {each.status for each in simulator.requests.entries} == {200}


@contextmanager
def _client(simulator: Simulator, clock: Clock, **settings: Any) -> Iterator[Kustomer]:
    """The API of a simulator, in its time."""
    config = {"api_key": simulator.api_key, "api_url": simulator.url, **settings}
    client = Client(Settings.from_config({"retry_deadline_seconds": 0, **config}), clock)
    try:
        yield Kustomer(client)
    finally:
        client.close()
