"""What every guarantee comes down to: what was acknowledged, what is there, what is there twice.

It reads Kustomer's world and the files of a run, and knows nothing of how the target works.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support import TEXT, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_kustomer.simulator.objects import StoredObject
    from target_kustomer.simulator.org import Org
    from tests.support import Result

COLUMNS: dict[str, dict[str, Any]] = {
    "companies": {"id": TEXT, "name": TEXT, "phone": TEXT},
    "customers": {
        "id": TEXT,
        "name": TEXT,
        "email": TEXT,
        "age": {"type": ["null", "integer"]},
        "whatsapp": TEXT,
        "company_id": TEXT,
    },
}
"""The columns that a scenario's records may have."""

_LISTS = {
    "email": ("emails", "email"),
    "phone": ("phones", "phone"),
    "whatsapp": ("whatsapps", "phone"),
}
"""The list and the member of its first item that hold a column's value."""


@dataclass(frozen=True)
class Scenario:
    """A stream of records; each STATE in it holds how many records came before it.

    Every record has a column ``id``, its identity's external id: a company and a customer may
    have the same one.
    """

    messages: Sequence[dict[str, Any]]

    @property
    def records(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == "RECORD"]

    def after(self, state: int) -> list[dict[str, Any]]:
        """What a tap sends that goes on from a STATE."""
        rest, seen = [], 0
        for message in self.messages:
            seen += message["type"] == "RECORD"
            if message["type"] == "SCHEMA" or seen > state:
                rest.append(message)
        return rest


@dataclass
class Audit:
    """What went wrong, by the records' streams and ids; nothing, if the promises hold."""

    lost: list[str] = field(default_factory=list)
    created_twice: list[str] = field(default_factory=list)
    acknowledged_unwritten: list[str] = field(default_factory=list)


def audit(org: Org, scenario: Scenario, runs: Sequence[Result]) -> Audit:
    """Hold the world against the promises after one run, or after a run and its resumptions.

    Args:
        org: The world after the last of the runs.
        scenario: What the tap had.
        runs: The runs, each resumed from the last STATE of those before it.
    """
    states = [state for run in runs for state in run.states]
    assert states == sorted(states), f"STATE went back: {states}"
    acknowledged = scenario.records[: states[-1] if states else 0]
    found = Audit(created_twice=_created_twice(org))
    found.acknowledged_unwritten = _unwritten(org, acknowledged, scenario, runs)
    if runs[-1].exit_code in {0, 3}:
        found.lost = _unwritten(org, scenario.records, scenario, runs)
    return found


def _unwritten(
    org: Org, records: Iterable[dict[str, Any]], scenario: Scenario, runs: Sequence[Result]
) -> list[str]:
    """The records that are neither in Kustomer nor in a rejects file.

    A record is there when the world holds each of its values, or one that a later record of the
    same identity puts in its place.
    """
    rejected = [(each["stream"], each["record"]) for run in runs for each in run.rejected]
    later: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for message in reversed(scenario.records):
        later.setdefault(_identity(message), []).append(message["record"])
    return [
        "/".join(_identity(message))
        for message in records
        if (message["stream"], message["record"]) not in rejected
        and not _is_there(org, message, later[_identity(message)])
    ]


def _is_there(org: Org, message: dict[str, Any], versions: list[dict[str, Any]]) -> bool:
    stored = _stored(org, *_identity(message))
    if stored is None:
        return False
    at = next(index for index, each in enumerate(versions) if each is message["record"])
    for column in message["record"]:
        allowed = [each[column] for each in versions[: at + 1] if column in each]
        if _value(org, stored, column) not in allowed:
            return False
    return True


def _value(org: Org, stored: StoredObject, column: str) -> Any:
    """What the world holds of a column, in the source's terms."""
    attributes = stored.attributes
    if column in _LISTS:
        attribute, member = _LISTS[column]
        return next((item[member] for item in attributes.get(attribute, [])), None)
    if column == "company_id":
        company = org.get("company", stored.company) if stored.company else None
        return company.attributes.get("externalId") if company else None
    if column == "age":
        return attributes.get("custom", {}).get("ageNum")
    return attributes.get("externalId" if column == "id" else column)


def _stored(org: Org, stream: str, external_id: str) -> StoredObject | None:
    if stream == "companies":
        return org.company(external_id=external_id)
    return org.customer(external_id=external_id)


def _identity(message: dict[str, Any]) -> tuple[str, str]:
    return message["stream"], message["record"]["id"]


def _created_twice(org: Org) -> list[str]:
    borne = Counter(
        f"{each.resource}/{each.attributes.get('externalId') or each.attributes.get('name')}"
        for resource in ("company", "customer")
        for each in org.stored(resource)
    )
    return [name for name, times in borne.items() if times > 1]


# A small run with all that a run can meet


def prepare(org: Org) -> None:
    """Put there what :data:`SMALL` finds in Kustomer, and the rules that it runs into."""
    acme = org.add_company({"name": "Acme", "externalId": "acme"})
    org.add_customer({"externalId": "u1", "name": "Old"}, company=acme.id)
    org.add_customer(
        {"externalId": "u2", "name": "Old", "emails": [{"email": "agent@example.com"}]}
    )
    org.add_customer({"name": "Old", "emails": [{"email": "d1@example.com"}]})
    org.refuse_request_if(lambda item: item.get("name") == "Poison", "name is bad")
    org.refuse_item_if(lambda item: item.get("name") == "Venom", "name is bad")


def _company(id: str, **columns: Any) -> dict[str, Any]:  # noqa: A002
    return record("companies", id=id, **columns)


def _customer(id: str, **columns: Any) -> dict[str, Any]:  # noqa: A002
    return record("customers", id=id, **columns)


SMALL = Scenario(
    [
        schema("companies", COLUMNS["companies"]),
        schema("customers", COLUMNS["customers"]),
        _company("acme", name="Acme Inc", phone="+41446681800"),
        _company("beta", name="Beta"),
        _company("gone", name=""),
        _company("ceta", name="Ceta"),
        state(4),
        _customer("n1", name="New 1", email="n1@example.com", age=1, company_id="beta"),
        _customer("u1", name="Known 1", email="u1@example.com", age=2),
        _customer("n2", name="New 2", email="n2@example.com", age=3, company_id="acme"),
        state(7),
        _customer("d1", name="Duplicate", email="d1@example.com", age=4),
        _customer("p1", name="Poison", email="p1@example.com"),
        _customer("n3", name="New 3", email="n3@example.com", company_id="ceta"),
        _customer("x1", name="Bad value", age=1 << 60),
        state(11),
        _customer("m1", name="Company missing", company_id="nowhere"),
        _customer("v1", name="Venom", email="v1@example.com"),
        _customer("n1", name="New 1 again", age=11),
        _customer("u2", name="Known 2", email="u2@example.com", whatsapp="+41446681801"),
        state(15),
    ]
)
"""New and known companies and customers, links, a duplicate, both refusals, a record twice."""

SMALL_REJECTED = {
    "gone": "required_missing",
    "p1": "refused",
    "x1": "out_of_range",
    "m1": "company_missing",
    "v1": "refused",
}
