"""Small worlds with few identities and many collisions, and how a run through one is judged."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.guarantees.reference import COLUMNS, REFUSED, Expected, Reference, Thing
from tests.support import record, schema, state, to_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_kustomer.simulator.objects import StoredObject
    from target_kustomer.simulator.org import Org
    from tests.support import Result, Runner

Row = tuple[str, Mapping[str, Any]]
"""A stream and one of its records."""

STREAMS: dict[str, dict[str, Any]] = {
    "companies": {},
    "shop-companies": {"fields": {"id": None}},
    "customers": {"match_on": ["externalId", "email", "phone"]},
    "shop-customers": {"fields": {"id": None}, "match_on": ["email", "phone"]},
}
"""Two streams of each object, the second one without external ids; all keys are matched on."""

CUSTOMERS: dict[str, dict[str, Any]] = {
    "1": {"externalId": "1", "emails": [{"email": "A@example.com", "type": "home"}]},
    "b": {"emails": [{"email": "b@example.com"}], "tags": ["x", "a"]},
    "3": {"externalId": "3", "phones": [{"phone": "+41446681800"}], "name": "Old"},
    "9": {"externalId": "9", "emails": [{"email": "c@example.com"}]},
}
"""Customers that may be in Kustomer before a run."""

COMPANIES: dict[str, dict[str, Any]] = {
    "e1": {"externalId": "e1", "name": "Firm 1", "tags": ["x"]},
    "2": {"name": "Firm 2"},
    "e9": {"externalId": "e9", "name": "Firm 1"},
}
"""Companies that may be in Kustomer before a run."""


OPTIONS = {"nulls": "clear", "lists": "merge", "missing_company": "reject"}
"""What holds where a world says nothing else."""


@dataclass(frozen=True, kw_only=True)
class World:
    """What is in Kustomer, what comes in, and how it is delivered.

    Attributes:
        customers, companies: What is in Kustomer before, of :data:`CUSTOMERS` and
            :data:`COMPANIES`.
        modes: Of the streams that do not have ``upsert``.
        options: ``nulls``, ``lists`` and ``missing_company``.
        states: After so many records comes a STATE.
        cuts: The bytes that a read of stdin gets, in turn.
        delivery: ``batch_size_rows`` and ``max_parallel_requests``.
        switches: Of the simulator.
    """

    rows: Sequence[Row]
    customers: Sequence[str] = ()
    companies: Sequence[str] = ()
    modes: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    states: frozenset[int] = frozenset()
    cuts: Sequence[int] = (1 << 16,)
    delivery: Mapping[str, int] = field(default_factory=dict)
    switches: Mapping[str, Any] = field(default_factory=dict)

    @property
    def messages(self) -> list[dict[str, Any]]:
        made = [schema(each, COLUMNS[each.rpartition("-")[2]]) for each in STREAMS]
        for number, (stream, row) in enumerate(self.rows, start=1):
            made += [record(stream, **row), *([state(number)] if number in self.states else [])]
        return made


# Strategies


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    """One of these values, or null."""
    return st.sampled_from([*values, None])


ADDRESSES = [f"{each}@example.com" for each in "aAbcd"]
PHONES = ["+41446681800", "+41 44 668 18 00", "+41446681801"]
TAGS = one_of("a", "b,c", '["a", "d"]', "")
NUMBERS = one_of(0, 1, 2)
LINKS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "none": {},
    "id": {"company_id": one_of("e1", "e2", "e3")},
    "name": {"company_name": one_of("Firm 1", "Firm 2", "Firm 3")},
}


@st.composite
def customer_rows(draw: st.DrawFn, stream: str, mode: str, link: str) -> Row:
    columns = {
        "id": one_of("1", "2", "3", "4"),
        "email": one_of(*ADDRESSES),
        "work_email": one_of(*ADDRESSES),
        "phone": one_of(*PHONES),
        "name": one_of("Ann", "Bob"),
        "tags": TAGS,
        "age": NUMBERS,
        **LINKS.get(link, {}),
    }
    row = draw(st.fixed_dictionaries({}, optional=columns))
    if link == "both":
        firm = draw(one_of("1", "2", "3"))
        row |= {"company_id": firm and f"e{firm}", "company_name": firm and f"Firm {firm}"}
    if mode == "create":
        # The first of an identity wins in a batch: who is one must not depend on who came before.
        person = draw(st.sampled_from("1234"))
        row |= {"id": person, "email": f"c{person}@example.com", "work_email": None, "phone": None}
    if stream == "shop-customers":
        row.pop("id", None)
    return stream, row | draw(notes())


@st.composite
def company_rows(draw: st.DrawFn, stream: str, mode: str, *, renamed: bool) -> Row:
    row = draw(st.fixed_dictionaries({}, optional={"tags": TAGS, "size": NUMBERS}))
    firm = draw(st.sampled_from("123"))
    named = draw(st.sampled_from("123")) if renamed else firm
    given = {"id": f"e{firm}", "name": draw(st.sampled_from([f"Firm {named}", f"FIRM {named}"]))}
    if mode != "create":
        kept = draw(st.sampled_from([("id",), ("name",), ("id", "name"), ("id", "name"), ()]))
        given = {column: given[column] for column in kept}
    if stream == "shop-companies":
        given.pop("id", None)
    return stream, row | given | draw(notes())


@st.composite
def notes(draw: st.DrawFn) -> dict[str, str]:
    return {"note": draw(st.sampled_from(REFUSED))} if draw(st.integers(0, 9)) == 9 else {}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Any world in which the contract says what each record comes to.

    What gives up an identifier (a list that is replaced, a company that is renamed) and a company
    that comes after its customers are in order only where batches go alone and one by one.
    """
    alone = draw(st.booleans())
    modes = {
        each: draw(st.sampled_from(["upsert", "upsert", "update", "create"])) for each in STREAMS
    }
    updates = "update" in {modes["customers"], modes["shop-customers"]}
    missing = ["reject", "ignore", *([] if updates and not alone else ["create"])]
    options = {
        "nulls": draw(st.sampled_from(["clear", "ignore"])),
        "lists": draw(st.sampled_from(["merge", "replace"] if alone else ["merge"])),
        "missing_company": draw(st.sampled_from(missing)),
    }
    link = draw(st.sampled_from([*LINKS, "both"]))
    row = st.one_of(
        *(company_rows(each, modes[each], renamed=alone) for each in STREAMS if "comp" in each),
        *(customer_rows(each, modes[each], link) for each in STREAMS if "cust" in each),
    )
    rows = draw(st.lists(row, min_size=1, max_size=20))
    if options["missing_company"] != "create" and not alone:
        rows.sort(key=lambda each: "cust" in each[0])
    return World(
        rows=rows,
        customers=draw(st.lists(st.sampled_from(sorted(CUSTOMERS)), unique=True)),
        companies=draw(st.lists(st.sampled_from(sorted(COMPANIES)), unique=True)),
        modes=modes,
        options=options,
        states=draw(st.frozensets(st.integers(1, len(rows)))),
        cuts=draw(st.lists(st.integers(1, 999), min_size=1, max_size=9)),
        delivery={
            "batch_size_rows": 1 if alone else draw(st.integers(1, 20)),
            "max_parallel_requests": 1 if alone else draw(st.integers(1, 8)),
        },
        switches={
            "job_jitter_seconds": draw(st.sampled_from([0.0, 2.0])),
            "results_shuffled": draw(st.booleans()),
            "batch_size": draw(st.integers(1, 20)),
            "seed": draw(st.integers(0, 9)),
        },
    )


# Delivery


def check(run: Runner, world: World) -> None:
    """Deliver a world's records, and hold what became of them against the reference."""
    run.simulator.reset(
        job_seconds=0.0, rate_limit=1_000_000, object_limit=1_000_000, **world.switches
    )
    org = run.simulator.org
    _prepare(org, world)
    modes = {each: world.modes.get(each, "upsert") for each in STREAMS}
    options = {**OPTIONS, **world.options}
    things = held(org)
    reference = Reference(modes, options, things["companies"], things["customers"])
    reference.remembers = run.ledger is not None
    expected = [reference.send(*row) for row in world.rows]
    entries = {each: {**entry, "mode": modes[each]} for each, entry in STREAMS.items()}
    with stdin(to_lines(world.messages), world.cuts) as source:
        result = run(
            source, streams=entries, max_rejected_records=-1, **world.options, **world.delivery
        )
    assert result.exit_code == 0, result.error
    counts = {each: _known_or_sent(result.counts(each)) for each in STREAMS}
    assert verdicts(world, expected, result) == counts
    told = {kind: sorted(each.told() for each in things) for kind, things in held(org).items()}
    assert told == {kind: sorted(each.told() for each in getattr(reference, kind)) for kind in told}
    assert result.states == sorted({*result.states} & world.states)
    assert result.states[-1:] == sorted(world.states)[-1:]


def _known_or_sent(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts of a run, where it is the ledger's matter whether something had to be sent."""
    sent = Counter({each: count for each, count in counts.items() if each != "unchanged"})
    return dict(+(sent + Counter(updated=counts.get("unchanged", 0))))


def _prepare(org: Org, world: World) -> None:
    for name in world.customers:
        org.add_customer(CUSTOMERS[name])
    for name in world.companies:
        org.add_company(COMPANIES[name])
    poison, venom = REFUSED
    org.refuse_request_if(lambda item: _note(item) == poison)
    org.refuse_item_if(lambda item: _note(item) == venom)


def _note(item: Mapping[str, Any]) -> Any:
    return (item.get("custom") or {}).get("noteStr")


def held(org: Org) -> dict[str, list[Thing]]:
    """What Kustomer holds."""
    companies = {each.id: _thing(each, "sizeNum") for each in org.companies}
    customers = []
    for each in org.customers:
        customers.append(_thing(each, "ageNum"))
        customers[-1].company = companies[each.company] if each.company else None
    return {"customers": customers, "companies": list(companies.values())}


def _thing(stored: StoredObject, number: str) -> Thing:
    attributes = stored.attributes
    custom = attributes.get("custom", {})
    return Thing(
        external_id=attributes.get("externalId"),
        name=attributes.get("name"),
        emails=[(each["email"], each.get("type")) for each in attributes.get("emails", ())],
        phones=[each["phone"] for each in attributes.get("phones", ())],
        tags=list(attributes.get("tags", ())),
        number=custom.get(number),
        note=_note(attributes),
    )


def verdicts(
    world: World, expected: Sequence[Expected], result: Result
) -> dict[str, dict[str, int]]:
    """How often each verdict is expected of each stream, after what the rejects file says."""
    left = list(zip(world.rows, expected, strict=True))
    counts = {each: Counter[str]() for each in STREAMS}
    for message in result.rejected:
        row, reason = (message["stream"], message["record"]), message["rejection"]["reason"]
        fits = [at for at, (each, may) in enumerate(left) if each == row and reason in may.reasons]
        assert fits, (row, reason)
        del left[fits[0]]
        counts[message["stream"]]["rejected"] += 1
    for row, must in left:
        assert must.verdict, (row, must.reasons)
        counts[row[0]][must.verdict] += 1
    return {stream: dict(each) for stream, each in counts.items()}


@contextmanager
def stdin(lines: bytes, cuts: Sequence[int]) -> Iterator[socket.socket]:
    """A stdin of which each read gets so many bytes, in turn."""
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)

    def write() -> None:
        start = 0
        with theirs:
            for size in cycle(cuts):
                theirs.sendall(lines[start : start + size])
                start += size
                if start >= len(lines):
                    return

    writer = threading.Thread(target=write)
    writer.start()
    with ours:
        yield ours
    writer.join()
