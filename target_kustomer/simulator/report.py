"""What the org holds, as a text for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_IDENTIFIERS = {"emails": "email", "phones": "phone"}
_ALWAYS_SHOWN = {"name", "externalId", "externalIds", *_IDENTIFIERS}


def report(state: dict[str, Any]) -> str:
    """Returns the companies and customers as tables, and the requests by kind.

    Args:
        state: What `control.state_of` returns.
    """
    companies, customers = (
        [stored for stored in state[kind] if not stored["deleted"]]
        for kind in ("companies", "customers")
    )
    names = {company["id"]: company["attributes"]["name"] for company in companies}
    lines = [
        *_table("companies", companies, {}),
        *_table("customers", customers, names),
        f"requests: {state['cost']} units of the budget",
        *(f"  {count} {kind or 'unanswered'}" for kind, count in sorted(state["requests"].items())),
    ]
    return "\n".join(lines)


def _table(
    title: str, objects: list[dict[str, Any]], company_names: dict[str, Any]
) -> Iterator[str]:
    yield f"{title}: {len(objects)}"
    rows = [_row(stored, company_names) for stored in objects]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    table = [columns, *([row.get(column, "") for column in columns] for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    for cells in table if rows else ():
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        yield "  " + "  ".join(padded).rstrip()


def _row(stored: dict[str, Any], company_names: dict[str, Any]) -> dict[str, str]:
    attributes = stored["attributes"]
    row = {
        "externalId": _text(attributes.get("externalId", "")),
        "name": _text(attributes.get("name", "")),
    }
    for name, member in _IDENTIFIERS.items():
        if attributes.get(name):
            row[name] = " ".join(item[member] for item in attributes[name])
    if stored["company"] is not None:
        row["company"] = company_names.get(stored["company"], stored["company"])
    rest = {key: value for key, value in attributes.items() if key not in _ALWAYS_SHOWN}
    row |= {name: _text(value) for name, value in rest.pop("custom", {}).items()}
    row |= {name: _text(value) for name, value in rest.items()}
    return row | {"created": str(stored["creates"]), "updated": str(stored["updates"])}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
