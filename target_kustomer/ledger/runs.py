"""The runs of an org, as they show themselves to each other: a board on the ledger's database."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import exc

from target_kustomer.ledger.tables import about, connect, from_url, runs, unusable
from target_kustomer.models import Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_kustomer.clock import Clock

_PATIENCE_SECONDS = 300.0
"""A database that is busy for so long is broken."""


class Runs:
    """The board of one org; safe for other processes on the same database.

    It has a connection of its own, which waits for nobody.

    Args:
        url: SQLAlchemy's URL of a ledger that is open already.
        org: The org's id.
        clock: Time.
    """

    def __init__(self, url: str, org: str, clock: Clock) -> None:
        self.run = secrets.token_hex(16)
        self._engine = from_url(url, lambda parsed: connect(parsed, busy_seconds=0))
        self._org = org
        self._clock = clock
        self._busy_since: float | None = None

    def exchange(self, post: Callable[[Sequence[Notice]], tuple[Notice, list[str]]]) -> bool:
        """Read all notices, and write what comes of them, while no other run does the same.

        Args:
            post: Takes the notices; gives this run's own, and the runs whose notices may go.

        Returns:
            Whether it could be done at once; otherwise nothing was written.

        Raises:
            ConfigurationError: It could not be done for minutes.
        """
        try:
            with self._engine.begin() as connection:
                self._exchange(connection, post)
        except exc.SQLAlchemyError as error:
            now = self._clock.monotonic()
            self._busy_since = now if self._busy_since is None else self._busy_since
            if now - self._busy_since > _PATIENCE_SECONDS:
                raise unusable(error) from None
            return False
        self._busy_since = None
        return True

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _exchange(
        self,
        connection: sa.Connection,
        post: Callable[[Sequence[Notice]], tuple[Notice, list[str]]],
    ) -> None:
        connection.execute(sa.select(about.c.id).with_for_update(nowait=True))
        rows = connection.execute(sa.select(runs).where(runs.c.org == self._org))
        notice, over = post(
            [
                Notice(row.run, row.beat, row.claim, row.wants, tuple(row.used), row.seen_at)
                for row in rows
            ]
        )
        connection.execute(
            sa.delete(runs).where(runs.c.org == self._org, runs.c.run.in_([*over, self.run]))
        )
        connection.execute(
            sa.insert(runs).values(
                org=self._org,
                run=notice.run,
                beat=notice.beat,
                claim=notice.claim,
                wants=notice.wants,
                used=list(notice.used),
                seen_at=notice.seen_at,
            )
        )
