"""The layers around the API: one logs each request, one breaks it as the faults have it."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import TYPE_CHECKING, Any

from target_kustomer.simulator.calls import ENTRY, budget_headers
from target_kustomer.simulator.errors import ApiError
from target_kustomer.simulator.ratelimits import rounded_up

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from target_kustomer.simulator.faults import Fault
    from target_kustomer.simulator.world import World

TRANSPORT = "kustomer.transport"
"""Key of the ASGI scope under which the server puts the connection's transport."""

_PAGES = {
    "502_html": (502, "Bad Gateway"),
    "503_html": (503, "Service Unavailable"),
    "gateway_403_html": (403, "ERROR: The request could not be satisfied"),
}
_SUCCESS = range(200, 300)


def break_connection(transport: asyncio.Transport) -> None:
    """Closes a connection at once, with a reset and without what is still unsent."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class LogLayer:
    """Notes each request to the API and what was answered, and lets the answer take its time."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        log = self._world.log
        raw_path = scope["raw_path"].decode("ascii").partition("?")[0]
        query = scope["query_string"].decode("ascii")
        entry = log.open(self._world.clock(), scope["method"], raw_path, query)
        scope[ENTRY] = entry

        async def noting_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
                await asyncio.sleep(self._world.switches.latency_seconds)
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        finally:
            log.close()


class FaultLayer:
    """Breaks the requests that faults hit."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, or breaks it."""
        entry = scope.get(ENTRY)
        if entry is None:
            await self._app(scope, receive, send)
            return
        if self._world.faults.awaits_connection(entry.ordinal + 1):
            send = _closing(send)
        fault = self._world.faults.take(entry.method, entry.path, entry.ordinal)
        if fault is None:
            await self._app(scope, receive, send)
            return
        entry.fault = fault.kind
        await self._strike(fault, scope, receive, send)

    async def _strike(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.kind in {"refuse_connection", "reset_before"}:
            if fault.kind == "reset_before":
                await _read_all(receive)
            break_connection(scope[TRANSPORT])
            await _wait_for_disconnect(receive)
        elif fault.kind in {"429", "429_without_reset"}:
            await self._send_429(fault, send)
        elif fault.kind == "timeout_before":
            await _wait_for_disconnect(receive)
        elif fault.kind in _ERRORS or fault.kind in _PAGES:
            if fault.processed:
                await self._process(scope, receive)
            await self._send_error(fault, send)
        else:
            await self._spoil(fault, scope, receive, send)

    async def _spoil(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        status, body = await self._process(scope, receive)
        if fault.kind == "timeout_after":
            await _wait_for_disconnect(receive)
        elif fault.kind == "reset_after":
            break_connection(scope[TRANSPORT])
            await _wait_for_disconnect(receive)
        elif fault.kind == "cut_json":
            await _send(send, status, body[: len(body) // 2], _JSON)
        elif fault.kind == "cut_body":
            await _send(send, status, body[: len(body) // 2], _JSON, length=len(body))
            scope[TRANSPORT].close()
            await _wait_for_disconnect(receive)
        else:
            await _send(send, status if status in _SUCCESS else 200, b"", _JSON)

    async def _process(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        """Has the org process the request, and keeps the answer back."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        return messages[0]["status"], b"".join(part.get("body", b"") for part in messages[1:])

    async def _send_429(self, fault: Fault, send: Send) -> None:
        headers = budget_headers(self._world.budget) | {"x-ratelimit-remaining": "0"} | _JSON
        if fault.kind == "429":
            reset_at = self._world.clock() + fault.seconds
            headers["x-ratelimit-reset"] = rounded_up(reset_at)
        await _send(
            send, 429, self._error(429, "rate_limit_exceeded", "Too Many Requests"), headers
        )

    async def _send_error(self, fault: Fault, send: Send) -> None:
        if fault.kind in _PAGES:
            status, title = _PAGES[fault.kind]
            page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
            await _send(send, status, page.encode(), {"content-type": "text/html"})
            return
        headers = budget_headers(self._world.budget) | _JSON
        await _send(send, int(fault.kind), self._error(*_ERRORS[fault.kind]), headers)

    def _error(self, status: int, code: str, title: str) -> bytes:
        body: dict[str, Any] = ApiError(status, code, title).body(self._world.switches.error_shape)
        return json.dumps(body).encode()


_ERRORS = {
    "400": (400, "badparam", "Invalid value"),
    "500": (500, "server_error", "Internal Server Error"),
}
_JSON = {"content-type": "application/json"}


async def _read_all(receive: Receive) -> None:
    more = True
    while more:
        more = (await receive()).get("more_body", False)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _closing(send: Send) -> Send:
    """Has the answer close its connection."""

    async def closing_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return closing_send


async def _send(
    send: Send, status: int, body: bytes, headers: dict[str, str], *, length: int | None = None
) -> None:
    length = len(body) if length is None else length
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    pairs.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    more = length > len(body)
    await send({"type": "http.response.body", "body": body, "more_body": more})
