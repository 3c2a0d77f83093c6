"""Recipes of the docs: settings, messages, and what Kustomer holds before and afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.docs.pages import page, sections

if TYPE_CHECKING:
    from target_kustomer.simulator import Simulator
    from target_kustomer.simulator.org import Org
    from tests.docs.pages import Section
    from tests.support import Result, Runner

OBJECTS = ("customers", "companies")
HELD = "Kustomer has:"
"""The paragraph before the block that says what is there at first."""


@dataclass
class Recipe:
    """What a section shows."""

    settings: dict[str, Any] = field(default_factory=dict)
    held: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=dict)

    def prepare(self, org: Org) -> None:
        """Put there what the org has at first."""
        for name, definition in self.held.get("defined", {}).get("customer", {}).items():
            org.define_custom("customer", name, **definition)
        for company in self.held.get("companies", ()):
            org.add_company(company)
        for customer in self.held.get("customers", ()):
            org.add_customer(customer)


def recipes(name: str) -> list[Section]:
    """The sections of a page that have messages."""
    return [each for each in sections(page(name)) if '"type": "RECORD"' in each.text]


def recipe_of(section: Section) -> Recipe:
    """Tell a section's blocks apart by what they hold, and by the words before them."""
    found: dict[str, Any] = {}
    for block in section.blocks:
        assert block.language == "json", block.text
        values = block.values()
        if "type" in values[0]:
            kind = "messages"
        elif block.before.endswith(HELD):
            kind = "held"
        else:
            kind = "outcome" if "messages" in found else "settings"
        assert kind not in found, f"{section.title} has two blocks of {kind}"
        found[kind] = values if kind == "messages" else _only(values)
    recipe = Recipe(**found)
    assert recipe.messages, section.title
    assert recipe.outcome, section.title
    return recipe


def check_recipe(section: Section, simulator: Simulator, run: Runner) -> None:
    """Run a section's messages with its settings, and compare what it shows."""
    recipe = recipe_of(section)
    recipe.prepare(simulator.org)
    result = run(recipe.messages, **recipe.settings)

    rejected = recipe.outcome.get("rejected", [])
    assert result.exit_code == (3 if rejected else 0), result.log
    reasons = [
        {"id": each["record"].get("id"), "reason": each["rejection"]["reason"]}
        for each in result.rejected
    ]
    assert reasons == rejected
    if "verdicts" in recipe.outcome:
        assert _verdicts(result) == recipe.outcome["verdicts"]
    shown = {name: _in_order(recipe.outcome.get(name, [])) for name in OBJECTS}
    assert {name: _in_order(listed) for name, listed in held(simulator.org).items()} == shown


def held(org: Org) -> dict[str, list[dict[str, Any]]]:
    """What the org holds, without what Kustomer adds by itself and without what is empty."""
    names = {each.id: each.attributes["name"] for each in org.companies}
    customers = [
        {**each.attributes, "company": names.get(each.company or "")} for each in org.customers
    ]
    companies = [each.attributes for each in org.companies]
    return {
        "customers": [_shown(each) for each in customers],
        "companies": [_shown(each) for each in companies],
    }


def _only(values: list[Any]) -> Any:
    [value] = values
    return value


def _verdicts(result: Result) -> dict[str, int]:
    [stream] = result.summaries
    return result.counts(stream)


def _in_order(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(objects, key=lambda each: json.dumps(each, sort_keys=True))


def _shown(attributes: dict[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = _without_empty(attributes)
    if own.get("externalIds") == [{"externalId": own.get("externalId"), "verified": True}]:
        del own["externalIds"]
    return own


def _without_empty(value: Any) -> Any:
    """The value without nulls, empty lists, and marks that an address is not verified."""
    if isinstance(value, list):
        return [_without_empty(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {name: _without_empty(each) for name, each in value.items()}
    return {
        name: each
        for name, each in kept.items()
        if not (each is None or each in ([], {}) or (name == "verified" and each is False))
    }
