"""What a stream needs before anything is written for it: roles, prefixes, the org's metadata."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from target_kustomer.definitions import Definitions
from target_kustomer.delivery.errand import run_errand
from target_kustomer.exceptions import AccessError, ConfigurationError
from target_kustomer.kustomer.roles import MEND, missing_roles, needed_roles
from target_kustomer.routing import company_prefixes

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_kustomer.delivery.batches import Stream
    from target_kustomer.kustomer.endpoints import Kustomer
    from target_kustomer.mapping.plan import Plan
    from target_kustomer.models import CustomAttributes, ObjectType
    from target_kustomer.settings import Settings

logger = logging.getLogger(__name__)


class Admission:
    """Checks the key at the start and each stream at its SCHEMA (design 1.3, 1.7).

    Args:
        settings: The settings.
        kustomer: The API.
        interrupted: Whether the run is ending; a question to the API is left then.
    """

    def __init__(
        self, settings: Settings, kustomer: Kustomer, interrupted: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._kustomer = kustomer
        self._interrupted = interrupted
        self._roles: frozenset[str] | None = None
        self.org: str | None = None
        """The id of the org that the key is of, where Kustomer tells."""
        self._definitions = Definitions(kustomer, interrupted)
        self._external_ids: dict[tuple[ObjectType, str], str] = {}
        self._company_prefixes: dict[str, str] = {}

    def open(self) -> None:
        """Ask Kustomer whether it takes the key, and for the key's roles and org.

        Raises:
            AccessError: It refuses the key.
            UnreachableError: It does not answer.
        """
        key = run_errand(self._kustomer.key, self._interrupted)
        self._roles, self.org = key.roles, key.org

    def custom_attributes(self, object_type: ObjectType) -> CustomAttributes | None:
        """The custom attributes that the org knows; asked once per object."""
        return self._definitions.of(object_type)

    def company_prefix(self, stream: str) -> str:
        """What goes before the external id of the company that this stream's customers name."""
        prefixes = self._prefixes(stream)
        return next(iter(prefixes)) if len(prefixes) == 1 else ""

    def admit(self, stream: Stream, plan: Plan) -> None:
        """Say the stream's plan, check what it needs, and define what the org lacks.

        Raises:
            AccessError: The key lacks a role.
            ConfigurationError: Its external ids would mix with those of another stream, or
                Kustomer does not take its definitions.
        """
        for column, attribute in plan.columns:
            logger.info(
                "plan stream=%s column=%s attribute=%s", stream.name, column, attribute or "-"
            )
        for warning in plan.warnings:
            logger.warning("%s", warning)
        if stream.settings.on_delete == "delete" and not stream.settings.deletes:
            logger.warning("mode create deletes nothing (on_delete) stream=%s", stream.name)
        links = {label for _, label in plan.columns if label and label.startswith("company.")}
        self._check_roles(stream, links=bool(links))
        self._check_external_ids(stream, plan.external_id_column)
        if "company.externalId" in links:
            self._check_company_prefix(stream)
        if stream.object_type == "company":
            self._company_prefixes[stream.name] = stream.settings.external_id_prefix
        self._definitions.define(stream.name, stream.object_type, plan, self._roles)

    def _check_roles(self, stream: Stream, *, links: bool) -> None:
        if self._roles is None:
            return
        settings = stream.settings
        needed = needed_roles(
            stream.object_type,
            settings.mode,
            links=links,
            missing_company=settings.missing_company,
            deletes=settings.deletes,
        )
        if missing := missing_roles(self._roles, needed):
            msg = f"stream {stream.name}: the api_key lacks {', '.join(missing)}"
            raise AccessError(msg, mend=MEND)

    def _check_external_ids(self, stream: Stream, column: str | None) -> None:
        if column is None:
            return
        key = (stream.object_type, stream.settings.external_id_prefix)
        other = self._external_ids.setdefault(key, stream.name)
        if other != stream.name:
            msg = (
                f"streams {other} and {stream.name} both take the externalId of a "
                f"{stream.object_type} from a key (here {column}): set "
                f"streams.{stream.name}.external_id_prefix, or map another column to externalId"
            )
            raise ConfigurationError(msg)

    def _check_company_prefix(self, stream: Stream) -> None:
        if len(self._prefixes(stream.name)) > 1:
            msg = (
                f"stream {stream.name}: company streams have different external_id_prefix "
                f"settings: set streams.{stream.name}.company_external_id_prefix"
            )
            raise ConfigurationError(msg)

    def _prefixes(self, stream: str) -> frozenset[str]:
        return company_prefixes(self._settings, stream, self._company_prefixes)
