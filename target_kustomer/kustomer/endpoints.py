"""The calls of the Kustomer API that this target makes, in the API's words [API §1, §2]."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from target_kustomer.exceptions import (
    AccessError,
    ConfigurationError,
    NotFoundError,
    RefusedError,
)
from target_kustomer.kustomer.client import Answer, Request, Sender
from target_kustomer.models import CustomAttribute

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_kustomer.models import (
        JSON,
        Attributes,
        CustomAttributes,
        MatchKey,
        MatchKind,
        ObjectType,
    )

_PATHS: dict[ObjectType, str] = {"customer": "/customers", "company": "/companies"}

_METHODS = {"create": "POST", "update": "PUT", "delete": "DELETE"}
"""Of bulk jobs."""

_PAGE_SIZE = 100
"""Items on a page of most lists, at most [API §9]."""

MAX_DEFINITIONS = 100
"""Definitions of custom attributes in one request [API §5]."""

_STAMPS = frozenset({"modifiedBy", "modifiedAt", "updatedAt"})
"""What Kustomer itself adds to a definition [API §5]."""

_FREE = ("tree", "multi", "array")
"""Definitions with one of these take values of a form that is not known [API §5]."""

_FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Resource:
    """A customer or company as Kustomer holds it, a customer's company among the attributes.

    Attributes:
        read_at: No earlier than when it was as it is here, in UTC seconds since 1970.
    """

    id: str
    attributes: Attributes
    read_at: float = field(default=math.inf, compare=False)

    @property
    def company_id(self) -> str | None:
        """The id of a customer's company."""
        return self.attributes.get("company")

    @property
    def live(self) -> bool:
        """Whether it is there, not deleted [API §13]."""
        return not self.attributes.get("deleted")


@dataclass(frozen=True, slots=True)
class SubmittedJob:
    """A bulk job that Kustomer has taken.

    Attributes:
        created_at: The server's time stamp, where it gives one.
        after_lost: Whether an earlier try of the same request may have been taken too.
    """

    id: str
    created_at: str | None
    after_lost: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the list of all customers or companies.

    Attributes:
        more: Whether another page follows.
        pages: How many there are, None where Kustomer does not tell.
        total: How many objects there are, None where Kustomer does not tell.
    """

    resources: list[Resource]
    more: bool
    pages: int | None
    total: int | None


@dataclass(frozen=True, slots=True)
class Key:
    """The API key.

    Attributes:
        roles: Its roles, or None where Kustomer does not tell.
        org: The id of its org, or None where Kustomer does not tell.
        name: Its name, or None where Kustomer does not tell.
    """

    roles: frozenset[str] | None
    org: str | None
    name: str | None = None


class Kustomer:
    """The API of one org."""

    def __init__(self, client: Sender) -> None:
        self._client = client

    def key(self) -> Key:
        """What the key is; any key may ask [API §1].

        Raises:
            ConfigurationError: What answers is not Kustomer's API.
        """
        try:
            data = self._get("check of the key", "/auth/tokens/current")["data"]
            attributes = data["attributes"]
            roles = attributes.get("roles")
            org = ((data.get("relationships") or {}).get("org") or {}).get("data") or {}
            granted = None if roles is None else frozenset(roles)
            return Key(granted, org.get("id"), attributes.get("name"))
        except (NotFoundError, RefusedError, KeyError, TypeError, AttributeError):
            raise not_kustomer() from None

    def custom_attributes(self, object_type: ObjectType) -> CustomAttributes | None:
        """The custom attributes that the org has defined, or None where Kustomer does not tell."""
        kind = f"reading of the {object_type} metadata"
        try:
            # Untranslated: what is read may be written back.
            params = {"translate": "false"}
            body = self._get(kind, f"/metadata/{object_type}", params, of=object_type)
        except AccessError as error:
            if error.status != _FORBIDDEN:
                raise
            return None
        except (NotFoundError, RefusedError):
            return None
        try:
            properties = body["data"]["attributes"].get("properties") or {}
            return {name: _custom_attribute(each or {}) for name, each in properties.items()}
        except (KeyError, TypeError, AttributeError):  # it is told in a form that is not known
            return None

    def define(
        self,
        object_type: ObjectType,
        there: CustomAttributes,
        display_names: Mapping[str, str],
    ) -> None:
        """Define custom attributes; Kustomer takes their types from their suffixes [API §5].

        Whether it keeps the definitions that a request does not hold is not certain: those that
        are there are sent along as they are. A request that may have been taken is not repeated.

        Args:
            object_type: What to define them for.
            there: All that are defined; with the new ones at most :data:`MAX_DEFINITIONS`.
            display_names: What agents see, by the names of the new ones.

        Raises:
            LostAnswerError: They may be defined now: read again.
            RefusedError: Kustomer does not take them.
            AccessError: The key may not define any (403).
        """
        kept = {
            name: {key: value for key, value in each.definition.items() if key not in _STAMPS}
            for name, each in there.items()
        }
        new = {name: {"displayName": display} for name, display in display_names.items()}
        self._client.send(
            Request(
                kind=f"definition of custom attributes of the {object_type}",
                method="PUT",
                path=f"/metadata/{object_type}",
                json={"properties": {**kept, **new}},
                repeatable=False,
            )
        )

    def read(self, object_type: ObjectType, kustomer_id: str) -> Resource | None:
        """The object with this id, or None when Kustomer says that there is none."""
        path = f"{_PATHS[object_type]}/{quote(kustomer_id, safe='')}"
        return self._read(f"reading of a {object_type}", path, object_type)

    def look_up(self, object_type: ObjectType, key: MatchKey) -> list[Resource]:
        """What Kustomer finds by a key; it may find others too: compare the exact value."""
        value = key.spelling or key.value
        if key.kind == "id":
            found = self.read(object_type, value)
        elif object_type == "customer":
            found = self._customer_by(key.kind, value)
        else:
            return list(self._companies_by(key.kind, value))
        return [found] if found else []

    def _customer_by(self, kind: MatchKind, value: str) -> Resource | None:
        """The customer with this externalId, email or phone, as Kustomer's look-up has it."""
        path = f"/customers/{kind}={quote(value, safe='')}"
        return self._read(f"look-up of a customer by {kind}", path, "customer")

    def _companies_by(self, kind: MatchKind, value: str) -> Iterator[Resource]:
        """The companies that Kustomer lists for an externalId or a name, to the last page.

        The list may hold others too [API §2.2].
        """
        parameter = "externalId" if kind == "externalId" else "filter"
        request = f"look-up of a company by {kind}"
        page = 1
        while True:
            params = {parameter: value, "page": str(page), "pageSize": str(_PAGE_SIZE)}
            body = self._get(request, "/companies", params, of="company")
            yield from map(_resource, body.get("data") or ())
            if not (body.get("links") or {}).get("next"):
                return
            page += 1

    def page_of(
        self, object_type: ObjectType, number: int, since: str | None, until: str | None = None
    ) -> Page:
        """A page of all objects; customers by the time of their update, the newest first.

        Args:
            object_type: What to list.
            number: Which page, from 1.
            since: For customers: only those updated then or later, by Kustomer's time.
            until: For customers: only those updated then or earlier.
        """
        params = {"page": str(number), "pageSize": str(_PAGE_SIZE)}
        if object_type == "customer":
            params["sort"] = "-updatedAt"
            if since:
                params["filter[updatedAt][gte]"] = since
            if until:
                params["filter[updatedAt][lte]"] = until
        kind = f"list of all {object_type} records"
        body = self._get(kind, _PATHS[object_type], params, of=object_type)
        meta = body.get("meta") or {}
        return Page(
            [_resource(each) for each in body.get("data") or ()],
            bool((body.get("links") or {}).get("next")),
            meta.get("totalPages"),
            meta.get("total"),
        )

    def has_companies(self) -> bool | None:
        """Whether the org has any company; None where the key may not ask."""
        try:
            params = {"page": "1", "pageSize": "1"}
            body = self._get("look for any company", "/companies", params, of="company")
        except AccessError as error:
            if error.status != _FORBIDDEN:
                raise
            return None
        return bool(body.get("data"))

    def submit(
        self,
        verb: str,
        object_type: ObjectType,
        items: Sequence[Attributes],
        *,
        repeatable: bool,
    ) -> SubmittedJob:
        """Queue a bulk job of at most 100 items [API §2.3].

        Args:
            verb: ``create``, ``update``, or for customers ``delete``, which takes their ids alone.
            object_type: What the items are.
            items: The items.
            repeatable: Whether it may be sent again when it may have been taken.
        """
        deletes = verb == "delete"
        answer = self._client.send(
            Request(
                kind=f"bulk {verb} of {object_type} records",
                method=_METHODS[verb],
                path=f"{_PATHS[object_type]}/bulk",
                params={"ids": ",".join(item["id"] for item in items)} if deletes else None,
                json=None if deletes else items,
                repeatable=repeatable,
                object_type=object_type,
            )
        )
        data = answer.body["data"]
        created_at = (data.get("attributes") or {}).get("createdAt")
        return SubmittedJob(data["id"], created_at, answer.after_lost)

    def batches(self, job_id: str) -> list[Mapping[str, Any]]:
        """The batches of a bulk job, all pages; empty while Kustomer does not know them [API §2.5].

        Raises:
            NotFoundError: Kustomer does not know the job (yet).
        """
        path = f"/bulk/{quote(job_id, safe='')}/batches"
        batches: list[Mapping[str, Any]] = []
        page = 1
        while True:
            body = self._get("poll of a bulk job", path, {"page": str(page)})
            batches += body.get("data") or ()
            pages = (body.get("meta") or {}).get("pages") or 1
            if page >= pages and not (body.get("links") or {}).get("next"):
                return batches
            page += 1

    def job_completed(self, job_id: str) -> bool:
        """Whether the whole job is done, by its own word [API §2.4]."""
        body = self._get("poll of a bulk job", f"/bulk/{quote(job_id, safe='')}")
        return bool(body["data"]["attributes"].get("completed"))

    def update(self, object_type: ObjectType, kustomer_id: str, attributes: Attributes) -> Resource:
        """Update one object, merging what is sent into it [API §2.1, §2.2]."""
        answer: Answer = self._client.send(
            Request(
                kind=f"update of a {object_type}",
                method="PATCH" if object_type == "customer" else "PUT",
                path=f"{_PATHS[object_type]}/{quote(kustomer_id, safe='')}",
                json=attributes,
                object_id=kustomer_id,
                object_type=object_type,
            )
        )
        return _resource(answer.body["data"])

    def _read(self, kind: str, path: str, object_type: ObjectType) -> Resource | None:
        try:
            resource = _resource(self._get(kind, path, of=object_type)["data"])
        except NotFoundError:
            return None
        return resource if resource.live else None

    def _get(
        self,
        kind: str,
        path: str,
        params: dict[str, str] | None = None,
        of: ObjectType | None = None,
    ) -> Any:
        return self._client.send(Request(kind, "GET", path, params, object_type=of)).body


def not_kustomer() -> ConfigurationError:
    """The error where something answers, but not as Kustomer's API does."""
    return ConfigurationError(
        "what answers at the address of api_url or org is not Kustomer's API",
        mend="set org, or api_url to the API's address (what comes before /v1)",
    )


def _custom_attribute(definition: Mapping[str, JSON]) -> CustomAttribute:
    choices: JSON = definition.get("enumeration")
    free = not isinstance(choices, list) or any(definition.get(each) for each in _FREE)
    if free or not all(type(each) in {str, int, float} for each in choices):
        choices = ()
    return CustomAttribute(tuple(choices), definition)


def _resource(data: Mapping[str, Any]) -> Resource:
    attributes = data.get("attributes") or {}
    relation = ((data.get("relationships") or {}).get("company") or {}).get("data") or {}
    if relation.get("id"):
        attributes = {**attributes, "company": relation["id"]}
    return Resource(data["id"], attributes)
