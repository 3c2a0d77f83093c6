"""The org's definitions of custom attributes: what is there, and what a stream adds."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from target_kustomer.delivery.errand import run_errand
from target_kustomer.exceptions import (
    AccessError,
    ConfigurationError,
    LostAnswerError,
    NotFoundError,
    RefusedError,
)
from target_kustomer.kustomer.endpoints import MAX_DEFINITIONS
from target_kustomer.kustomer.roles import METADATA_READ, METADATA_UPDATE, missing_roles

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from target_kustomer.kustomer.endpoints import Kustomer
    from target_kustomer.mapping.plan import Plan
    from target_kustomer.models import CustomAttributes, ObjectType

logger = logging.getLogger(__name__)

_TRIES = 5
"""So often is defined what is not there when it is read again: an answer was lost, or another
writer, who had read before, has written after."""

_FORBIDDEN = 403


class Definitions:
    """Reads the definitions of each object once, and again around each write.

    Args:
        kustomer: The API.
        interrupted: Whether the run is ending; a question to the API is left then.
    """

    def __init__(self, kustomer: Kustomer, interrupted: Callable[[], bool]) -> None:
        self._kustomer = kustomer
        self._interrupted = interrupted
        self._known: dict[ObjectType, CustomAttributes | None] = {}

    def of(self, object_type: ObjectType) -> CustomAttributes | None:
        """What the org has defined for the object, or None where Kustomer does not tell."""
        if object_type not in self._known:
            told = None in self._known.values()
            if self._read(object_type) is None and not told:
                logger.warning(
                    "Kustomer does not tell the org's custom attributes (the api_key needs %s): "
                    "whether they are defined and which values they take is not checked",
                    METADATA_READ,
                )
        return self._known[object_type]

    def define(
        self, stream: str, object_type: ObjectType, plan: Plan, roles: Collection[str] | None
    ) -> None:
        """Define what the plan says is undefined, keeping all that is there.

        Where the key may not, that is said, and the attributes are sent undefined.

        Args:
            stream: Whose plan it is.
            object_type: What it holds.
            plan: The plan.
            roles: The key's roles, None where Kustomer does not tell.

        Raises:
            ConfigurationError: They are more than Kustomer takes, or it refuses them.
        """
        wanted = {each.name: each.display_name for each in plan.undefined}
        if not wanted:
            return
        if roles is not None and missing_roles(roles, [METADATA_UPDATE]):
            _warn_of_role(stream, wanted)
            return
        for _ in range(_TRIES):
            there = self._read(object_type)
            if there is None or not (missing := _missing(wanted, there)):
                return
            try:
                self._write(stream, object_type, there, missing)
            except AccessError as error:
                if error.status != _FORBIDDEN:
                    raise
                _warn_of_role(stream, missing)
                return
        logger.warning(
            "stream %s: Kustomer does not show the definitions that it was sent; these are sent "
            "all the same: %s",
            stream,
            ", ".join(wanted),
        )

    def _read(self, object_type: ObjectType) -> CustomAttributes | None:
        self._known[object_type] = run_errand(
            lambda: self._kustomer.custom_attributes(object_type), self._interrupted
        )
        return self._known[object_type]

    def _write(
        self,
        stream: str,
        object_type: ObjectType,
        there: CustomAttributes,
        missing: Mapping[str, str],
    ) -> None:
        names = ", ".join(missing)
        mend = (
            f"define them in Kustomer, map or drop them with streams.{stream}.fields, or set "
            "undefined_attributes: warn"
        )
        if len(there) + len(missing) > MAX_DEFINITIONS:
            msg = (
                f"stream {stream}: the org has {len(there)} custom attributes for a {object_type}, "
                f"with {names} they would be more than the {MAX_DEFINITIONS} that can be defined "
                f"here: {mend}"
            )
            raise ConfigurationError(msg)
        try:
            run_errand(
                lambda: self._kustomer.define(object_type, there, missing), self._interrupted
            )
        except LostAnswerError:
            logger.warning("stream %s: the answer to a definition was lost", stream)
        except (RefusedError, NotFoundError) as error:
            msg = f"stream {stream}: Kustomer refuses to define {names} ({error.status}): {mend}"
            raise ConfigurationError(msg) from error
        else:
            named = ", ".join(f"{name} ({display})" for name, display in missing.items())
            logger.info("stream %s: custom attributes defined: %s", stream, named)


def _missing(wanted: Mapping[str, str], there: Iterable[str]) -> dict[str, str]:
    """What is not there; names that differ only in case are one custom attribute."""
    known = {name.casefold() for name in there}
    return {name: display for name, display in wanted.items() if name.casefold() not in known}


def _warn_of_role(stream: str, names: Iterable[str]) -> None:
    logger.warning(
        "stream %s: the api_key lacks %s, so that these custom attributes are sent undefined: %s",
        stream,
        METADATA_UPDATE,
        ", ".join(names),
    )
