"""Tables as real taps send them: the SCHEMA, records, and what is to become of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from target_kustomer.exceptions import ConfigurationError
from target_kustomer.models import CompanyLink, MappedRecord, Reason
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
    labels,
    mapped,
    plan,
    rejected,
)

KEY_INTEGER = {"type": "integer"}
KEY_TEXT = {"type": "string"}


def test_a_rails_users_table() -> None:
    columns = {
        "id": KEY_INTEGER,
        "email": {"type": "string"},
        "encrypted_password": {"type": "string"},
        "reset_token": TEXT,
        "reset_password_sent_at": WHEN,
        "sign_in_count": INTEGER,
        "last_sign_in_ip": TEXT,
        "first_name": TEXT,
        "last_name": TEXT,
        "admin": BOOL,
        "time_zone": TEXT,
        "created_at": WHEN,
        "updated_at": WHEN,
    }
    made = plan(columns, stream="public-users", keys=["id"])
    (warning,) = made.warnings
    assert "encrypted_password, reset_token" in warning
    assert made.external_id_column == "id"
    assert made.match_kinds == ("externalId", "email")
    record = {
        "id": 7,
        "email": "ada@example.com",
        "encrypted_password": "$2a$11$abc",
        "reset_token": "t0k3n",
        "reset_password_sent_at": None,
        "sign_in_count": 3,
        "last_sign_in_ip": "127.0.0.1",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "admin": False,
        "time_zone": "Europe/London",
        "created_at": "2024-01-31T10:00:00.123456+00:00",
        "updated_at": "2024-02-01T10:00:00+00:00",
    }
    assert made.map_record(record) == MappedRecord(
        attributes={
            "externalId": "7",
            "emails": [{"email": "ada@example.com"}],
            "name": "Ada Lovelace",
            "timeZone": "Europe/London",
            "custom": {
                "resetPasswordSentAt": None,
                "signInCountNum": 3,
                "lastSignInIpStr": "127.0.0.1",
                "adminBool": False,
                "createdAt": "2024-01-31T10:00:00.123456Z",
                "updatedAt": "2024-02-01T10:00:00Z",
            },
        }
    )


def test_a_dbt_view_without_a_key() -> None:
    columns = {
        "customer_id": INTEGER,
        "customer_name": TEXT,
        "customer_email": TEXT,
        "lifetime_value": {"type": ["null", "string"], "format": "singer.decimal"},
        "first_order": DATE,
        "is_active": BOOL,
    }
    made = plan(columns, stream="analytics-dim_customers")
    assert made.external_id_column == "customer_id"
    record = {
        "customer_id": 1042,
        "customer_name": "Ada",
        "customer_email": "ada@example.com",
        "lifetime_value": "1234.50",
        "first_order": "2023-05-01T00:00:00+00:00",
        "is_active": True,
    }
    assert mapped(made, record).attributes == {
        "externalId": "1042",
        "name": "Ada",
        "emails": [{"email": "ada@example.com"}],
        "custom": {
            "lifetimeValueNum": 1234.5,
            "firstOrderAt": "2023-05-01T00:00:00Z",
            "isActiveBool": True,
        },
    }


def test_a_snowflake_table_in_upper_case_with_a_variant_column() -> None:
    columns = {
        "CUSTOMER_ID": {"type": ["null", "number"]},
        "FULL_NAME": TEXT,
        "EMAIL_ADDRESS": TEXT,
        "CUSTOMER_PHONE": TEXT,
        "LOYALTY_TIER": TEXT,
        "POINTS": {"type": ["null", "number"]},
        "LAST_ORDER_TS": WHEN,
        "PREFERENCES": {"type": ["null", "object", "array", "string"]},
        "_SDC_BATCHED_AT": WHEN,
    }
    made = plan(
        columns,
        stream="ANALYTICS-CUSTOMERS",
        keys=["CUSTOMER_ID"],
        default_phone_region="US",
        fields={"PREFERENCES.newsletter": "newsletterBool"},
    )
    record = {
        "CUSTOMER_ID": Decimal("1042.0"),
        "FULL_NAME": "Ada Lovelace",
        "EMAIL_ADDRESS": "ADA@EXAMPLE.COM",
        "CUSTOMER_PHONE": "(415) 555-2671",
        "LOYALTY_TIER": "GOLD",
        "POINTS": Decimal("12.50"),
        "LAST_ORDER_TS": "2024-01-31T10:20:30.123456789-08:00",
        "PREFERENCES": {"newsletter": "Y"},
        "_SDC_BATCHED_AT": "2024-02-01T00:00:00Z",
    }
    assert mapped(made, record).attributes == {
        "externalId": "1042",
        "name": "Ada Lovelace",
        "emails": [{"email": "ADA@example.com"}],
        "phones": [{"phone": "+14155552671"}],
        "custom": {
            "loyaltyTierStr": "GOLD",
            "pointsNum": 12.5,
            "lastOrderTsAt": "2024-01-31T18:20:30.123456Z",
            "newsletterBool": True,
        },
    }
    unasked = plan(columns, stream="ANALYTICS-CUSTOMERS", keys=["CUSTOMER_ID"])
    assert labels(unasked)["PREFERENCES"] is None
    assert "PREFERENCES" in unasked.warnings[0]


def test_hubspot_contacts_with_their_values_in_an_object() -> None:
    columns = {
        "id": KEY_TEXT,
        "properties": {
            "type": ["null", "object"],
            "properties": {
                "email": TEXT,
                "firstname": TEXT,
                "lastname": TEXT,
                "phone": TEXT,
                "lifecyclestage": TEXT,
                "hs_lead_score": TEXT,
            },
        },
        "createdAt": WHEN,
        "updatedAt": WHEN,
        "archived": BOOL,
    }
    fields = {
        "properties.email": "email",
        "properties.firstname": "first_name",
        "properties.lastname": "last_name",
        "properties.phone": "phone",
        "properties.lifecyclestage": "lifecycleStage",
        "properties.hs_lead_score": "leadScoreNum",
        "archived": None,
    }
    made = plan(columns, stream="contacts", keys=["id"], fields=fields)
    assert made.warnings == ()
    record = {
        "id": "51",
        "properties": {
            "email": "ada@example.com",
            "firstname": "Ada",
            "lastname": "Lovelace",
            "phone": None,
            "lifecyclestage": "lead",
            "hs_lead_score": "7",
        },
        "createdAt": "2024-01-31T10:00:00.000Z",
        "updatedAt": "2024-01-31T10:00:00.000Z",
        "archived": False,
    }
    assert mapped(made, record).attributes == {
        "externalId": "51",
        "emails": [{"email": "ada@example.com"}],
        "name": "Ada Lovelace",
        "custom": {
            "createdAt": "2024-01-31T10:00:00Z",
            "updatedAt": "2024-01-31T10:00:00Z",
            "lifecycleStageStr": "lead",
            "leadScoreNum": 7,
        },
    }
    unasked = plan(columns, stream="contacts", keys=["id"])
    assert "properties" in unasked.warnings[0]
    with pytest.raises(ConfigurationError, match=r"properties\.emial.*properties\.email"):
        plan(columns, stream="contacts", keys=["id"], fields={"properties.emial": "email"})


SALESFORCE_DATE = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": ["string", "null"]}]
}
SALESFORCE_ACCOUNT = {
    "Id": KEY_TEXT,
    "Name": TEXT,
    "Type": TEXT,
    "BillingStreet": TEXT,
    "BillingAddress": OBJECT,
    "Phone": TEXT,
    "Fax": TEXT,
    "Website": {"type": ["null", "string"], "format": "uri"},
    "Industry": TEXT,
    "AnnualRevenue": NUMBER,
    "NumberOfEmployees": INTEGER,
    "OwnerId": TEXT,
    "IsDeleted": BOOL,
    "CreatedDate": SALESFORCE_DATE,
    "Industry__c": TEXT,
    "Loyalty_Tier__c": TEXT,
    "Domain__c": TEXT,
}


def test_a_salesforce_account() -> None:
    made = plan(
        SALESFORCE_ACCOUNT,
        stream="Account",
        object_type="company",
        keys=["Id"],
        default_phone_region="US",
    )
    record = {
        "Id": "001xx000003DGb2AAG",
        "Name": "Acme",
        "Type": "Customer",
        "BillingStreet": "1 Main St",
        "BillingAddress": {"street": "1 Main St"},
        "Phone": "(415) 555-2671",
        "Fax": None,
        "Website": "www.acme.com",
        "Industry": "Tools",
        "AnnualRevenue": Decimal("1000000.0"),
        "NumberOfEmployees": 120,
        "OwnerId": "005xx",
        "IsDeleted": False,
        "CreatedDate": "2024-01-31T10:00:00.000000Z",
        "Industry__c": "Anvils",
        "Loyalty_Tier__c": "Gold",
        "Domain__c": "acme.com",
    }
    assert mapped(made, record).attributes == {
        "externalId": "001xx000003DGb2AAG",
        "name": "Acme",
        "phones": [{"phone": "+14155552671"}],
        "urls": [{"type": "website", "url": "https://www.acme.com"}],
        "domains": [{"domain": "acme.com"}],
        "custom": {
            "TypeStr": "Customer",
            "BillingStreetStr": "1 Main St",
            "IndustryStr": "Tools",
            "AnnualRevenueNum": 1000000,
            "NumberOfEmployeesNum": 120,
            "OwnerIdStr": "005xx",
            "IsDeletedBool": False,
            "CreatedDateAt": "2024-01-31T10:00:00Z",
            "IndustryCStr": "Anvils",
            "LoyaltyTierStr": "Gold",
        },
    }


SALESFORCE_CONTACT = {
    "Id": KEY_TEXT,
    "AccountId": TEXT,
    "FirstName": TEXT,
    "LastName": TEXT,
    "Name": TEXT,
    "Email": TEXT,
    "MobilePhone": TEXT,
    "HomePhone": TEXT,
    "Birthdate": {
        "anyOf": [{"type": "string", "format": "date-time"}, {"type": ["string", "null"]}]
    },
    "OwnerId": TEXT,
    **{f"Field_{number}__c": TEXT for number in range(1, 104)},
}


def test_a_salesforce_contact_has_too_many_columns_until_they_are_left_out() -> None:
    options: dict[str, Any] = {"stream": "Contact", "keys": ["Id"]}
    with pytest.raises(ConfigurationError, match=r"Field_103__c.*unmapped: ignore"):
        plan(SALESFORCE_CONTACT, **options)
    fields = {"AccountId": "company.externalId", "Field_7__c": "favouriteColour"}
    made = plan(SALESFORCE_CONTACT, **options, unmapped="ignore", fields=fields)
    record = {
        "Id": "003xx",
        "AccountId": "001xx",
        "FirstName": "Ada",
        "LastName": "Lovelace",
        "Name": "Ada Lovelace",
        "Email": "ada@example.com",
        "MobilePhone": "+1 415 555 2671",
        "HomePhone": "+1 415 555 2672",
        "Birthdate": "1990-01-31",
        "OwnerId": "005xx",
        "Field_7__c": "blue",
        "Field_8__c": "unsent",
    }
    assert made.map_record(record) == MappedRecord(
        attributes={
            "externalId": "003xx",
            "name": "Ada Lovelace",
            "emails": [{"email": "ada@example.com"}],
            "phones": [
                {"type": "mobile", "phone": "+14155552671"},
                {"type": "home", "phone": "+14155552672"},
            ],
            "birthdayAt": "1990-01-31T00:00:00Z",
            "custom": {"favouriteColourStr": "blue"},
        },
        link=CompanyLink(external_id="001xx"),
    )


def test_a_stripe_customer() -> None:
    columns = {
        "id": KEY_TEXT,
        "object": TEXT,
        "address": {"type": ["null", "object"], "properties": {"city": TEXT, "line1": TEXT}},
        "balance": INTEGER,
        "created": INTEGER,
        "currency": TEXT,
        "delinquent": BOOL,
        "description": TEXT,
        "email": TEXT,
        "metadata": OBJECT,
        "name": TEXT,
        "phone": TEXT,
        "preferred_locales": {"type": ["null", "array"], "items": {"type": "string"}},
    }
    fields = {"address.city": "city", "address.line1": "address"}
    made = plan(columns, stream="customers", keys=["id"], fields=fields)
    (warning,) = made.warnings
    assert "metadata, preferred_locales" in warning
    record = {
        "id": "cus_9s6XKzkNRiz8i3",
        "object": "customer",
        "address": {"city": "Rome", "line1": "Via Roma 1"},
        "balance": -500,
        "created": 1483565364,
        "currency": "usd",
        "delinquent": None,
        "description": "",
        "email": "ada@example.com",
        "metadata": {"tier": "gold"},
        "name": "Ada",
        "phone": None,
        "preferred_locales": ["en"],
    }
    assert mapped(made, record).attributes == {
        "externalId": "cus_9s6XKzkNRiz8i3",
        "locations": [{"type": "home", "cityName": "Rome", "address": "Via Roma 1"}],
        "emails": [{"email": "ada@example.com"}],
        "name": "Ada",
        "custom": {
            "objectStr": "customer",
            "balanceNum": -500,
            "createdNum": 1483565364,
            "currencyStr": "usd",
            "delinquentBool": None,
            "descriptionStr": "",
        },
    }


def test_a_shopify_customer() -> None:
    columns = {
        "id": KEY_INTEGER,
        "email": TEXT,
        "first_name": TEXT,
        "last_name": TEXT,
        "state": TEXT,
        "orders_count": INTEGER,
        "total_spent": TEXT,
        "verified_email": BOOL,
        "tags": TEXT,
        "phone": TEXT,
        "addresses": ARRAY,
        "default_address": OBJECT,
        "currency": TEXT,
    }
    made = plan(columns, stream="customers", keys=["id"])
    record = {
        "id": 207119551,
        "email": "bob@example.com",
        "first_name": "Bob",
        "last_name": None,
        "state": "enabled",
        "orders_count": 1,
        "total_spent": "199.65",
        "verified_email": True,
        "tags": "vip, Léon, VIP",
        "phone": "+16136120707",
        "addresses": [{"city": "Ottawa"}],
        "default_address": {"city": "Ottawa"},
        "currency": "USD",
    }
    assert mapped(made, record).attributes == {
        "externalId": "207119551",
        "emails": [{"email": "bob@example.com"}],
        "name": "Bob",
        "tags": ["vip", "Léon", "VIP"],
        "phones": [{"phone": "+16136120707"}],
        "custom": {
            "stateStr": "enabled",
            "ordersCountNum": 1,
            "totalSpentStr": "199.65",
            "verifiedEmailBool": True,
            "currencyStr": "USD",
        },
    }


CSV_COLUMNS = dict.fromkeys(
    [
        "External ID",
        "Full Name",
        "E-Mail",
        "Mobile",
        "Street",
        "Address 2",
        "City",
        "State",
        "ZIP",
        "Country",
        "Birthday",
        "Tags",
        "Newsletter",
        "Company",
    ],
    TEXT,
)


def test_a_csv_where_everything_is_text_and_much_is_empty() -> None:
    made = plan(CSV_COLUMNS, stream="customers", default_phone_region="US")
    full = dict(
        zip(
            CSV_COLUMNS,
            [
                "42",
                " Ada Lovelace ",
                "ada@example.com",
                "415 555 2671",
                "1 Main St",
                "",
                "Springfield",
                "il",
                "62701",
                "USA",
                "1990-01-31",
                "vip,new",
                "yes",
                "Acme Inc",
            ],
            strict=True,
        )
    )
    assert made.map_record(full) == MappedRecord(
        attributes={
            "externalId": "42",
            "name": "Ada Lovelace",
            "emails": [{"email": "ada@example.com"}],
            "phones": [{"type": "mobile", "phone": "+14155552671"}],
            "locations": [
                {
                    "type": "home",
                    "address": "1 Main St",
                    "address2": None,
                    "cityName": "Springfield",
                    "regionCode": "IL",
                    "regionName": None,
                    "zipCode": "62701",
                    "countryCode": "US",
                    "countryName": None,
                }
            ],
            "birthdayAt": "1990-01-31T00:00:00Z",
            "tags": ["vip", "new"],
            "custom": {"NewsletterStr": "yes"},
        },
        link=CompanyLink(name="Acme Inc"),
    )
    empty = {**dict.fromkeys(CSV_COLUMNS, ""), "External ID": "42"}
    assert made.map_record(empty) == MappedRecord(
        attributes={
            "externalId": "42",
            "name": None,
            "birthdayAt": None,
            "custom": {"NewsletterStr": ""},
        },
        link=CompanyLink(),
    )
    rejection = rejected(made, {**full, "Birthday": "31/01/1990"})
    assert (rejection.reason, rejection.column) == (Reason.INVALID_FORMAT, "Birthday")


def test_tap_postgres_with_log_based_replication() -> None:
    columns = {
        "id": KEY_INTEGER,
        "name": TEXT,
        "homepage": URI,
        "_sdc_deleted_at": WHEN,
        "_sdc_lsn": INTEGER,
    }
    made = plan(columns, stream="public-companies", object_type="company", keys=["id"])
    assert made.warnings == ()
    record = {
        "id": 1,
        "name": "Acme",
        "homepage": "https://acme.com/",
        "_sdc_deleted_at": None,
        "_sdc_lsn": 23456,
    }
    assert mapped(made, record).attributes == {
        "externalId": "1",
        "name": "Acme",
        "custom": {"homepageUrl": "https://acme.com/"},
    }
    deleted = {"id": 1, "_sdc_deleted_at": "2024-01-31T00:00:00Z", "_sdc_lsn": 23457}
    assert mapped(made, deleted).attributes == {"externalId": "1"}
    assert made.unknown_columns(deleted) == ()
