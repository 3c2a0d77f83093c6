"""One call of the API: who may make it, what it costs, and how its answer goes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from target_kustomer.simulator import bodies
from target_kustomer.simulator.errors import ApiError, ItemError
from target_kustomer.simulator.keys import ROLES, ApiKey
from target_kustomer.simulator.ratelimits import Window, rounded_up

if TYPE_CHECKING:
    from starlette.requests import Request

    from target_kustomer.simulator.org import Org
    from target_kustomer.simulator.requestlog import LoggedRequest
    from target_kustomer.simulator.switches import Switches
    from target_kustomer.simulator.world import World

ENTRY = "kustomer.entry"
"""Key of the ASGI scope under which a request's log entry is found."""

Answer = tuple[int, "dict[str, Any] | None"]
"""Status and body."""


@dataclass
class Call:
    """A call that was let in.

    Attributes:
        world: What it is made to.
        key: Whose it is.
        request: The HTTP request.
        body: Its body.
        headers: Further headers of the answer.
    """

    world: World
    key: ApiKey
    request: Request
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def org(self) -> Org:
        """The org that it asks."""
        return self.world.org

    @property
    def switches(self) -> Switches:
        """Which reading of the facts holds."""
        return self.world.switches

    @property
    def entry(self) -> LoggedRequest:
        """Its entry in the log."""
        entry: LoggedRequest = self.request.scope[ENTRY]
        return entry

    @property
    def replace(self) -> bool:
        """Whether it asks for a replacement of the document [API §2.1]."""
        return self.query("replace") == "true"

    def query(self, name: str) -> str | None:
        """Returns a query parameter."""
        return self.request.query_params.get(name)

    def path_id(self) -> str:
        """Returns the id in the path."""
        found: str = self.request.path_params["id"]
        return found

    def payload(self) -> object:
        """Returns the JSON body.

        Raises:
            ApiError: 400 if it is none.
        """
        content_type = self.request.headers.get("content-type", "")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise ApiError(400, "bad_request", "Content-Type must be application/json")
        return bodies.parse(self.body)

    def require(self, need: str) -> None:
        """Raises the 403 (`ApiError`) unless the key has a role for this [API §1]."""
        if not self.key.grants(need):
            detail = f"requires one of: {', '.join(ROLES[need])}"
            raise ApiError(403, "forbidden", "Forbidden", detail=detail)

    def spend_object_update(self, object_id: str) -> None:
        """Counts an update of one object by this user [API §7].

        Raises:
            ApiError: 429 if the limit for the object is reached.
        """
        window = self.org.queue.object_windows.of(self.key.user, object_id)
        spent = window.spend()
        self.headers["x-ratelimit-object-limit"] = str(window.limit)
        self.headers["x-ratelimit-object-remaining"] = str(window.remaining)
        if not spent:
            raise too_many_requests(window, self.switches)


Handler = Callable[[Call], Answer]


def too_many_requests(window: Window, switches: Switches) -> ApiError:
    """Returns the 429 of a spent window [API §7]."""
    error = ApiError(429, "rate_limit_exceeded", "Too Many Requests")
    if switches.rate_limit_reset:
        factor = 1000 if switches.rate_limit_reset_milliseconds else 1
        error.headers["x-ratelimit-reset"] = rounded_up(window.resets_at * factor)
    if switches.rate_limit_retry_after:
        error.headers["retry-after"] = rounded_up(window.resets_at - window.now)
    return error


def budget_headers(budget: Window) -> dict[str, str]:
    """Returns the headers that every answer bears [API §7]."""
    return {
        "x-ratelimit-limit": str(budget.limit),
        "x-ratelimit-remaining": str(budget.remaining),
    }


def respond(
    world: World, request: Request, body: bytes, need: str | None, handler: Handler
) -> Response:
    """Lets a call in, has it handled, and puts the answer in its form.

    Args:
        world: What it is made to.
        request: The HTTP request.
        body: Its body.
        need: The role it needs, a key of `ROLES`; None for any valid key.
        handler: What it does.
    """
    headers: dict[str, str] = {}
    try:
        call = Call(world, _authenticated(world, request), request, body, headers)
        _admit(call, need)
        status, content = _handled(call, handler)
    except ApiError as error:
        status, content = error.status, error.body(world.switches.error_shape)
        headers |= error.headers
    headers |= budget_headers(world.budget) | {"x-kustomer-pod": world.switches.region}
    if content is None:
        return Response(status_code=status, headers=headers)
    return JSONResponse(content, status_code=status, headers=headers)


def _handled(call: Call, handler: Handler) -> Answer:
    try:
        return handler(call)
    except ItemError as error:
        raise error.as_api_error() from error


def _authenticated(world: World, request: Request) -> ApiKey:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    key = world.org.keys.get(token)
    if scheme != "Bearer" or key is None:
        raise ApiError(401, "unauthorized", "Unauthorized")
    if key.expires_at is not None and world.clock() >= key.expires_at:
        raise ApiError(401, "unauthorized", "Expired token")
    here = world.switches.region
    if key.region not in {None, here}:
        text = f"Auth token associated with pod {key.region} but request is being handled by {here}"
        raise ApiError(world.switches.wrong_region_status, "unauthorized", text)
    return key


def _admit(call: Call, need: str | None) -> None:
    if not call.world.budget.spend():
        raise too_many_requests(call.world.budget, call.switches)
    call.entry.cost = 1
    if need is not None:
        call.require(need)
    if len(call.body) > call.switches.max_body_bytes:
        raise ApiError(413, "payload_too_large", "Payload Too Large")
