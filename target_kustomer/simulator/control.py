"""The simulator's own endpoints, outside /v1 and without a key, for tests in other processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse
from starlette.routing import Route

from target_kustomer.simulator.errors import ItemError
from target_kustomer.simulator.poison import attribute_matches
from target_kustomer.simulator.switches import Switches

if TYPE_CHECKING:
    from starlette.requests import Request

    from target_kustomer.simulator.org import Org
    from target_kustomer.simulator.world import World


def state_of(world: World) -> dict[str, Any]:
    """Returns all that the org holds, and the requests by kind, as JSON values."""
    org = world.org
    with org.lock:
        companies, customers = org.stored("company"), org.stored("customer")
        return {
            "companies": [stored.as_dict() for stored in companies],
            "customers": [stored.as_dict() for stored in customers],
            "jobs": [job.as_dict() for job in org.jobs],
            "overlapping_jobs": [[one.id, other.id] for one, other in org.overlapping_jobs()],
            "most_jobs_at_once": org.most_jobs_at_once,
            "requests": world.log.counts(),
            "cost": world.log.cost,
            "faults": world.faults.as_dicts(),
        }


def seed(org: Org, seed_data: dict[str, Any]) -> None:
    """Fills an org: `custom` definitions first, then `companies`, then `customers`.

    Args:
        org: The org.
        seed_data: `{"custom": {resource: {name: metadata}}, "companies": [attributes],
            "customers": [attributes]}`, each optional; a customer's `company` is the externalId
            or else the name of a company.

    Raises:
        ItemError: If an identifier is another's.
        ValueError: If a customer's company is not there.
    """
    for resource, definitions in seed_data.get("custom", {}).items():
        for name, metadata in definitions.items():
            org.define_custom(resource, name, **metadata)
    for attributes in seed_data.get("companies", ()):
        org.add_company(attributes)
    for attributes in seed_data.get("customers", ()):
        org.add_customer(attributes, company=_company_id(org, attributes.pop("company", None)))


def _company_id(org: Org, reference: str | None) -> str | None:
    if reference is None:
        return None
    company = org.company(external_id=reference) or org.company(name=reference)
    if company is None:
        message = f"no company has the externalId or name {reference!r}"
        raise ValueError(message)
    return company.id


def add_rule(org: Org, rule: dict[str, Any]) -> None:
    """Adds a rule that only the server knows, given as data.

    Args:
        org: The org.
        rule: `level` (`request` or `item`), `attribute` (a path such as `emails.email`),
            `equals` or `contains`, and `text`, what the refusal says.

    Raises:
        ValueError: If the level is another.
    """
    predicate = attribute_matches(
        rule["attribute"], equals=rule.get("equals"), contains=rule.get("contains")
    )
    levels = {"request": org.refuse_request_if, "item": org.refuse_item_if}
    if rule["level"] not in levels:
        message = f"no such level: {rule['level']}"
        raise ValueError(message)
    levels[rule["level"]](predicate, rule.get("text", "refused by a rule"))


def routes(world: World) -> list[Route]:
    """Returns the routes of the endpoints."""

    async def state(_: Request) -> JSONResponse:
        return JSONResponse(state_of(world))

    async def requests(_: Request) -> JSONResponse:
        return JSONResponse(world.log.as_dicts())

    async def change(request: Request) -> JSONResponse:
        try:
            _apply(world, request.url.path.rpartition("/")[2], await request.json())
        except (ValueError, TypeError, KeyError, ItemError) as error:
            return JSONResponse({"error": repr(error)}, status_code=400)
        return JSONResponse({"ok": True})

    changes = ("faults", "rules", "reset", "seed", "keys")
    return [
        Route("/simulator/state", state, methods=["GET"]),
        Route("/simulator/requests", requests, methods=["GET"]),
        *(Route(f"/simulator/{name}", change, methods=["POST"]) for name in changes),
    ]


def _apply(world: World, name: str, body: dict[str, Any]) -> None:
    """Applies one change; `reset` takes switches, the others what their Python forms take."""
    if name == "faults":
        world.faults.add(**body)
    elif name == "rules":
        add_rule(world.org, body)
    elif name == "seed":
        seed(world.org, body)
    elif name == "keys":
        world.org.add_key(**body)
    else:
        world.reset(Switches.parse(body))
