from __future__ import annotations

from typing import Any

import pytest

from target_kustomer.kustomer.roles import granting, missing_roles, needed_roles


def short(roles: Any) -> set[str]:
    return {role.removeprefix("org.permission.") for role in roles}


@pytest.mark.parametrize(
    ("object_type", "mode", "more", "expected"),
    [
        ("customer", "upsert", {}, "customer.read customer.create customer.update bulk.read"),
        ("customer", "update", {}, "customer.read customer.update bulk.read"),
        ("customer", "create", {}, "customer.read customer.create bulk.read"),
        (
            "customer",
            "update",
            {"deletes": True},
            "customer.read customer.update customer.delete bulk.read",
        ),
        ("company", "update", {"deletes": True}, "company.read company.update bulk.read"),
        ("company", "upsert", {}, "company.read company.create company.update bulk.read"),
        (
            "customer",
            "update",
            {"links": True},
            "customer.read customer.update bulk.read company.read",
        ),
        (
            "customer",
            "update",
            {"links": True, "missing_company": "create"},
            "customer.read customer.update bulk.read company.read company.create",
        ),
        (
            "customer",
            "create",
            {"missing_company": "create"},
            "customer.read customer.create bulk.read",
        ),
    ],
)
def test_a_stream_needs_the_roles_of_its_mode(
    object_type: Any, mode: Any, more: dict[str, Any], expected: str
) -> None:
    settings = {"links": False, "missing_company": "reject", **more}
    assert short(needed_roles(object_type, mode, **settings)) == set(expected.split())


@pytest.mark.parametrize(
    ("granted", "needed", "missing"),
    [
        (["org.permission.customer.read"], "org.permission.customer.read", False),
        (["org.permission.customer"], "org.permission.customer.read", False),
        (["org.permission"], "org.permission.customer.read", False),
        (["org"], "org.permission.customer.read", False),
        (["org.user.customer.read"], "org.permission.customer.read", False),
        (["org.user.customer.write"], "org.permission.customer.create", False),
        (["org.user.customer.write"], "org.permission.customer.update", False),
        (["org.user.customer.delete"], "org.permission.customer.delete", False),
        (["org.user.customer.write"], "org.permission.customer.delete", True),
        (["org.user.bulk.read"], "org.permission.bulk.read", False),
        (["org.user"], "org.permission.customer.update", False),
        ([], "org.permission.customer.read", True),
        (["org.permission.customer.create"], "org.permission.customer.read", True),
        (["org.user.customer.write"], "org.permission.customer.read", True),
        (["org.permission.custom"], "org.permission.customer.read", True),
        (["org.permission.customer.readonly"], "org.permission.customer.read", True),
        (["org.admin"], "org.permission.customer.read", True),
        (["org.admin.metadata.write"], "org.permission.metadata.update", False),
        (["org.admin"], "org.permission.metadata.update", False),
        (["org.user.metadata.write"], "org.permission.metadata.update", True),
    ],
)
def test_a_role_is_granted_by_itself_a_broader_one_or_its_old_name(
    granted: list[str], needed: str, *, missing: bool
) -> None:
    assert missing_roles(granted, [needed]) == ((needed,) if missing else ())


@pytest.mark.parametrize(
    ("held", "role", "by"),
    [
        (["org.permission.metadata.read"], "metadata.read", "org.permission.metadata.read"),
        (["org.user.metadata.read"], "metadata.read", "org.user.metadata.read"),
        (["org.admin.metadata.read"], "metadata.read", "org.admin.metadata.read"),
        (["org.admin"], "metadata.update", "org.admin"),
        (["org.user.metadata.write"], "metadata.update", None),
        (["org.user.customer.delete"], "customer.delete", "org.user.customer.delete"),
        (["org.admin"], "customer.update", None),
        (["org", "org.permission", "org.user.bulk"], "bulk.read", "org.permission"),
        ([], "bulk.read", None),
    ],
)
def test_the_role_that_grants_one_is_named(held: list[str], role: str, by: str | None) -> None:
    assert granting(held, f"org.permission.{role}") == by
