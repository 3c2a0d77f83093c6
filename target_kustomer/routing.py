"""Which object a stream holds: pure (design 1.3)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from target_kustomer.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_kustomer.settings import Routing, Settings

_BY_NAME: dict[str, Routing] = {
    "customer": "customer",
    "customers": "customer",
    "company": "company",
    "companies": "company",
}


def route(settings: Settings, stream: str) -> Routing:
    """What the stream holds: by its settings, else by the last part of its name.

    Raises:
        ConfigurationError: Neither tells.
    """
    routing = settings.stream(stream).object or _by_name(stream)
    if routing is None:
        msg = (
            f"stream {stream}: its name does not tell whether it holds customers or companies: "
            f"set streams.{stream}.object to customer, company or ignore"
        )
        raise ConfigurationError(msg)
    return routing


def company_prefixes(settings: Settings, stream: str, seen: Mapping[str, str]) -> frozenset[str]:
    """What may go before the external ids of the companies that a customer stream names.

    Its own ``company_external_id_prefix``, else the company streams' ``external_id_prefix``: one,
    unless these differ.

    Args:
        settings: The settings.
        stream: The customer stream.
        seen: The prefixes of the company streams that have come, by name.
    """
    own = settings.stream(stream).company_external_id_prefix
    if own is not None:
        return frozenset({own})
    configured = {
        entry.external_id_prefix
        for name, entry in settings.streams.items()
        if (entry.object or _by_name(name)) == "company"
    }
    return frozenset(configured | set(seen.values()))


def _by_name(stream: str) -> Routing | None:
    return _BY_NAME.get(re.split(r"[-.]", stream)[-1].lower())
