"""What goes wrong with a value, and what is noted beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_kustomer.models import Reason


class CoercionError(Exception):
    """A value does not fit its attribute; stays within mapping."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(slots=True)
class Notes:
    """What the coercion of one record must know and has to tell.

    Attributes:
        region: The country of phone numbers that name none.
        extensions: How many phone numbers had an extension, which is left off.
    """

    region: str | None = None
    extensions: int = 0
