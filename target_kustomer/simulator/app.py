"""The routes of the API and of the simulator's own controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from target_kustomer.simulator import bulk, companies, control, customers, metadata, search
from target_kustomer.simulator.calls import ENTRY, respond
from target_kustomer.simulator.documents import token_document
from target_kustomer.simulator.errors import ApiError
from target_kustomer.simulator.layers import FaultLayer, LogLayer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from target_kustomer.simulator.calls import Answer, Call, Handler
    from target_kustomer.simulator.world import World


def read_token(call: Call) -> Answer:
    """Returns the key that asks; any valid key may [API §1]."""
    return 200, {"data": token_document(call.org, call.key)}


def refuse_unknown(call: Call) -> Answer:
    """Refuses what Kustomer has no endpoint for."""
    raise ApiError(404, "notfound", "Not Found", detail=call.entry.path)


CALLS: list[tuple[str, str, str, str | None, Handler]] = [
    ("GET", "/v1/auth/tokens/current", "auth", None, read_token),
    ("POST", "/v1/customers/bulk", "bulk-submit", "customer.create", bulk.bulk_create("customer")),
    ("PUT", "/v1/customers/bulk", "bulk-submit", "customer.update", bulk.bulk_update("customer")),
    ("DELETE", "/v1/customers/bulk", "bulk-submit", "customer.delete", bulk.bulk_delete),
    ("POST", "/v1/customers/search", "search", "search", search.search),
    ("POST", "/v1/customers", "customer.create", "customer.create", customers.create_customer),
    ("GET", "/v1/customers", "customer.list", "customer.read", customers.list_customers),
    ("GET", "/v1/customers/{id:path}", "customer.read", "customer.read", customers.read_customer),
    (
        "PATCH",
        "/v1/customers/{id}",
        "customer.update",
        "customer.update",
        customers.update_customer,
    ),
    ("PUT", "/v1/customers/{id}", "customer.update", "customer.update", customers.update_customer),
    (
        "DELETE",
        "/v1/customers/{id}",
        "customer.delete",
        "customer.delete",
        customers.delete_customer,
    ),
    ("POST", "/v1/companies/bulk", "bulk-submit", "company.create", bulk.bulk_create("company")),
    ("PUT", "/v1/companies/bulk", "bulk-submit", "company.update", bulk.bulk_update("company")),
    ("POST", "/v1/companies", "company.create", "company.create", companies.create_company),
    ("GET", "/v1/companies", "company.list", "company.read", companies.list_companies),
    ("GET", "/v1/companies/{id}", "company.read", "company.read", companies.read_company),
    ("PUT", "/v1/companies/{id}", "company.update", "company.update", companies.update_company),
    ("GET", "/v1/bulk/{id}", "bulk-poll", "bulk.read", bulk.read_job),
    ("GET", "/v1/bulk/{id}/batches", "bulk-poll", "bulk.read", bulk.list_batches),
    ("GET", "/v1/metadata/{id}", "metadata.read", "metadata.read", metadata.read_metadata),
    ("PUT", "/v1/metadata/{id}", "metadata.update", "metadata.update", metadata.update_metadata),
]
"""Method, path, kind in the log, role needed, handler [API §1, §2]; the first that fits."""

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def make_app(world: World) -> ASGIApp:
    """Returns the ASGI application that serves a world."""
    routes = [
        Route(path, _endpoint(world, kind, need, handler), methods=[method])
        for method, path, kind, need, handler in CALLS
    ]
    unknown = _endpoint(world, "unknown", None, refuse_unknown)
    routes.append(Route("/v1/{path:path}", unknown, methods=_METHODS))
    app: ASGIApp = Starlette(routes=[*routes, *control.routes(world)])
    return LogLayer(FaultLayer(app, world), world)


def _endpoint(
    world: World, kind: str, need: str | None, handler: Handler
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response()
        entry = request.scope[ENTRY]
        entry.kind, entry.body_bytes = kind, len(body)
        with world.org.lock:
            world.org.settle()
            return respond(world, request, body, need, handler)

    return endpoint
