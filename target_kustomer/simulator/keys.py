"""API keys and their roles [API §1]."""

from __future__ import annotations

from dataclasses import dataclass

ROLES: dict[str, tuple[str, ...]] = {
    "customer.read": ("org.permission.customer.read", "org.user.customer.read"),
    "customer.create": ("org.permission.customer.create", "org.user.customer.write"),
    "customer.update": ("org.permission.customer.update", "org.user.customer.write"),
    "customer.delete": ("org.permission.customer.delete", "org.user.customer.delete"),
    "company.read": ("org.permission.company.read", "org.user.company.read"),
    "company.create": ("org.permission.company.create", "org.user.company.write"),
    "company.update": ("org.permission.company.update", "org.user.company.write"),
    "bulk.read": ("org.permission.bulk.read", "org.user.bulk.read"),
    "metadata.read": (
        "org.permission.metadata.read",
        "org.user.metadata.read",
        "org.admin.metadata.read",
    ),
    "metadata.update": ("org.permission.metadata.update", "org.admin.metadata.write"),
    "search": (
        "org.permission.search.create",
        "org.permission.search.update",
        "org.permission.search_global.create",
        "org.permission.search_preview.create",
        "org.user.search.read",
        "org.admin.search.read",
    ),
    "admin": ("org.admin",),
}
"""Roles of each kind of call, any one of which is enough, the legacy ones last [API §1]."""


@dataclass(frozen=True)
class ApiKey:
    """A key, which is a machine user of its own [API §1].

    Attributes:
        token: The bearer token.
        user: Id of its machine user, 24 hexadecimal digits.
        roles: What it may do; a broad role grants every role that it is a prefix of.
        expires_at: Epoch seconds from which it gets a 401, or None.
        region: Pod that issued it, the only one that takes it; None fits any.
        name: What it was named when it was made.
    """

    token: str
    user: str
    roles: tuple[str, ...] = ("org",)
    expires_at: float | None = None
    region: str | None = None
    name: str = "simulator"

    def grants(self, need: str) -> bool:
        """Tells whether the key may make a kind of call, as named in `ROLES`."""
        wanted = ROLES[need]
        return any(
            role == want or want.startswith(f"{role}.") for role in self.roles for want in wanted
        )
