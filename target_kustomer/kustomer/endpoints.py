"""The calls of the Kustomer API that this target makes, in the API's words [API §1, §2]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from target_kustomer.exceptions import AccessError, NotFoundError, RefusedError
from target_kustomer.kustomer.client import Answer, Request, Sender

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_kustomer.models import Attributes, MatchKind, ObjectType

_PATHS: dict[ObjectType, str] = {"customer": "/customers", "company": "/companies"}

_PAGE_SIZE = 100
"""Items on a page of most lists, at most [API §9]."""

_FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Resource:
    """A customer or company as Kustomer holds it, a customer's company among the attributes."""

    id: str
    attributes: Attributes

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
    """

    roles: frozenset[str] | None
    org: str | None


class Kustomer:
    """The API of one org."""

    def __init__(self, client: Sender) -> None:
        self._client = client

    def key(self) -> Key:
        """What the key is; any key may ask [API §1]."""
        data = self._get("check of the key", "/auth/tokens/current")["data"]
        roles = data["attributes"].get("roles")
        org = ((data.get("relationships") or {}).get("org") or {}).get("data") or {}
        return Key(None if roles is None else frozenset(roles), org.get("id"))

    def custom_attributes(self, object_type: ObjectType) -> frozenset[str] | None:
        """The custom attributes that the org has defined, or None where the key may not ask."""
        kind = f"reading of the {object_type} metadata"
        try:
            data = self._get(kind, f"/metadata/{object_type}")["data"]
        except AccessError as error:
            if error.status != _FORBIDDEN:
                raise
            return None
        except (NotFoundError, RefusedError):
            return None
        return frozenset(data["attributes"].get("properties") or ())

    def read(self, object_type: ObjectType, kustomer_id: str) -> Resource | None:
        """The object with this id, or None when Kustomer says that there is none."""
        path = f"{_PATHS[object_type]}/{quote(kustomer_id, safe='')}"
        return self._read(f"reading of a {object_type}", path)

    def customer_by(self, kind: MatchKind, value: str) -> Resource | None:
        """The customer with this externalId, email or phone, as Kustomer's look-up has it."""
        path = f"/customers/{kind}={quote(value, safe='')}"
        return self._read(f"look-up of a customer by {kind}", path)

    def companies_by(self, kind: MatchKind, value: str) -> Iterator[Resource]:
        """The companies that Kustomer lists for an externalId or a name, to the last page.

        The list may hold others too: compare the exact value [API §2.2].
        """
        parameter = "externalId" if kind == "externalId" else "filter"
        request = f"look-up of a company by {kind}"
        page = 1
        while True:
            params = {parameter: value, "page": str(page), "pageSize": str(_PAGE_SIZE)}
            body = self._get(request, "/companies", params)
            yield from map(_resource, body.get("data") or ())
            if not (body.get("links") or {}).get("next"):
                return
            page += 1

    def page_of(self, object_type: ObjectType, number: int, since: str | None) -> Page:
        """A page of all objects; customers by the time of their update, the newest first.

        Args:
            object_type: What to list.
            number: Which page, from 1.
            since: For customers: only those updated then or later, by Kustomer's time.
        """
        params = {"page": str(number), "pageSize": str(_PAGE_SIZE)}
        if object_type == "customer":
            params["sort"] = "-updatedAt"
            if since:
                params["filter[updatedAt][gte]"] = since
        body = self._get(f"list of all {object_type} records", _PATHS[object_type], params)
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
            body = self._get("look for any company", "/companies", {"page": "1", "pageSize": "1"})
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
        """Queue a bulk job, ``create`` or ``update``, of at most 100 items [API §2.3]."""
        answer = self._client.send(
            Request(
                kind=f"bulk {verb} of {object_type} records",
                method="POST" if verb == "create" else "PUT",
                path=f"{_PATHS[object_type]}/bulk",
                json=items,
                repeatable=repeatable,
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
            )
        )
        return _resource(answer.body["data"])

    def _read(self, kind: str, path: str) -> Resource | None:
        try:
            resource = _resource(self._get(kind, path)["data"])
        except NotFoundError:
            return None
        return resource if resource.live else None

    def _get(self, kind: str, path: str, params: dict[str, str] | None = None) -> Any:
        return self._client.send(Request(kind, "GET", path, params)).body


def _resource(data: Mapping[str, Any]) -> Resource:
    attributes = data.get("attributes") or {}
    relation = ((data.get("relationships") or {}).get("company") or {}).get("data") or {}
    if relation.get("id"):
        attributes = {**attributes, "company": relation["id"]}
    return Resource(data["id"], attributes)
