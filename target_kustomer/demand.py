"""Whether to read an org's list or to ask for each record, by what either costs: pure."""

from __future__ import annotations

from dataclasses import dataclass

_REMEMBERED_RECORDS = 1000
"""By so many records it is guessed how many of the next ones have to be looked up."""


@dataclass(slots=True)
class Demand:
    """What single look-ups have cost, and how many more may be wanted.

    Attributes:
        looked: Objects that were asked for one by one since the last reading.
    """

    looked: int = 0
    _records: float = 0.0
    _look_ups: float = 0.0

    def note(self, records: int, look_ups: int) -> None:
        """So many records more came, and of all that came so many more had to be looked up."""
        if self._records > _REMEMBERED_RECORDS:
            self._records /= 2
            self._look_ups /= 2
        self._records += records
        self._look_ups += look_ups

    def is_worth(self, read: int, left: int | None, look_ups: int, waiting: int) -> bool:
        """Whether to read another page, such that all costs at most twice the better choice.

        Where it is known how much is left, that is read when it costs no more than the look-ups of
        the past and twice those that are sure to come. Where it is not, what was read may come to
        nothing: it never costs more than all look-ups.

        Args:
            read: Pages of this reading that were read.
            left: Pages that are left, None where that is not known.
            look_ups: What would be asked for now, one by one.
            waiting: Records that wait, of which as many will be looked up as of those before.
        """
        share = min(self._look_ups / self._records, 1.0) if self._records else 0.0
        wanted = look_ups + share * waiting
        if left is not None:
            return left <= self.looked + 2 * wanted
        return read < self.looked + wanted
