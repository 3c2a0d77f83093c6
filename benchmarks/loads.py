"""Singer streams of customers, the same at each run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

COLUMNS: dict[str, dict[str, Any]] = {
    "id": {"type": "integer"},
    "name": {"type": ["null", "string"]},
    "email": {"type": ["null", "string"]},
    "phone": {"type": ["null", "string"]},
    "age": {"type": ["null", "integer"]},
    "score": {"type": ["null", "number"]},
    "city": {"type": ["null", "string"]},
    "signed_up_at": {"type": ["null", "string"], "format": "date-time"},
}

STATE_EVERY = 1000


def customer(number: int, *, changed: bool = False) -> dict[str, Any]:
    """A row of the source; a changed one differs in two columns that are no lists."""
    return {
        "id": number,
        "name": f"Example Person {number}",
        "email": f"person{number}@example.com",
        "phone": f"+1{2_025_550_000 + number}",
        "age": number % 70 + (20 if changed else 0),
        "score": number / 7 + (1 if changed else 0),
        "city": "Springfield",
        "signed_up_at": "2024-01-01T00:00:00Z",
    }


def write(
    path: Path, numbers: Iterable[int], changed: Callable[[int], bool] = lambda _: False
) -> None:
    """Write a stream of customers to a file, a STATE behind each thousand."""
    schema = {"type": "object", "properties": COLUMNS}
    with path.open("w", encoding="utf-8") as lines:

        def put(kind: str, **rest: Any) -> None:
            lines.write(json.dumps({"type": kind, **rest}) + "\n")

        put("SCHEMA", stream="customers", schema=schema, key_properties=["id"])
        for count, number in enumerate(numbers, 1):
            record = customer(number, changed=changed(number))
            put("RECORD", stream="customers", record=record)
            if count % STATE_EVERY == 0:
                put("STATE", value={"at": count})


def in_kustomer(row: dict[str, Any]) -> dict[str, Any]:
    """A row as Kustomer holds it, by a mapping of one's own."""
    return {
        "externalId": str(row["id"]),
        "name": row["name"],
        "emails": [{"email": row["email"]}],
        "phones": [{"phone": row["phone"]}],
        "locations": [{"type": "home", "cityName": row["city"]}],
        "signedUpAt": row["signed_up_at"],
        "custom": {"ageNum": row["age"], "scoreNum": row["score"]},
    }
