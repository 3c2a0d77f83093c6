from __future__ import annotations

import pytest

from target_kustomer.mapping.names import (
    camel_case,
    fold,
    last_part,
    looks_secret,
    nearest,
    short_forms,
    singular,
    suffix_of,
)


@pytest.mark.parametrize(
    "name",
    ["email_address", "EMAIL_ADDRESS", "EmailAddress", "e-mail address", "Émail.Address"],
)
def test_spelling_does_not_count(name: str) -> None:
    assert fold(name) == "emailaddress"


@pytest.mark.parametrize(
    ("name", "folded"),
    [("Straße", "strasse"), ("Łódź", "lodz"), ("Ærø", "aero"), ("ﬁeld", "field"), ("名前", "")],
)
def test_accents_are_taken_off(name: str, folded: str) -> None:
    assert fold(name) == folded


@pytest.mark.parametrize(
    ("name", "forms"),
    [
        ("email", ()),
        ("customer_email", ("email",)),
        ("CUSTOMER_PHONE", ("phone",)),
        ("contactEmail", ("email",)),
        ("Email__c", ("email",)),
        ("Customer_Email__c", ("customeremail", "email")),
        ("CUSTOMER", ()),
        ("__c", ()),
    ],
)
def test_short_forms_drop_the_mark_and_the_object(name: str, forms: tuple[str, ...]) -> None:
    assert short_forms(name, ("customer", "contact")) == forms


@pytest.mark.parametrize(
    ("name", "one"),
    [
        ("customers", "customer"),
        ("COMPANIES", "company"),
        ("addresses", "address"),
        ("boxes", "box"),
        ("branches", "branch"),
        ("wishes", "wish"),
        ("Account", "account"),
        ("business", "business"),
    ],
)
def test_singular(name: str, one: str) -> None:
    assert singular(name) == one


@pytest.mark.parametrize("stream", ["customers", "public-customers", "db.public.customers"])
def test_a_streams_schema_does_not_count(stream: str) -> None:
    assert last_part(stream) == "customers"


@pytest.mark.parametrize(
    ("name", "joined"),
    [
        ("loyalty_tier", "loyaltyTier"),
        ("LOYALTY_TIER", "loyaltyTier"),
        ("Age", "Age"),
        ("OwnerId", "OwnerId"),
        ("support_rep_id", "supportRepId"),
        ("First Name", "FirstName"),
        ("SKU", "sku"),
        ("address_1", "address1"),
        ("café crème", "cafeCreme"),
        ("__", ""),
        ("名前", ""),
    ],
)
def test_words_are_joined_as_camel_case(name: str, joined: str) -> None:
    assert camel_case(name) == joined


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("tierStr", "Str"),
        ("notesTxt", "Txt"),
        ("ageNum", "Num"),
        ("seenAt", "At"),
        ("vipBool", "Bool"),
        ("homeUrl", "Url"),
        ("ordersId", "Id"),
        ("Id", None),
        ("format", None),
        ("tier", None),
        ("agenum", None),
    ],
)
def test_suffixes_are_known(name: str, suffix: str | None) -> None:
    assert suffix_of(name) == suffix


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "encrypted_password",
        "PasswordDigest",
        "PASSWD",
        "userpasswd2",
        "pwd",
        "client_secret",
        "secrets",
        "reset_token",
        "accessTokens",
        "token2",
        "hash",
        "pw_hashes",
        "salt",
        "Salts",
        "ssn",
        "SSN",
        "card_cvv",
        "api_key",
        "API Keys",
        "stripeApiKey",
        "apikey",
    ],
)
def test_secrets_are_seen(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    ["name", "hashtag", "tokenized", "basalt", "secretary", "api", "key", "passport", "email"],
)
def test_other_names_are_no_secrets(name: str) -> None:
    assert not looks_secret(name)


def test_the_nearest_name_is_found() -> None:
    assert nearest("emial", ["name", "Email", "phone"]) == "Email"
    assert nearest("quux", ["name", "email"]) is None
