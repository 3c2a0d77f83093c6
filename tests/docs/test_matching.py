"""The cases of the page of matching, and what it says that look-ups cost."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.mapping.keys import DEFAULT_MATCH_ON, MATCH_KINDS
from target_kustomer.simulator import Simulator
from tests.docs.pages import ROOT, page, rows, sections
from tests.docs.recipes import check_recipe, recipes
from tests.support import COMPANIES, CUSTOMERS, Runner, customers, record, schema

if TYPE_CHECKING:
    from pathlib import Path

    from tests.docs.pages import Section

TEXT = page("matching.md")
SECTIONS = {each.title: each.text for each in sections(TEXT)}
CASES = recipes("matching.md")

pytestmark = pytest.mark.without_ledger


def test_every_block_of_the_page_is_tried() -> None:
    assert sum(len(each.blocks) for each in CASES) == TEXT.count("\n```json\n")
    assert len(CASES) > 10


@pytest.mark.parametrize("section", CASES, ids=lambda section: section.title)
def test_a_case_ends_as_the_page_says(section: Section, simulator: Simulator, run: Runner) -> None:
    check_recipe(section, simulator, run)


def test_the_keys_are_those_of_the_code() -> None:
    shown = {
        object_type: (re.findall(r"`(\w+)`", may), re.findall(r"`(\w+)`", default))
        for object_type, may, default in (
            cells for cells in rows(SECTIONS["The keys"]) if cells[0] in MATCH_KINDS
        )
    }
    assert shown == {
        each: (list(MATCH_KINDS[each]), list(DEFAULT_MATCH_ON[each])) for each in MATCH_KINDS
    }


def test_each_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
    assert len(named) > 5
    for path, name in named:
        assert f"\ndef {name}(" in (ROOT / path).read_text(encoding="utf-8"), name


# What it costs

COUNT = 1000


@dataclass
class Load:
    """A load of which the page tells the requests.

    Attributes:
        held: What the org holds beforehand.
        others: How many more customers or companies it has.
    """

    stream: str
    held: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=lambda: customers(COUNT))
    settings: dict[str, Any] = field(default_factory=dict)
    others: int = 0
    twice: bool = False


def _there(*, external_id: bool = True) -> list[dict[str, Any]]:
    return [
        {
            "name": "Old",
            "emails": [{"email": f"c{number}@example.com"}],
            **({"externalId": f"c{number}"} if external_id else {}),
        }
        for number in range(COUNT)
    ]


def _firms(**columns: str) -> list[dict[str, Any]]:
    return [
        record("companies", **{name: text.format(number=number) for name, text in columns.items()})
        for number in range(COUNT)
    ]


_FIRMS = [{"externalId": f"k{number}", "name": f"Firm {number}"} for number in range(COUNT)]
_NAMED = _firms(id="k{number}", name="Firm {number}")

LOADS = {
    "new customers": Load("customers", others=COUNT),
    "customers that are there, by external id": Load("customers", _there()),
    "customers that are there, by e-mail": Load("customers", _there(external_id=False)),
    "the same, one in five of the org": Load("customers", _there(), others=4 * COUNT),
    "mode `update`, all there": Load(
        "customers", _there(), settings={"streams": {"customers": {"mode": "update"}}}
    ),
    "new companies": Load("companies", records=_NAMED),
    "companies that are there, by external id": Load("companies", _FIRMS, _NAMED),
    "companies that are there, by name": Load(
        "companies", _FIRMS, _firms(name="Firm {number}", tags="t{number}")
    ),
    "unchanged, with a ledger": Load("customers", twice=True),
}

_READS = ("customer.read", "customer.list", "company.read", "company.list")
_WRITES = ("bulk-submit",)

APART = 2
"""How many times more or less may be counted: workers decide by what they see of each other."""


def requests_of(load: Load, folder: Path) -> tuple[int, int]:
    """The requests that read, and those that write."""
    with Simulator(rate_limit=1_000_000) as simulator:
        run = Runner(simulator, folder)
        others = [
            {"externalId": f"other{number}", "name": f"Other {number}"}
            for number in range(load.others)
        ]
        for held in [*others, *load.held]:
            if load.stream == "companies":
                simulator.org.add_company(held)
            else:
                simulator.org.add_customer(held)
        columns = dict(CUSTOMERS if load.stream == "customers" else COMPANIES)
        if load.stream == "companies" and "tags" in load.records[0]["record"]:
            columns["tags"] = columns["name"]
        keys = ["id"] if "id" in load.records[0]["record"] else []
        if not keys:
            columns.pop("id")
        messages = [schema(load.stream, columns, keys), *load.records]
        settings = dict(load.settings)
        if load.twice:
            settings["ledger_url"] = f"sqlite:///{folder / 'ledger.db'}"
            assert run(messages, **settings).exit_code == 0
        before = dict(simulator.requests.counts())
        assert run(messages, **settings).exit_code == 0
        counts = simulator.requests.counts()
    made = {kind: counts[kind] - before.get(kind, 0) for kind in counts}
    reads, writes = (sum(made.get(kind, 0) for kind in kinds) for kinds in (_READS, _WRITES))
    return reads, writes


@pytest.mark.parametrize("name", LOADS)
def test_look_ups_cost_what_the_page_says(name: str, tmp_path: Path) -> None:
    shown = {row[0]: [int(cell.replace(",", "")) for cell in row[1:]] for row in _costs()}
    assert shown.keys() == LOADS.keys()
    made = requests_of(LOADS[name], tmp_path)
    for count, on_page in zip(made, shown[name], strict=True):
        assert on_page / APART <= count <= max(1, on_page * APART), (made, shown[name])


def _costs() -> list[list[str]]:
    block = re.search(r"<!-- costs -->\n(.+?)<!-- /costs -->", TEXT, re.DOTALL)
    assert block
    return rows(block[1])
