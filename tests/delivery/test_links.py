from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import COMPANIES, CUSTOMERS, TEXT, Runner, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_kustomer.simulator import Simulator
    from tests.support import Result

NAMES = {"company_id": TEXT, "company_name": TEXT, "company_kid": TEXT}
FIELDS = {"company_kid": "company.id"}


def link(run: Runner, *rows: dict[str, Any], before: Any = (), **settings: Any) -> Result:
    """Load customers that name companies, after other messages."""
    named = {name: kind for name, kind in NAMES.items() if any(name in row for row in rows)}
    fields = {name: FIELDS[name] for name in FIELDS if name in named}
    return run(
        [
            *before,
            schema("customers", {**CUSTOMERS, **named}),
            *(record("customers", **row) for row in rows),
            state("end"),
        ],
        streams={"customers": {"fields": fields}},
        **settings,
    )


def links_of(simulator: Simulator) -> dict[str, str | None]:
    """The name of each customer's company, by the customer's external id."""
    names = {each.id: each.attributes["name"] for each in simulator.org.companies}
    return {
        each.attributes["externalId"]: names[each.company] if each.company else None
        for each in simulator.org.customers
    }


@pytest.mark.parametrize("there", [True, False])
def test_a_company_is_named_by_id_external_id_or_name(
    simulator: Simulator, run: Runner, *, there: bool
) -> None:
    acme = simulator.org.add_company({"name": "Acme", "externalId": "e1"})
    if there:
        for number in "123":
            simulator.org.add_customer({"externalId": number, "name": "Old"})
    result = link(
        run,
        {"id": "1", "company_kid": acme.id},
        {"id": "2", "company_id": "e1"},
        {"id": "3", "company_name": " ACME "},
    )
    assert result.exit_code == 0
    assert links_of(simulator) == {"1": "Acme", "2": "Acme", "3": "Acme"}
    assert len(simulator.org.companies) == 1


def test_a_link_takes_the_prefix_of_the_company_stream(simulator: Simulator, run: Runner) -> None:
    result = run(
        [
            schema("companies", COMPANIES),
            schema("customers", {**CUSTOMERS, "company_id": TEXT}),
            record("companies", id="1", name="Acme"),
            record("customers", id="1", name="Ann", company_id="1"),
        ],
        streams={"companies": {"external_id_prefix": "firm-"}},
    )
    assert result.exit_code == 0
    assert simulator.org.company(external_id="firm-1") is not None
    assert links_of(simulator) == {"1": "Acme"}


def test_a_link_may_have_a_prefix_of_its_own(simulator: Simulator, run: Runner) -> None:
    simulator.org.add_company({"name": "Acme", "externalId": "crm-1"})
    result = run(
        [
            schema("customers", {**CUSTOMERS, "company_id": TEXT}),
            record("customers", id="1", name="Ann", company_id="1"),
        ],
        streams={"customers": {"company_external_id_prefix": "crm-"}},
    )
    assert result.exit_code == 0
    assert links_of(simulator) == {"1": "Acme"}


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    ("missing_company", "counts", "links"),
    [
        ("reject", {"rejected": 1}, {}),
        ("create", {"done": 1}, {"1": "Acme"}),
        ("ignore", {"done": 1}, {"1": None}),
    ],
)
def test_missing_company_decides(
    simulator: Simulator,
    run: Runner,
    missing_company: str,
    counts: dict[str, int],
    links: dict[str, str | None],
    *,
    there: bool,
) -> None:
    if there:
        simulator.org.add_customer({"externalId": "1", "name": "Old"})
    result = link(
        run,
        {"id": "1", "name": "Ann", "company_id": "e1", "company_name": "Acme"},
        missing_company=missing_company,
    )
    done = "updated" if there else "created"
    assert result.counts() == {done if word == "done" else word: 1 for word in counts}
    assert links_of(simulator) == ({"1": None, **links} if there else links)
    if missing_company == "reject":
        assert result.reasons == {"1": "company_missing"}
    if missing_company == "create":
        [acme] = simulator.org.companies
        assert acme.attributes["externalId"] == "e1"


def test_ignoring_a_missing_company_leaves_the_old_link(simulator: Simulator, run: Runner) -> None:
    acme = simulator.org.add_company({"name": "Acme"})
    simulator.org.add_customer({"externalId": "1", "name": "Old"}, company=acme.id)
    result = link(run, {"id": "1", "name": "Ann", "company_id": "e1"}, missing_company="ignore")
    assert result.counts() == {"updated": 1}
    assert links_of(simulator) == {"1": "Acme"}


def test_a_company_to_be_created_needs_a_name(simulator: Simulator, run: Runner) -> None:
    result = link(
        run,
        {"id": "1", "name": "Ann", "company_id": "e1", "company_name": None},
        {"id": "2", "name": "Bob", "company_id": "e2", "company_name": "Acme"},
        missing_company="create",
    )
    assert result.reasons == {"1": "company_name_missing"}
    assert links_of(simulator) == {"2": "Acme"}


@pytest.mark.parametrize("level", ["request", "item"])
def test_a_company_that_was_rejected_by_kustomer_is_told(
    simulator: Simulator, run: Runner, level: str
) -> None:
    refuse = getattr(simulator.org, f"refuse_{level}_if")
    refuse(lambda item: item.get("name") == "Bad Ltd")
    before = [
        schema("companies", COMPANIES),
        record("companies", id="e1", name="Bad Ltd"),
        record("companies", id="e2", name="Good Ltd"),
    ]
    rows = [{"id": number, "name": "A", "company_id": f"e{number}"} for number in "12"]
    result = link(run, *rows, before=before, max_rejected_records=-1)
    assert result.counts("companies") == {"created": 1, "rejected": 1}
    assert result.reasons == {"e1": "refused", "1": "company_rejected"}
    assert links_of(simulator) == {"2": "Good Ltd"}


@pytest.mark.parametrize("key", ["company_id", "company_name"])
def test_a_company_that_was_rejected_before_it_was_sent_is_told(
    simulator: Simulator, run: Runner, key: str
) -> None:
    """The value at fault is another attribute than the one by which the customer names it."""
    before = [
        schema("companies", {**COMPANIES, "website": TEXT}),
        record("companies", id="e1", name="Acme", website="no url at all"),
    ]
    row = {"id": "1", "name": "A", key: {"company_id": "e1", "company_name": "Acme"}[key]}
    result = link(run, row, before=before)
    assert result.counts("companies") == {"rejected": 1}
    assert result.reasons["1"] == "company_rejected"
    assert simulator.org.customers == []


def test_a_rejected_company_is_told_of_in_a_later_batch_too(run: Runner) -> None:
    before = [
        schema("companies", {**COMPANIES, "website": TEXT}),
        record("companies", id="e1", name="Acme", website="no url at all"),
        *(record("companies", id=f"f{n}", name=f"Firm {n}") for n in range(6)),
    ]
    rows = [{"id": str(number), "name": "A", "company_id": "e1"} for number in range(5)]
    result = link(run, *rows, before=before, batch_size_rows=2)
    assert {reason for key, reason in result.reasons.items() if key != "e1"} == {"company_rejected"}


def test_a_rejected_company_is_created_under_missing_company_create(
    simulator: Simulator, run: Runner
) -> None:
    before = [
        schema("companies", {**COMPANIES, "website": TEXT}),
        record("companies", id="e1", name="Acme", website="no url at all"),
    ]
    row = {"id": "1", "name": "A", "company_id": "e1", "company_name": "Acme"}
    result = link(run, row, before=before, missing_company="create")
    assert result.counts() == {"created": 1}
    assert links_of(simulator) == {"1": "Acme"}


def test_two_companies_of_the_name_are_ambiguous(simulator: Simulator, run: Runner) -> None:
    for external_id in ("e1", "e2"):
        simulator.org.add_company({"name": "Acme", "externalId": external_id})
    result = link(
        run,
        {"id": "1", "name": "A", "company_name": "Acme"},
        {"id": "2", "name": "B", "company_name": "acme"},
        missing_company="create",
    )
    assert result.reasons == {"1": "company_ambiguous", "2": "company_ambiguous"}
    assert len(simulator.org.companies) == 2


def test_a_company_that_comes_later_is_not_waited_for_and_a_replay_links_it(
    simulator: Simulator, run: Runner
) -> None:
    config: dict[str, Any] = {"batch_size_rows": 2, "max_rejected_records": -1}
    result = run(
        [
            schema("companies", COMPANIES),
            schema("customers", {**CUSTOMERS, "company_id": TEXT}),
            record("customers", id="1", name="A", company_id="late"),
            record("customers", id="2", name="B", company_id="late"),
            record("companies", id="late", name="Late Ltd"),
            record("companies", id="other", name="Other Ltd"),
            state("end"),
        ],
        **config,
    )
    assert result.exit_code == 0
    assert result.reasons == {"1": "company_missing", "2": "company_missing"}
    assert "replay" in result.log.casefold()
    again = run(result.rejects_bytes, **config)
    assert again.counts() == {"created": 2}
    assert links_of(simulator) == {"1": "Late Ltd", "2": "Late Ltd"}


def test_a_missing_company_that_never_comes_gives_no_hint_to_replay(run: Runner) -> None:
    result = link(run, {"id": "1", "name": "A", "company_id": "never"}, max_rejected_records=-1)
    hints = [line for line in result.log.splitlines() if "replay" in line and "now" in line]
    assert hints == []


def test_a_null_link_unlinks_under_clear_alone(simulator: Simulator, run: Runner) -> None:
    acme = simulator.org.add_company({"name": "Acme", "externalId": "e1"})
    simulator.org.add_customer({"externalId": "1"}, company=acme.id)
    assert link(run, {"id": "1", "company_id": None}, nulls="ignore").exit_code == 0
    assert links_of(simulator) == {"1": "Acme"}
    assert link(run, {"id": "1", "company_id": None}, nulls="clear").exit_code == 0
    assert links_of(simulator) == {"1": None}


@pytest.mark.parametrize("in_attributes", [True, False])
@pytest.mark.parametrize("lists", ["merge", "replace"])
def test_an_update_that_says_nothing_of_the_company_leaves_the_link(
    start: Callable[..., Runner], lists: str, *, in_attributes: bool
) -> None:
    run = start(company_in_attributes=in_attributes)
    simulator = run.simulator
    acme = simulator.org.add_company({"name": "Acme"})
    simulator.org.add_customer({"externalId": "1", "name": "Old"}, company=acme.id)
    simulator.org.add_customer({"externalId": "2", "name": "Old"})
    result = link(
        run,
        {"id": "1", "name": "Ann", "email": "ann@example.com"},
        {"id": "2", "name": "Bob"},
        lists=lists,
    )
    assert result.counts() == {"updated": 2}
    assert links_of(simulator) == {"1": "Acme", "2": None}


def test_the_single_update_leaves_the_link_too(simulator: Simulator, run: Runner) -> None:
    acme = simulator.org.add_company({"name": "Acme"})
    ann = simulator.org.add_customer({"externalId": "1", "name": "Old"}, company=acme.id)
    result = run(
        [
            schema("customers", {**CUSTOMERS, "whatsapp": TEXT}),
            record("customers", id="1", whatsapp="+12025550101"),
        ]
    )
    assert result.counts() == {"updated": 1}
    assert ann.attributes["whatsapps"][0]["phone"] == "+12025550101"
    assert links_of(simulator) == {"1": "Acme"}


@pytest.mark.parametrize("batch_size", [3, 100])
@pytest.mark.parametrize("by", ["id", "name", "both"])
def test_many_customers_of_a_missing_company_create_it_once(
    start: Callable[..., Runner], batch_size: int, by: str
) -> None:
    run = start(job_jitter_seconds=0.1)
    rows = []
    for number in range(12):
        row: dict[str, Any] = {"id": str(number), "name": "A"}
        name = ("Acme", "ACME ", "acme")[number % 3]
        if by == "name":
            row |= {"company_name": name}
        elif by == "id":
            row |= {"company_id": "e1", "company_name": "Acme"}
        else:
            row |= {"company_id": ("e1", None)[number % 2], "company_name": name}
        rows.append(row)
    result = link(run, *rows, missing_company="create", batch_size_rows=batch_size, nulls="ignore")
    org = run.simulator.org
    assert result.counts() == {"created": 12}
    [acme] = org.companies
    assert {each.company for each in org.customers} == {acme.id}
    assert org.overlapping_jobs() == []


@pytest.mark.without_ledger
def test_a_company_stream_meets_the_company_that_a_customer_created(
    start: Callable[..., Runner],
) -> None:
    run = start(job_jitter_seconds=0.1, company_external_id_unique=False)
    messages = [
        schema("companies", COMPANIES),
        schema("customers", {**CUSTOMERS, "company_id": TEXT, "company_name": TEXT}),
    ]
    for number in range(4):
        firm = {"company_id": f"e{number}", "company_name": f"Firm {number}"}
        messages += [
            record("customers", id=f"a{number}", name="A", **firm),
            record("companies", id=f"e{number}", name=f"Firm {number}"),
            record("customers", id=f"b{number}", name="B", **firm),
        ]
    result = run(messages, missing_company="create", batch_size_rows=4)
    assert result.exit_code == 0
    assert result.counts("companies") == {"updated": 4}
    assert len(run.simulator.org.companies) == 4
    assert links_of(run.simulator)["b3"] == "Firm 3"


def test_the_last_company_of_one_customer_wins(simulator: Simulator, run: Runner) -> None:
    for number in "12":
        simulator.org.add_company({"name": f"Firm {number}", "externalId": f"e{number}"})
    result = link(
        run,
        {"id": "1", "name": "A", "company_id": "e1"},
        {"id": "1", "name": "A", "company_id": "e2"},
        {"id": "2", "name": "B", "company_id": "e2"},
        {"id": "2", "name": "B", "company_id": None},
    )
    assert result.counts() == {"created": 2, "updated": 2}
    assert links_of(simulator) == {"1": "Firm 2", "2": None}


def test_of_one_identity_only_the_record_with_the_missing_company_is_rejected(
    simulator: Simulator, run: Runner
) -> None:
    simulator.org.add_company({"name": "Firm 1", "externalId": "e1"})
    result = link(
        run,
        {"id": "1", "name": "Ann", "company_id": "e1"},
        {"id": "1", "name": "Bad", "company_id": "none"},
    )
    assert result.counts() == {"created": 1, "rejected": 1}
    [ann] = simulator.org.customers
    assert ann.attributes["name"] == "Ann"
    assert links_of(simulator) == {"1": "Firm 1"}


@pytest.mark.parametrize("kind", ["500", "gateway_403_html", "empty_200"])
def test_a_failed_look_up_of_a_company_is_no_missing_company(
    simulator: Simulator, run: Runner, kind: str
) -> None:
    simulator.org.add_company({"name": "Acme", "externalId": "e1"})
    simulator.faults.add(kind, method="GET", path_pattern="/companies", times=None)  # type: ignore[arg-type]
    result = link(
        run,
        {"id": "1", "name": "A", "company_id": "e1", "company_name": "Acme"},
        missing_company="create",
        retry_deadline_seconds=0.2,
    )
    assert result.exit_code == 5
    assert len(simulator.org.companies) == 1
    assert result.states == []
