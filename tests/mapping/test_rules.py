from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.exceptions import ConfigurationError
from tests.mapping.planning import (
    ARRAY,
    BOOL,
    DATE,
    INTEGER,
    NUMBER,
    OBJECT,
    TEXT,
    URI,
    WHEN,
    companies,
    customers,
    labels,
    mapped,
    plan,
)

if TYPE_CHECKING:
    from collections.abc import Callable

HEX = "0123456789abcdef01234567"


def error(make: Callable[[], object]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        make()
    message = str(caught.value)
    assert "\n" not in message
    return message


# Rule 1: fields


@pytest.mark.parametrize(
    ("attribute", "label"),
    [
        ("emails", "emails"),
        ("email", "emails"),
        ("work_email", "emails.work"),
        ("Work Email", "emails.work"),
        ("external_id", "externalId"),
        ("gender", "gender"),
        ("createdAt", "createdAt"),
        ("city", "locations.cityName"),
        ("country", "locations.country"),
        ("first_name", "name.first"),
        ("company", "company.name"),
        ("company.id", "company.id"),
        ("company.externalId", "company.externalId"),
        ("company.name", "company.name"),
        ("company_id", "company.externalId"),
        ("id", "id"),
        ("loyaltyTier", "loyaltyTierStr"),
        ("loyalty tier", "loyaltyTierStr"),
        ("loyaltyTierTxt", "loyaltyTierTxt"),
        ("loyaltyNum", "loyaltyNum"),
        ("ordersId", "ordersId"),
        ("domain", "domainStr"),
        (None, None),
    ],
)
def test_fields_names_any_attribute(attribute: str | None, label: str | None) -> None:
    assert labels(customers({"some_column": TEXT}, fields={"some_column": attribute})) == {
        "some_column": label
    }


def test_fields_wins_over_every_rule() -> None:
    fields = {"email": "nickname", "id": None, "password": "legacyHashStr", "_sdc_at": "syncedAt"}
    columns = {"email": TEXT, "id": TEXT, "password": TEXT, "_sdc_at": WHEN}
    made = customers(columns, keys=["id"], fields=fields)
    assert labels(made) == {
        "email": "nicknameStr",
        "id": None,
        "password": "legacyHashStr",
        "_sdc_at": "syncedAt",
    }
    assert made.warnings == ()


def test_the_columns_type_gives_the_suffix_unless_it_is_spelled_out() -> None:
    fields = {"a": "age", "b": "ageTxt"}
    assert labels(customers({"a": INTEGER, "b": INTEGER}, fields=fields)) == {
        "a": "ageNum",
        "b": "ageTxt",
    }


def test_a_path_leads_into_an_object() -> None:
    declared = {"type": ["null", "object"], "properties": {"age": {"type": "integer"}}}
    fields = {"open.a.b": "email", "declared.age": "age"}
    made = customers({"open": OBJECT, "declared": declared}, fields=fields)
    assert labels(made) == {
        "open": None,
        "declared": None,
        "open.a.b": "emails",
        "declared.age": "ageNum",
    }
    assert made.warnings == ()
    record = {"open": {"a": {"b": "ada@example.com"}}, "declared": {"age": 36}}
    assert mapped(made, record).attributes == {
        "emails": [{"email": "ada@example.com"}],
        "custom": {"ageNum": 36},
    }


def test_an_exact_column_name_wins_over_a_path() -> None:
    made = customers({"a.b": TEXT, "a": OBJECT}, fields={"a.b": "nick"})
    assert mapped(made, {"a.b": "column", "a": {"b": "path"}}).attributes == {
        "custom": {"nickStr": "column"}
    }


@pytest.mark.parametrize(
    ("fields", "column", "hint"),
    [
        ({"emial": "email"}, "emial", "did you mean email?"),
        ({"props.emial": "email"}, "props.emial", "did you mean props.email?"),
        ({"email.x": "email"}, "email.x", "did you mean email?"),
        ({"zzz": None}, "zzz", "which the SCHEMA lacks"),
    ],
)
def test_fields_must_name_a_column(fields: dict[str, Any], column: str, hint: str) -> None:
    props = {"type": "object", "properties": {"email": TEXT}}
    message = error(lambda: customers({"email": TEXT, "props": props}, fields=fields))
    assert message.startswith("stream customers: ")
    assert column in message
    assert hint in message


@pytest.mark.parametrize(
    ("attribute", "hint"),
    [("company.nam", "company.name"), ("custom", ""), ("", ""), ("company.phone", ""), ("??", "")],
)
def test_fields_must_name_an_attribute(attribute: str, hint: str) -> None:
    message = error(lambda: customers({"x": TEXT}, fields={"x": attribute}))
    assert "fields maps x to" in message
    assert hint in message


def test_a_company_has_no_company() -> None:
    fields = {"kustomer": "id", "x": "company.name"}
    assert "company.name" in error(lambda: companies({"x": TEXT}, fields=fields))


# Rule 2: what is never sent


def test_technical_columns_and_secrets_are_left_out() -> None:
    columns = {
        "_sdc_batched_at": WHEN,
        "_SDC_DELETED_AT": TEXT,
        "encrypted_password": TEXT,
        "reset_token": {},
        "token_url": URI,
        "has_password": BOOL,
        "token_count": INTEGER,
        "password_changed_at": WHEN,
    }
    made = customers(columns)
    assert labels(made) == {
        "_sdc_batched_at": None,
        "_SDC_DELETED_AT": None,
        "encrypted_password": None,
        "reset_token": None,
        "token_url": None,
        "has_password": "hasPasswordBool",
        "token_count": "tokenCountNum",
        "password_changed_at": "passwordChangedAt",
    }
    (warning,) = made.warnings
    assert "encrypted_password, reset_token, token_url" in warning


# Rule 3: standard attributes


@pytest.mark.parametrize(
    ("column", "schema", "attribute"),
    [
        ("name", TEXT, "name"),
        ("CUSTOMER_NAME", TEXT, "name"),
        ("External-Id", INTEGER, "externalId"),
        ("EXTERNALID", TEXT, "externalId"),
        ("user_name", TEXT, "username"),
        ("signed_up_at", WHEN, "signedUpAt"),
        ("last_activity_at", TEXT, "lastActivityAt"),
        ("last_customer_activity_at", DATE, "lastCustomerActivityAt"),
        ("last_seen_at", WHEN, "lastSeenAt"),
        ("birthday_at", DATE, "birthdayAt"),
        ("locale", TEXT, "locale"),
        ("time_zone", TEXT, "timeZone"),
        ("timezone", TEXT, "timeZone"),
        ("default_lang", TEXT, "defaultLang"),
        ("emails", ARRAY, "emails"),
        ("shared_emails", TEXT, "sharedEmails"),
        ("phones", ARRAY, "phones"),
        ("shared_phones", ARRAY, "sharedPhones"),
        ("whatsapps", ARRAY, "whatsapps"),
        ("external_ids", ARRAY, "externalIds"),
        ("shared_external_ids", ARRAY, "sharedExternalIds"),
        ("facebook_ids", ARRAY, "facebookIds"),
        ("instagram_ids", ARRAY, "instagramIds"),
        ("socials", ARRAY, "socials"),
        ("shared_socials", ARRAY, "sharedSocials"),
        ("urls", ARRAY, "urls"),
        ("locations", ARRAY, "locations"),
        ("tags", {"type": "array", "items": {"type": "string"}}, "tags"),
        ("Tags__c", TEXT, "tags"),
    ],
)
def test_standard_attributes_of_customers(column: str, schema: Any, attribute: str) -> None:
    assert labels(customers({column: schema}))[column] == attribute


@pytest.mark.parametrize(
    ("column", "schema", "attribute"),
    [
        ("company_name", TEXT, "name"),
        ("company_external_id", TEXT, "externalId"),
        ("domains", ARRAY, "domains"),
        ("employee_count", TEXT, "employeeCount"),
        ("tags", TEXT, "tags"),
        ("urls", ARRAY, "urls"),
        ("default_lang", TEXT, "defaultLang"),
    ],
)
def test_standard_attributes_of_companies(column: str, schema: Any, attribute: str) -> None:
    assert labels(companies({column: schema}))[column] == attribute


@pytest.mark.parametrize(
    ("column", "schema", "label"),
    [
        ("company", BOOL, "companyBool"),
        ("created_at", WHEN, "createdAt"),
        ("imported_at", INTEGER, "importedAtNum"),
        ("rev", INTEGER, "revNum"),
        ("deleted", BOOL, "deletedBool"),
        ("gender", TEXT, "genderStr"),
        ("sentiment", TEXT, "sentimentStr"),
        ("avatar_url", URI, "avatarUrl"),
        ("avatar_url", TEXT, "avatarUrlStr"),
    ],
)
def test_some_attributes_are_set_by_fields_only(column: str, schema: Any, label: str) -> None:
    made = customers({column: schema})
    assert labels(made) == {column: label}
    assert all(group.attribute == "custom" for group in made.groups)


@pytest.mark.parametrize(
    ("column", "schema", "label"),
    [
        ("email", BOOL, "emailBool"),
        ("email", WHEN, "emailAt"),
        ("birthday", INTEGER, "birthdayNum"),
        ("name", INTEGER, "nameNum"),
        ("email", OBJECT, None),
        ("email", ARRAY, None),
        ("locations", TEXT, "locationsStr"),
        ("tags", {"type": "array", "items": {"type": "object"}}, None),
    ],
)
def test_a_column_that_cannot_hold_the_attribute_is_another(
    column: str, schema: Any, label: str | None
) -> None:
    assert labels(customers({column: schema})) == {column: label}


def test_a_shortened_form_counts_only_without_the_bare_name() -> None:
    assert labels(customers({"customer_email": TEXT, "EMAIL": BOOL})) == {
        "customer_email": "customerEmailStr",
        "EMAIL": "emailBool",
    }
    assert labels(customers({"contact_email": TEXT}, stream="crm-contacts")) == {
        "contact_email": "emails"
    }
    assert labels(customers({"user_email": TEXT})) == {"user_email": "userEmailStr"}


# Rule 4: names


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["first_name", "last_name"], ["name.first", "name.last"]),
        (["first_name"], ["firstNameStr"]),
        (["last_name"], ["lastNameStr"]),
        (["full_name", "first_name", "last_name"], ["name", "firstNameStr", "lastNameStr"]),
        (["name", "full_name"], ["name", "fullNameStr"]),
        (["name", "first_name", "last_name"], ["name", "firstNameStr", "lastNameStr"]),
    ],
)
def test_one_of_several_names_becomes_the_name(columns: list[str], expected: list[str]) -> None:
    assert list(labels(customers(dict.fromkeys(columns, TEXT))).values()) == expected


def test_half_a_name_in_fields_finds_its_other_half() -> None:
    made = customers({"given": TEXT, "last_name": TEXT}, fields={"given": "first_name"})
    assert labels(made) == {"given": "name.first", "last_name": "name.last"}


# Rule 5: the key


@pytest.mark.parametrize(
    ("columns", "keys", "column"),
    [
        ({"uuid": TEXT}, ["uuid"], "uuid"),
        ({"customer_id": INTEGER}, ["customer_id"], "customer_id"),
        ({"since": DATE}, ["since"], "since"),
        ({"id": TEXT}, [], "id"),
        ({"customer_id": TEXT, "ID": INTEGER}, [], "ID"),
        ({"CUSTOMER_ID": TEXT}, [], "CUSTOMER_ID"),
        ({"contact_id": TEXT}, [], "contact_id"),
        ({"flag": BOOL}, ["flag"], None),
        ({"doc": OBJECT}, ["doc"], None),
        ({"id": BOOL}, [], None),
        ({"other_id": TEXT}, [], None),
        ({"missing": TEXT}, ["absent"], None),
        ({"email": TEXT}, ["email"], None),
        ({"external_id": TEXT, "id": TEXT}, [], None),
    ],
)
def test_the_key_is_the_external_id_where_nothing_else_is(
    columns: dict[str, Any], keys: list[str], column: str | None
) -> None:
    made = customers(columns, keys=keys, stream="contacts")
    assert made.external_id_column == column
    if column:
        assert labels(made)[column] == "externalId"
    assert made.warnings == () or column is None


def test_a_composite_key_gives_none_and_says_so() -> None:
    made = customers({"shop": TEXT, "id": TEXT}, keys=["shop", "id"])
    assert labels(made) == {"shop": "shopStr", "id": "idStr"}
    (warning,) = made.warnings
    assert "composite key" in warning
    assert "shop, id" in warning


def test_an_external_id_that_may_be_null_beside_an_unused_key_is_warned_of() -> None:
    made = customers({"id": TEXT, "external_id": TEXT}, keys=["id"])
    assert labels(made) == {"id": "idStr", "external_id": "externalId"}
    (warning,) = made.warnings
    assert "external_id, which may be null" in warning
    never_null = customers({"id": TEXT, "external_id": {"type": "string"}}, keys=["id"])
    assert never_null.warnings == ()


# Rule 6: the rest


@pytest.mark.parametrize(
    ("column", "schema", "label"),
    [
        ("support_rep_id", INTEGER, "supportRepIdNum"),
        ("OwnerId", TEXT, "OwnerIdStr"),
        ("Age", INTEGER, "AgeNum"),
        ("LOYALTY_TIER", TEXT, "loyaltyTierStr"),
        ("Loyalty_Tier__c", TEXT, "LoyaltyTierStr"),
        ("LOYALTY_TIER__C", TEXT, "loyaltyTierStr"),
        ("ageNum", INTEGER, "ageNum"),
        ("ageNum", TEXT, "ageNumStr"),
        ("account_num", TEXT, "accountNumStr"),
        ("updated_at", WHEN, "updatedAt"),
        ("updated_at", INTEGER, "updatedAtNum"),
        ("notes_txt", TEXT, "notesTxt"),
        ("is_vip", BOOL, "isVipBool"),
        ("is_bool", BOOL, "isBool"),
        ("photo_url", URI, "photoUrl"),
        ("photo_url", TEXT, "photoUrlStr"),
        ("balance", {"type": ["null", "string"], "format": "singer.decimal"}, "balanceNum"),
        ("score", NUMBER, "scoreNum"),
        ("mixed", {"type": ["integer", "string"]}, "mixedStr"),
        ("anything", {}, "anythingStr"),
        ("café", TEXT, "cafeStr"),
    ],
)
def test_the_rest_becomes_custom_attributes(column: str, schema: Any, label: str) -> None:
    assert labels(customers({column: schema})) == {column: label}


def test_salesforces_mark_is_kept_beside_the_bare_name() -> None:
    assert labels(customers({"Industry": TEXT, "Industry__c": TEXT})) == {
        "Industry": "IndustryStr",
        "Industry__c": "IndustryCStr",
    }


def test_what_is_nested_or_nameless_is_left_out_with_a_warning() -> None:
    made = customers({"address": OBJECT, "orders": ARRAY, "名前": TEXT, "age": INTEGER})
    assert labels(made) == {"address": None, "orders": None, "名前": None, "age": "ageNum"}
    nested, nameless = made.warnings
    assert "nested" in nested
    assert "address, orders" in nested
    assert "名前" in nameless


def test_nested_columns_are_sent_as_json_where_fields_says_so() -> None:
    made = customers({"meta": OBJECT, "rows": ARRAY}, fields={"meta": "metaTxt", "rows": "rows"})
    sent = mapped(made, {"meta": {"a": 1}, "rows": [1, 2]}).attributes["custom"]
    assert sent == {"metaTxt": '{"a":1}', "rowsStr": "[1,2]"}
    assert made.warnings == ()


def test_the_rest_can_be_left_out() -> None:
    made = customers({"email": TEXT, "age": INTEGER, "meta": OBJECT}, unmapped="ignore")
    assert labels(made) == {"email": "emails", "age": None, "meta": None}
    assert made.warnings == ()


def test_the_rest_can_be_an_error() -> None:
    columns = {"email": TEXT, "age": INTEGER, "meta": OBJECT, "_sdc_x": TEXT}
    message = error(lambda: customers(columns, unmapped="error"))
    assert "age, meta" in message
    assert 'streams.customers.fields: {"age": null}' in message
    assert "_sdc_x" not in message


# The org's own names


def test_the_orgs_spelling_wins() -> None:
    org = frozenset({"LoyaltyTierStr", "ageNum"})
    columns = {"loyalty_tier": TEXT, "years": INTEGER}
    made = customers(columns, org=org, fields={"years": "AGENUM"})
    assert labels(made) == {"loyalty_tier": "LoyaltyTierStr", "years": "agenumNum"}
    assert "agenumNum" in made.warnings[0]
    assert labels(customers({"y": INTEGER}, org=org, fields={"y": "AgeNum"})) == {"y": "ageNum"}


def test_another_suffix_in_the_org_is_an_error_that_says_the_mend() -> None:
    org = frozenset({"loyaltyTierNum"})
    message = error(lambda: customers({"loyalty_tier": TEXT}, org=org))
    assert 'streams.customers.fields: {"loyalty_tier": "loyaltyTierNum"}' in message
    mended = customers({"loyalty_tier": TEXT}, org=org, fields={"loyalty_tier": "loyaltyTierNum"})
    assert labels(mended) == {"loyalty_tier": "loyaltyTierNum"}
    spelled = customers({"loyalty_tier": TEXT}, org=org, fields={"loyalty_tier": "loyaltyTierStr"})
    assert labels(spelled) == {"loyalty_tier": "loyaltyTierStr"}


def test_both_suffixes_in_the_org_are_no_error() -> None:
    org = frozenset({"loyaltyTierNum", "loyaltyTierStr"})
    assert labels(customers({"loyalty_tier": TEXT}, org=org)) == {"loyalty_tier": "loyaltyTierStr"}


def test_names_that_the_org_does_not_know_are_warned_of_once() -> None:
    made = customers({"a": TEXT, "b": TEXT, "c": TEXT}, org=frozenset({"bStr"}))
    (warning,) = made.warnings
    assert "aStr, cStr" in warning
    assert customers({"a": TEXT}).warnings == ()


def test_a_reference_must_be_known_to_the_org() -> None:
    fields = {"account": "accountId"}
    assert labels(customers({"account": TEXT}, fields=fields)) == {"account": "accountId"}
    message = error(lambda: customers({"account": TEXT}, fields=fields, org=frozenset()))
    assert 'streams.customers.fields: {"account": "accountIdStr"}' in message
    known = customers({"account": TEXT}, fields=fields, org=frozenset({"accountId"}))
    assert mapped(known, {"account": HEX}).attributes == {"custom": {"accountId": HEX}}


# What is wrong with the columns together


@pytest.mark.parametrize(
    ("columns", "fields", "named"),
    [
        (["email", "email_address"], {}, "emails"),
        (["phone", "phone_number"], {}, "phones"),
        (["mobile", "mobile_phone"], {}, "phones.mobile"),
        (["address", "street"], {}, "locations.address"),
        (["city", "state", "province"], {}, "locations.region"),
        (["zip", "postcode"], {}, "locations.zipCode"),
        (["company", "company_name"], {}, "company.name"),
        (["mail", "email"], {"mail": "email"}, "emails"),
        (["a", "b"], {"a": "name", "b": "full_name"}, "name"),
        (["a", "b"], {"a": "name", "b": "first_name"}, "name"),
        (["a", "b"], {"a": "tierStr", "b": "TierStr"}, "TierStr"),
        (["Email", "EMAIL"], {}, "emails"),
        (["fav_color", "FavColor"], {}, "avColorStr"),
        (["birthday", "birth_date"], {}, "birthdayAt"),
    ],
)
def test_two_columns_for_one_attribute_are_an_error(
    columns: list[str], fields: dict[str, str], named: str
) -> None:
    message = error(lambda: customers(dict.fromkeys(columns, TEXT), fields=fields))
    culprits = columns[-2:]
    assert all(column in message for column in culprits)
    assert named in message
    assert re.search(rf'streams\.customers\.fields: \{{"{culprits[-1]}": null\}}', message)


def test_columns_of_one_list_but_other_types_are_no_error() -> None:
    names = ("email", "work_email", "home_email", "phone", "mobile", "home_phone", "fax", "emails")
    assert len(labels(customers(dict.fromkeys(names, TEXT)))) == len(names)


def test_more_custom_attributes_than_kustomer_takes_are_an_error() -> None:
    columns = {f"column_{each}": TEXT for each in range(100)}
    customers(columns)
    message = error(lambda: customers({**columns, "one_more": TEXT, "email": TEXT}))
    assert "101" in message
    assert "one_more" in message
    assert "unmapped: ignore" in message
    assert 'fields: {"one_more": null}' in message


@pytest.mark.parametrize("mode", ["upsert", "create"])
def test_a_company_stream_needs_a_name(mode: str) -> None:
    def make() -> object:
        return plan({"id": TEXT}, stream="accounts", object_type="company", mode=mode)

    message = error(make)
    assert message.startswith("stream accounts: none of id gives a company its name")
    assert 'streams.accounts.fields: {"COLUMN": "name"}' in message


def test_a_company_stream_that_only_updates_needs_no_name() -> None:
    made = plan({"id": TEXT}, stream="accounts", object_type="company", mode="update")
    assert made.match_kinds == ("externalId",)


@pytest.mark.parametrize("mode", ["upsert", "update"])
def test_a_stream_that_matches_needs_something_to_match_on(mode: str) -> None:
    message = error(lambda: plan({"age": INTEGER}, mode=mode))
    assert "none of age gives externalId or email to match on" in message
    assert 'streams.customers.fields: {"COLUMN": "externalId"}' in message
    assert "mode: create" in message


def test_match_on_names_only_keys_of_the_object() -> None:
    message = error(lambda: plan({"id": TEXT}, match_on=("name",)))
    assert "match_on names name" in message
    assert "id, externalId, email, phone" in message


@pytest.mark.parametrize(
    ("columns", "settings", "kinds"),
    [
        (["id", "email", "phone"], {}, ("externalId", "email")),
        (["email"], {}, ("email",)),
        (["id", "phone"], {"match_on": ("phone", "email", "externalId")}, ("phone", "externalId")),
        (["k", "id"], {"fields": {"k": "id"}}, ("id", "externalId")),
        (
            ["k", "id"],
            {"fields": {"k": "id"}, "match_on": ("externalId", "id")},
            ("externalId", "id"),
        ),
        (["external_ids"], {}, ("externalId",)),
        (["shared_emails"], {"mode": "create"}, ()),
    ],
)
def test_the_keys_that_the_stream_carries(
    columns: list[str], settings: dict[str, Any], kinds: tuple[str, ...]
) -> None:
    assert plan(dict.fromkeys(columns, TEXT), **settings).match_kinds == kinds
