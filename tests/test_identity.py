from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.clock import RunClock
from target_kustomer.delivery.knowledge import Knowledge
from target_kustomer.identity import Identities
from target_kustomer.kustomer.client import Client
from target_kustomer.kustomer.endpoints import Kustomer
from target_kustomer.models import MatchKey
from target_kustomer.settings import CONFIG_JSONSCHEMA, Settings
from target_kustomer.simulator import Simulator
from tests.support import TEXT, Runner, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support import Result

ANN = {
    "name": "Ann",
    "externalId": "a1",
    "emails": [{"email": "ann@example.com", "type": "home"}],
    "phones": [{"phone": "+12025550101", "type": "home"}],
}
PHONE = "+12025550101"

FAILURES = [
    "500",
    "502_html",
    "503_html",
    "gateway_403_html",
    "reset_before",
    "reset_after",
    "timeout_before",
    "cut_json",
    "cut_body",
    "empty_200",
]


def load(run: Runner, stream: str, *rows: dict[str, Any], **settings: Any) -> Result:
    """Load rows of one stream without key properties; `kid` is Kustomer's id, `ext` external."""
    columns = dict.fromkeys((name for row in rows for name in row), TEXT)
    fields = {"kid": "id", "ext": "externalId"}
    entry = {"fields": {name: fields[name] for name in fields if name in columns}, **settings}
    run_settings = {
        name: entry.pop(name)
        for name in ("retry_deadline_seconds", "request_timeout_seconds", "batch_size_rows")
        if name in entry
    }
    return run(
        [schema(stream, columns, keys=None), *(record(stream, **row) for row in rows), state(1)],
        streams={stream: entry},
        **run_settings,
    )


def reasons(result: Result) -> list[str]:
    return [each["rejection"]["reason"] for each in result.rejected]


@pytest.mark.parametrize(
    ("kind", "column", "value"),
    [
        ("externalId", "ext", "a1"),
        ("email", "email", "ann@example.com"),
        ("email", "email", "ANN@Example.COM"),
        ("phone", "phone", PHONE),
        ("phone", "phone", "+1 (202) 555-0101"),
    ],
)
def test_a_customer_is_found_by_each_kind_of_key(
    simulator: Simulator, run: Runner, kind: str, column: str, value: str
) -> None:
    ann = simulator.org.add_customer(ANN)
    result = load(run, "customers", {column: value, "name": "Anna"}, match_on=[kind])
    assert result.counts() == {"updated": 1}
    assert simulator.org.customers == [ann]
    assert ann.attributes["name"] == "Anna"


def test_a_customer_is_found_by_the_id_of_kustomer(simulator: Simulator, run: Runner) -> None:
    ann = simulator.org.add_customer(ANN)
    result = load(run, "customers", {"kid": ann.id, "name": "Anna"}, match_on=["id"])
    assert result.counts() == {"updated": 1}
    assert ann.attributes["name"] == "Anna"


@pytest.mark.parametrize(
    ("kind", "column", "value"), [("externalId", "ext", "e1"), ("name", "name", "Acme")]
)
def test_a_company_is_found_by_each_kind_of_key(
    simulator: Simulator, run: Runner, kind: str, column: str, value: str
) -> None:
    acme = simulator.org.add_company({"name": "Acme", "externalId": "e1"})
    row = {"name": "Acme", column: value, "website": "https://example.com"}
    result = load(run, "companies", row, match_on=[kind])
    assert result.counts("companies") == {"updated": 1}
    assert simulator.org.companies == [acme]
    assert acme.attributes["urls"][0]["url"] == "https://example.com"


def test_a_company_is_found_by_the_id_of_kustomer(simulator: Simulator, run: Runner) -> None:
    acme = simulator.org.add_company({"name": "Acme", "externalId": "e1"})
    result = load(run, "companies", {"kid": acme.id, "name": "Acme Ltd"}, match_on=["id"])
    assert result.counts("companies") == {"updated": 1}
    assert acme.attributes["name"] == "Acme Ltd"


def test_the_default_keys_are_external_id_and_then_email(simulator: Simulator, run: Runner) -> None:
    first = simulator.org.add_customer({"name": "A", "externalId": "1"})
    second = simulator.org.add_customer({"name": "B", "emails": [{"email": "b@example.com"}]})
    result = load(
        run,
        "customers",
        {"ext": "1", "email": "new@example.com", "name": "A2"},
        {"ext": "2", "email": "b@example.com", "name": "B2"},
    )
    assert result.counts() == {"updated": 2}
    assert [each.attributes["name"] for each in (first, second)] == ["A2", "B2"]
    assert second.attributes["externalId"] == "2"


def test_a_phone_is_no_key_by_default(simulator: Simulator, run: Runner) -> None:
    ann = simulator.org.add_customer(ANN)
    result = load(run, "customers", {"ext": "a2", "phone": PHONE, "name": "Other"})
    assert reasons(result) == ["duplicate_identifier"]
    assert simulator.org.customers == [ann]
    assert ann.attributes["name"] == "Ann"


@pytest.mark.parametrize(
    ("match_on", "counts", "external_id"),
    [
        (["externalId", "email"], {"rejected": 1}, "a1"),
        (["email", "externalId"], {"updated": 1}, "new"),
    ],
)
def test_the_first_key_that_finds_a_record_decides(
    simulator: Simulator,
    run: Runner,
    match_on: list[str],
    counts: dict[str, int],
    external_id: str,
) -> None:
    ann = simulator.org.add_customer(ANN)
    row = {"ext": "new", "email": "ann@example.com", "name": "Anna"}
    result = load(run, "customers", row, match_on=match_on)
    assert result.counts() == counts
    assert simulator.org.customers == [ann]
    assert ann.attributes["externalId"] == external_id


def test_keys_that_the_record_does_not_carry_are_passed_over(
    simulator: Simulator, run: Runner
) -> None:
    ann = simulator.org.add_customer(ANN)
    result = load(
        run,
        "customers",
        {"ext": None, "email": "ann@example.com", "name": "Anna"},
        match_on=["phone", "externalId", "email"],
    )
    assert result.counts() == {"updated": 1}
    assert ann.attributes["name"] == "Anna"
    assert ann.attributes["externalId"] == "a1"


@pytest.mark.parametrize(
    ("row", "match_on"),
    [
        ({"ext": "other", "email": "ann@example.com"}, ["externalId", "email"]),
        ({"ext": "other", "phone": PHONE}, ["externalId", "phone"]),
        ({"email": "other@example.com", "phone": PHONE}, ["email", "phone"]),
    ],
)
def test_a_record_that_differs_in_an_earlier_key_is_a_conflict(
    simulator: Simulator, run: Runner, row: dict[str, str], match_on: list[str]
) -> None:
    ann = simulator.org.add_customer(ANN)
    before = dict(ann.attributes)
    result = load(run, "customers", {**row, "name": "Other"}, match_on=match_on)
    assert result.exit_code == 3
    assert reasons(result) == ["match_conflict"]
    assert simulator.org.customers == [ann]
    assert (ann.attributes, ann.updates) == (before, 0)


def test_a_customer_that_bears_the_external_id_among_others_is_no_conflict(
    simulator: Simulator, run: Runner
) -> None:
    ids = [{"externalId": "old", "verified": True}, {"externalId": "a9", "verified": True}]
    ann = simulator.org.add_customer(
        {"name": "Ann", "externalIds": ids, "emails": [{"email": "ann@example.com"}]}
    )
    result = load(run, "customers", {"ext": "a9", "email": "ann@example.com", "name": "Anna"})
    assert result.counts() == {"updated": 1}
    assert ann.attributes["name"] == "Anna"
    kept = {each["externalId"] for each in ann.attributes["externalIds"]}
    assert kept == {"old", "a9"}


def test_a_customer_without_the_earlier_key_gets_it(simulator: Simulator, run: Runner) -> None:
    ann = simulator.org.add_customer({"name": "Ann", "emails": [{"email": "ann@example.com"}]})
    result = load(run, "customers", {"ext": "a1", "email": "ann@example.com"})
    assert result.counts() == {"updated": 1}
    assert ann.attributes["externalId"] == "a1"


@pytest.mark.parametrize("mode", ["upsert", "update"])
def test_two_addresses_of_two_customers_are_ambiguous(
    simulator: Simulator, run: Runner, mode: str
) -> None:
    for name in ("a", "b"):
        simulator.org.add_customer({"name": name, "emails": [{"email": f"{name}@example.com"}]})
    row = {"home_email": "a@example.com", "work_email": "b@example.com", "name": "Both"}
    result = load(run, "customers", row, mode=mode)
    assert reasons(result) == ["match_ambiguous"]
    assert [each.attributes["name"] for each in simulator.org.customers] == ["a", "b"]


def test_two_addresses_of_one_customer_are_one(simulator: Simulator, run: Runner) -> None:
    ann = simulator.org.add_customer(
        {"name": "A", "emails": [{"email": "a@example.com"}, {"email": "b@example.com"}]}
    )
    row = {"home_email": "a@example.com", "work_email": "b@example.com", "name": "Both"}
    result = load(run, "customers", row)
    assert result.counts() == {"updated": 1}
    assert ann.attributes["name"] == "Both"


def test_an_address_in_a_shared_list_is_no_match(tmp_path: Path) -> None:
    with Simulator(lookup_matches_shared=True) as simulator:
        run = Runner(simulator, tmp_path)
        ann = simulator.org.add_customer(
            {"name": "Ann", "sharedEmails": [{"email": "team@example.com"}]}
        )
        result = load(run, "customers", {"ext": "b", "email": "team@example.com", "name": "Bob"})
        assert result.counts() == {"created": 1}
        assert len(simulator.org.customers) == 2
        assert ann.attributes["name"] == "Ann"


@pytest.mark.parametrize("mode", ["upsert", "update"])
def test_a_record_without_any_of_its_keys_is_rejected(
    simulator: Simulator, run: Runner, mode: str
) -> None:
    rows = [{"ext": None, "email": "", "name": "Nobody"}, {"ext": "1", "email": None, "name": "A"}]
    simulator.org.add_customer({"externalId": "1"})
    result = load(run, "customers", *rows, mode=mode)
    assert result.counts() == {"updated": 1, "rejected": 1}
    assert reasons(result) == ["match_key_missing"]
    assert len(simulator.org.customers) == 1


def test_a_record_without_keys_is_created_in_mode_create(simulator: Simulator, run: Runner) -> None:
    result = load(run, "customers", {"ext": None, "name": "Nobody"}, mode="create")
    assert result.counts() == {"created": 1}
    assert [each.attributes["name"] for each in simulator.org.customers] == ["Nobody"]


@pytest.mark.parametrize(
    ("row", "hint"),
    [
        ({"email": "ann@example.com"}, "sharedEmails"),
        ({"phone": PHONE}, "sharedPhones"),
    ],
)
def test_an_identifier_of_another_that_no_key_finds_is_a_duplicate(
    simulator: Simulator, run: Runner, row: dict[str, str], hint: str
) -> None:
    simulator.org.add_customer(ANN)
    result = load(
        run,
        "customers",
        {"ext": "a2", "name": "Other", **row},
        {"ext": "a3", "name": "Third", "email": "third@example.com"},
        match_on=["externalId"],
    )
    assert result.counts() == {"created": 1, "rejected": 1}
    assert reasons(result) == ["duplicate_identifier"]
    assert hint in result.rejected[0]["rejection"]["detail"]
    assert len(simulator.org.customers) == 2


def test_an_id_column_is_tried_first_without_being_named(simulator: Simulator, run: Runner) -> None:
    first = simulator.org.add_customer({"name": "A", "emails": [{"email": "a@example.com"}]})
    second = simulator.org.add_customer({"name": "B", "externalId": "b"})
    result = load(
        run,
        "customers",
        {"kid": first.id, "ext": "a", "email": "a@example.com", "name": "A2"},
        {"kid": None, "ext": "b", "email": "b@example.com", "name": "B2"},
    )
    assert result.counts() == {"updated": 2}
    assert [each.attributes["name"] for each in (first, second)] == ["A2", "B2"]
    assert first.attributes["externalId"] == "a"


def test_an_id_that_is_gone_lets_the_next_key_decide(simulator: Simulator, run: Runner) -> None:
    gone = simulator.org.add_customer({"name": "Gone"})
    simulator.org.vanish(gone.id)
    ann = simulator.org.add_customer(ANN)
    result = load(run, "customers", {"kid": gone.id, "ext": "a1", "name": "Anna"})
    assert result.counts() == {"updated": 1}
    assert ann.attributes["name"] == "Anna"


@pytest.mark.parametrize(
    ("there", "sent"),
    [
        ("Acme Gardens", "ACME gardens"),
        ("ACME GARDENS", "  acme gardens  "),
        ("Caf\u00e9 Acme", "Cafe\u0301 acme"),
        ("STRASSE Acme", "stra\u00dfe Acme"),
    ],
)
def test_company_names_are_compared_without_case_and_by_unicode_form(
    simulator: Simulator, run: Runner, there: str, sent: str
) -> None:
    acme = simulator.org.add_company({"name": there})
    for other in ("Acme", f"{there} West", f"The {there}"):
        simulator.org.add_company({"name": other})
    result = load(run, "companies", {"ext": "e1", "name": sent})
    assert result.counts("companies") == {"updated": 1}
    assert acme.attributes["externalId"] == "e1"
    assert len(simulator.org.companies) == 4


def test_a_similar_name_is_no_match(simulator: Simulator, run: Runner) -> None:
    simulator.org.add_company({"name": "Acme Gardens"})
    result = load(run, "companies", {"ext": "e1", "name": "Acme"})
    assert result.counts("companies") == {"created": 1}
    assert len(simulator.org.companies) == 2


def test_the_list_of_companies_is_read_to_its_last_page(simulator: Simulator, run: Runner) -> None:
    for number in range(205):
        simulator.org.add_company({"name": f"Example Gardens {number}"})
    last = simulator.org.add_company({"name": "Example Gardens"})
    result = load(run, "companies", {"ext": "e1", "name": "example gardens"})
    assert result.counts("companies") == {"updated": 1}
    assert last.attributes["externalId"] == "e1"
    assert len(simulator.org.companies) == 206


def test_a_company_of_that_name_with_another_external_id_is_no_match(
    simulator: Simulator, run: Runner
) -> None:
    other = simulator.org.add_company({"name": "Acme", "externalId": "e1"})
    result = load(run, "companies", {"ext": "e2", "name": "Acme"})
    assert result.counts("companies") == {"created": 1}
    assert len(simulator.org.companies) == 2
    assert other.attributes["externalId"] == "e1"


def test_of_two_companies_of_a_name_the_one_without_external_id_is_the_match(
    simulator: Simulator, run: Runner
) -> None:
    simulator.org.add_company({"name": "Acme", "externalId": "e1"})
    free = simulator.org.add_company({"name": "Acme"})
    result = load(run, "companies", {"ext": "e2", "name": "Acme"})
    assert result.counts("companies") == {"updated": 1}
    assert free.attributes["externalId"] == "e2"


@pytest.mark.parametrize(
    ("others", "row"),
    [
        ([{}, {}], {"ext": "e2", "name": "Acme"}),
        ([{"externalId": "e1"}, {}], {"name": "Acme"}),
        ([{"externalId": "e1"}, {"externalId": "e3"}], {"name": "acme"}),
    ],
)
def test_two_companies_left_are_ambiguous(
    simulator: Simulator, run: Runner, others: list[dict[str, str]], row: dict[str, str]
) -> None:
    for other in others:
        simulator.org.add_company({"name": "Acme", **other})
    result = load(run, "companies", row)
    assert reasons(result) == ["match_ambiguous"]
    assert [each.updates for each in simulator.org.companies] == [0, 0]


def test_two_companies_of_one_external_id_are_ambiguous(tmp_path: Path) -> None:
    with Simulator(company_external_id_unique=False) as simulator:
        for name in ("Acme", "Other"):
            simulator.org.add_company({"name": name, "externalId": "e1"})
        result = load(Runner(simulator, tmp_path), "companies", {"ext": "e1", "name": "Acme"})
        assert reasons(result) == ["match_ambiguous"]
        assert [each.updates for each in simulator.org.companies] == [0, 0]


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("key", ["ext", "name"])
def test_a_deleted_company_is_no_match(tmp_path: Path, key: str, *, listed: bool) -> None:
    with Simulator(deleted_companies_listed=listed, deleted_keep_identifiers=False) as simulator:
        gone = simulator.org.add_company({"name": "Acme", "externalId": "e1"})
        simulator.org.delete(gone.id)
        row = {"ext": "e1", "name": "Acme 2"} if key == "ext" else {"name": "Acme"}
        result = load(Runner(simulator, tmp_path), "companies", row)
        assert result.counts("companies") == {"created": 1}
        assert len(simulator.org.companies) == 1
        assert gone.updates == 0


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize("row", [{"ext": "a1"}, {"email": "ann@example.com"}, {"phone": PHONE}])
def test_a_deleted_customer_is_no_match(
    tmp_path: Path, row: dict[str, str], *, readable: bool
) -> None:
    with Simulator(
        deleted_customers_readable=readable, deleted_keep_identifiers=False
    ) as simulator:
        gone = simulator.org.add_customer(ANN)
        simulator.org.delete(gone.id)
        match_on = ["externalId", "email", "phone"]
        run = Runner(simulator, tmp_path)
        result = load(run, "customers", {**row, "name": "Anna"}, match_on=match_on)
        assert result.counts() == {"created": 1}
        assert gone.attributes["name"] == "Ann"


@pytest.mark.parametrize("readable", [True, False])
def test_identifiers_that_a_deleted_customer_keeps_are_duplicates(
    tmp_path: Path, *, readable: bool
) -> None:
    with Simulator(deleted_customers_readable=readable) as simulator:
        gone = simulator.org.add_customer(ANN)
        simulator.org.delete(gone.id)
        result = load(Runner(simulator, tmp_path), "customers", {"ext": "a1", "name": "Anna"})
        assert reasons(result) == ["duplicate_identifier"]
        assert gone.attributes["name"] == "Ann"


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("stream", ["customers", "companies"])
def test_a_look_up_that_fails_is_an_error_and_never_a_create(
    simulator: Simulator, run: Runner, stream: str, kind: str
) -> None:
    simulator.org.add_customer(ANN)
    simulator.org.add_company({"name": "Acme", "externalId": "a1"})
    simulator.faults.add(kind, method="GET", path_pattern=f"/{stream}", times=None)  # type: ignore[arg-type]
    result = load(
        run,
        stream,
        {"ext": "a1", "name": "Changed"},
        retry_deadline_seconds=0.2,
        request_timeout_seconds=0.2,
    )
    assert result.exit_code == 5
    assert result.states == []
    assert result.rejected == []
    assert [each.attributes["name"] for each in simulator.org.customers] == ["Ann"]
    assert [each.attributes["name"] for each in simulator.org.companies] == ["Acme"]


def test_external_ids_with_signs_are_looked_up_as_they_are(
    simulator: Simulator, run: Runner
) -> None:
    signs = ["a/b", "a+b", "a b", "a%2Fb", "a?b#c", "\u00e4\u00f6", "a=b&c", "..", "."]
    for sign in signs:
        simulator.org.add_customer({"externalId": sign})
        simulator.org.add_company({"externalId": sign, "name": f"Company {sign}"})
    rows = [{"ext": sign, "name": f"New {sign}"} for sign in signs]
    assert load(run, "customers", *rows).counts() == {"updated": len(signs)}
    assert load(run, "companies", *rows).counts("companies") == {"updated": len(signs)}


def rejection(result: Result) -> dict[str, Any]:
    """Why the one rejected record was rejected, without the time."""
    [rejected] = result.rejected
    return {name: value for name, value in rejected["rejection"].items() if name != "at" and value}


def test_a_refused_look_up_rejects_the_record_and_tells_all(
    simulator: Simulator, run: Runner
) -> None:
    simulator.org.add_customer(ANN)
    simulator.faults.add("400", method="GET", path_pattern="/customers/")
    told = rejection(load(run, "customers", {"ext": "a1", "name": "Anna"}, mode="update"))
    assert told.pop("detail")
    assert told == {"reason": "refused", "attribute": "externalId", "status": 400}


def test_an_ambiguous_match_tells_its_key(simulator: Simulator, run: Runner) -> None:
    for _ in range(2):
        simulator.org.add_company({"name": "Acme"})
    told = rejection(load(run, "companies", {"name": "Acme"}))
    assert told == {
        "reason": "match_ambiguous",
        "attribute": "name",
        "detail": "2 records in Kustomer have this name",
    }


@pytest.mark.parametrize(
    ("row", "attribute"),
    [
        ({"ext": "other", "email": "new@example.com", "phone": PHONE}, "externalId"),
        ({"ext": "other", "phone": PHONE}, "externalId"),
        ({"email": "new@example.com", "phone": PHONE}, "email"),
    ],
)
def test_a_conflict_tells_the_first_key_that_differs(
    simulator: Simulator, run: Runner, row: dict[str, Any], attribute: str
) -> None:
    simulator.org.add_customer(ANN)
    told = rejection(load(run, "customers", row, match_on=["externalId", "email", "phone"]))
    assert told == {
        "reason": "match_conflict",
        "attribute": attribute,
        "detail": f"the customer found by a later key has another {attribute}",
    }


@pytest.fixture
def identities(run: Runner) -> Iterator[Identities]:
    config = {**run.config(), "max_parallel_requests": 1}
    for name, value in CONFIG_JSONSCHEMA["properties"].items():
        config.setdefault(name, value.get("default"))
    client = Client(Settings.from_config(config), RunClock())
    yield Identities(Kustomer(client), RunClock(), lambda _: 0, Knowledge(skip_unchanged=False))
    client.close()


def test_what_was_found_by_its_first_key_is_remembered(
    simulator: Simulator, identities: Identities
) -> None:
    ann = simulator.org.add_customer(ANN)
    acme = simulator.org.add_company({"name": "Acme", "externalId": "a1"})
    by_id, by_ext = MatchKey("id", ann.id), MatchKey("externalId", "a1")
    unknown = MatchKey("externalId", "other")
    for keys in ([by_ext], [by_id], [unknown, MatchKey("email", "ann@example.com")]):
        identities.find("customer", keys, None)
    identities.find("company", [by_ext], "a1")

    assert identities.remembered("customer", [by_ext]) == ann.id
    assert identities.remembered("customer", [by_id, by_ext]) == ann.id
    assert identities.remembered("company", [by_ext]) == acme.id
    assert identities.remembered("customer", [unknown]) is None
    assert identities.remembered("company", [MatchKey("name", "a1")]) is None


def test_neither_of_two_first_keys_is_remembered(
    simulator: Simulator, identities: Identities
) -> None:
    """They may be two customers by now."""
    simulator.org.add_customer(ANN)
    keys = [MatchKey("email", each) for each in ("ann@example.com", "new@example.com")]
    identities.find("customer", keys, None)
    assert identities.remembered("customer", keys) is None


def test_what_was_forgotten_is_not_remembered(simulator: Simulator, identities: Identities) -> None:
    simulator.org.add_customer(ANN)
    keys = [MatchKey("externalId", "a1")]
    identities.find("customer", keys, None)
    identities.forget("customer", keys)
    assert identities.remembered("customer", keys) is None
