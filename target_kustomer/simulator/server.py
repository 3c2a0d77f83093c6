"""The server: a Kustomer on a local port, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from target_kustomer.simulator.app import make_app
from target_kustomer.simulator.layers import TRANSPORT, break_connection
from target_kustomer.simulator.switches import Switches
from target_kustomer.simulator.world import World

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from starlette.types import Receive, Scope, Send
    from typing_extensions import Self

    from target_kustomer.simulator.faults import Faults
    from target_kustomer.simulator.org import Org
    from target_kustomer.simulator.requestlog import RequestLog

DEFAULT_API_KEY = "simulator-key"
"""A key with the role `org`, which grants everything."""

_HOST = "127.0.0.1"
_KEEP_ALIVE_SECONDS = 75


class Simulator:
    """A Kustomer on this machine.

    ```python
    with Simulator(rate_limit=20) as simulator:
        httpx.get(f"{simulator.url}/v1/customers", headers=simulator.headers)
        simulator.faults.add("reset_after", method="POST")
        simulator.org.customer(email="ada@example.com").attributes["name"]
    ```

    After `stop` nobody listens on the port; `start` listens on the same one again, and the org
    still holds what it held.
    """

    def __init__(
        self,
        switches: Switches | None = None,
        *,
        port: int = 0,
        clock: Callable[[], float] = time.time,
        api_key: str = DEFAULT_API_KEY,
        **settings: Any,
    ) -> None:
        """Makes a simulator that does not listen yet.

        Args:
            switches: Which reading of the facts holds.
            port: TCP port of 127.0.0.1; 0 takes a free one.
            clock: Returns epoch seconds; all that takes time is computed from it.
            api_key: A key with the role `org`; for others see `Org.add_key`.
            settings: Single switches by name, instead of `switches`.

        Raises:
            ValueError: If a setting is no switch or has another type.
        """
        self.port = port
        self.world = World(switches or Switches.parse(settings), clock, api_key)
        self._thread: _ServerThread | None = None

    @property
    def url(self) -> str:
        """The base URL, without `/v1`."""
        return f"http://{_HOST}:{self.port}"

    @property
    def api_key(self) -> str:
        """The key with the role `org`."""
        return self.world.api_key

    @property
    def headers(self) -> dict[str, str]:
        """The headers that let a request in."""
        return {"Authorization": f"Bearer {self.api_key}"}

    @property
    def switches(self) -> Switches:
        """Which reading of the facts holds."""
        return self.world.switches

    @property
    def org(self) -> Org:
        """What Kustomer holds."""
        return self.world.org

    @property
    def faults(self) -> Faults:
        """What is scripted to go wrong."""
        return self.world.faults

    @property
    def requests(self) -> RequestLog:
        """The requests so far."""
        return self.world.log

    def reset(self, **settings: Any) -> None:
        """Starts anew with an empty org, and with other switches if any are given."""
        self.world.reset(Switches.parse(settings) if settings else self.switches)

    def start(self) -> None:
        """Starts to listen, and returns when it does.

        Raises:
            OSError: If the port is taken.
        """
        listener = socket.create_server((_HOST, self.port))
        # Connections inherit it; without it the kernel holds answers back for 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = listener.getsockname()[1]
        self._thread = _ServerThread(self.world, listener)
        self._thread.start()
        self._thread.ready.wait()

    def stop(self) -> None:
        """Breaks all connections and stops listening."""
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class _ServerThread(threading.Thread):
    """A thread with an event loop that serves one listening socket."""

    def __init__(self, world: World, listener: socket.socket) -> None:
        super().__init__(name="kustomer-simulator", daemon=True)
        self.ready = threading.Event()
        self._world = world
        self._listener = listener
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()

    @override
    def run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    def stop(self) -> None:
        """Ends the serving, and returns when it has ended."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self.join()

    async def _serve(self) -> None:
        config = uvicorn.Config(
            make_app(self._world),
            lifespan="off",
            ws="none",
            access_log=False,
            log_config=None,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        config.load()
        state = ServerState()
        server = await self._loop.create_server(
            lambda: self._protocol(config, state), sock=self._listener, backlog=1024
        )
        self.ready.set()
        await self._stopping.wait()
        server.close()
        await asyncio.sleep(0)  # so that who was accepted already is among the connections
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.gather(*state.tasks)
        await asyncio.sleep(0)  # a transport closes its socket a turn later

    def _protocol(self, config: uvicorn.Config, state: ServerState) -> asyncio.Protocol:
        if self._world.faults.refuses_connection(len(self._world.log.entries) + 1):
            return _Refusal()
        return _Protocol(config, state)


class _Refusal(asyncio.Protocol):
    """Breaks a connection before anything is read from it."""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        break_connection(cast("asyncio.Transport", transport))


class _Protocol(H11Protocol):
    """HTTP/1.1 that hands its transport to the application, so that faults can break it."""

    def __init__(self, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config, state, app_state={})
        self._inner_app = self.app
        self.app = self._app_with_transport

    async def _app_with_transport(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[TRANSPORT] = self.transport
        await self._inner_app(scope, receive, send)
