from __future__ import annotations

from target_kustomer.mapping.keys import (
    known_keys,
    match_keys,
    normalise_email,
    normalise_name,
    normalise_phone,
)
from target_kustomer.models import MappedRecord, MatchKey

CUSTOMER = {
    "externalId": "e1",
    "externalIds": [{"externalId": "e1"}, {"externalId": "e2"}],
    "emails": [{"email": "Ada@Example.com"}, {"email": "b@example.com"}],
    "sharedEmails": [{"email": "shared@example.com"}],
    "phones": [{"phone": "+1 (415) 555-2671"}],
    "sharedPhones": [{"phone": "+4930123456"}],
    "name": "Ada",
}


def test_values_are_normalised_as_they_are_compared() -> None:
    assert normalise_name(" CAFE\u0301 Straße ") == "café strasse"
    assert normalise_email(" Ada@Example.COM ") == "ada@example.com"
    assert normalise_phone("+1 (415) 555-2671") == "14155552671"


def test_a_record_has_every_key_in_the_order_of_the_kinds() -> None:
    record = MappedRecord(attributes=CUSTOMER, id="k1")
    assert match_keys(record, ("id", "email", "phone", "externalId")) == (
        MatchKey("id", "k1"),
        MatchKey("email", "ada@example.com"),
        MatchKey("email", "b@example.com"),
        MatchKey("phone", "14155552671"),
        MatchKey("externalId", "e1"),
        MatchKey("externalId", "e2"),
    )


def test_what_is_null_or_absent_is_no_key() -> None:
    record = MappedRecord(attributes={"externalId": None, "emails": None, "name": "  "})
    assert match_keys(record, ("id", "externalId", "email", "phone", "name")) == ()


def test_a_known_customer_bears_its_primary_keys_only() -> None:
    assert known_keys("customer", "k1", CUSTOMER) == {
        MatchKey("id", "k1"),
        MatchKey("externalId", "e1"),
        MatchKey("externalId", "e2"),
        MatchKey("email", "ada@example.com"),
        MatchKey("email", "b@example.com"),
        MatchKey("phone", "14155552671"),
    }


def test_a_known_company_bears_id_external_id_and_name() -> None:
    answer = {"name": " ACME ", "externalId": "c1", "emails": [{"email": "a@example.com"}]}
    assert known_keys("company", "k2", answer) == {
        MatchKey("id", "k2"),
        MatchKey("externalId", "c1"),
        MatchKey("name", "acme"),
    }
    assert known_keys("company", "k3", {}) == {MatchKey("id", "k3")}
