"""The documents that the API answers with [API §2]."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from target_kustomer.simulator.keys import ApiKey
    from target_kustomer.simulator.objects import StoredObject
    from target_kustomer.simulator.org import Org

Document = dict[str, Any]

_CUSTOMER_LISTS = (
    "externalIds",
    "sharedExternalIds",
    "emails",
    "sharedEmails",
    "phones",
    "sharedPhones",
    "whatsapps",
    "facebookIds",
    "instagramIds",
    "socials",
    "sharedSocials",
    "urls",
    "locations",
    "tags",
)


def timestamp(epoch_seconds: float) -> str:
    """Returns a time as the API writes it: UTC, with milliseconds and a Z."""
    moment = datetime.fromtimestamp(epoch_seconds, tz=timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def relation(resource: str, path: str, object_id: str) -> Document:
    """Returns a relationship to one object."""
    return {
        "links": {"self": f"/v1/{path}/{object_id}"},
        "data": {"type": resource, "id": object_id},
    }


def object_document(org: Org, stored: StoredObject) -> Document:
    """Returns a customer or company as recorded [API §2.1, §2.2]."""
    path = "customers" if stored.resource == "customer" else "companies"
    relationships = {"org": relation("org", "orgs", org.id)}
    attributes = _attributes(org, stored)
    if stored.company is not None:
        if org.switches.company_in_attributes:
            attributes["company"] = stored.company
        else:
            relationships["company"] = relation("company", "companies", stored.company)
    return {
        "type": stored.resource,
        "id": stored.id,
        "attributes": attributes,
        "relationships": relationships,
        "links": {"self": f"/v1/{path}/{stored.id}"},
    }


def _attributes(org: Org, stored: StoredObject) -> Document:
    moved = timestamp(stored.updated_at)
    attributes: Document = {"createdAt": timestamp(stored.created_at), "tags": []}
    if stored.resource == "customer":
        attributes |= {name: [] for name in _CUSTOMER_LISTS} | {"verified": True}
        attributes |= _names(stored.attributes)
    attributes |= stored.attributes
    attributes |= {"updatedAt": moved, "modifiedAt": moved, "rev": stored.rev}
    if stored.resource == "customer" or stored.deleted:
        attributes["deleted"] = stored.deleted
    if "custom" in attributes:
        attributes["custom"] = org.custom.masked(stored.resource, attributes["custom"])
    return attributes


def _names(attributes: Document) -> Document:
    """Derives firstName and lastName by the first space of the name [API §2.1]."""
    name = attributes.get("name")
    if not name:
        return {}
    first, _, last = name.partition(" ")
    return {"displayName": name, "firstName": first} | ({"lastName": last} if last else {})


def token_document(org: Org, key: ApiKey) -> Document:
    """Returns the key that asks, with its roles [API §1]."""
    now = timestamp(org.clock())
    return {
        "type": "auth_token",
        "id": key.user,
        "attributes": {
            "lastTokenChars": key.token[-4:],
            "name": key.name,
            "roles": list(key.roles),
            "createdAt": now,
            "updatedAt": now,
            "lastAccessedAt": now,
        },
        "relationships": {
            "org": relation("org", "orgs", org.id),
            "user": relation("user", "users", key.user),
        },
        "links": {"self": "/v1/auth/tokens/current"},
    }


def metadata_document(org: Org, resource: str) -> Document:
    """Returns the definitions of a resource's custom attributes [API §5]."""
    return {
        "type": "metadata",
        "id": resource,
        "attributes": {"properties": org.custom.properties(resource)},
        "relationships": {"org": relation("org", "orgs", org.id)},
        "links": {"self": f"/v1/metadata/{resource}"},
    }
