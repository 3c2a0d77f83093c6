"""How runs at once use one share of the org's limit, and nothing beyond it: pure.

Each run has a claim: in no window does it have more requests than that. A run raises its claim only
as far as all claims together stay within the share, and lowers it only to what it has used: so the
bound holds at any moment, in any window, whatever the runs do and whenever they come and go. They
show each other their claims by notices on a board, one run after the other, and each keeps time by
its own clock.

The runs aim at equal parts, but for those that want less.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from target_kustomer.kustomer.pace import WINDOW_SECONDS, Allowance
from target_kustomer.models import Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from target_kustomer.kustomer.pace import Pace

PERIOD_SECONDS = 1.5
"""From one look at the others to the next."""

GONE_SECONDS = 10.0
"""A run not seen for so long is gone; and one that could not look for so long sends nothing."""

_RETRY_SECONDS = 0.2
"""The board could not be read: when to try again."""

_AHEAD_SECONDS = 2.5
"""A run claims what it may send until then: a look may be late."""

_AGE_SECONDS = 5.0
"""A step of the ages in a notice."""

_CLOCKS_APART_SECONDS = 60.0
"""How far the clocks of two machines may be apart."""

_KEPT_BACK = 0.01
"""Part of the share that nobody claims: a run that joins has sent what told it its org before."""

_LEAST_KEPT_BACK = 2
"""The same in requests, at least."""

_HEADROOM = 0.02
"""Part of the share that a run which is not held back wants beyond what it uses."""


class Board(Protocol):
    """Where the runs of one org show themselves to each other."""

    @property
    def run(self) -> str:
        """The id of this run."""

    def exchange(self, post: Callable[[Sequence[Notice]], tuple[Notice, list[str]]]) -> bool:
        """Read all notices, and write what comes of them, while no other run does the same.

        Never waits for another one.

        Args:
            post: Takes the notices; gives this run's own, and the runs whose notices may go.

        Returns:
            Whether it could be done now.
        """


class Companions:
    """What one run knows of the others, and what it may send beside them.

    The caller tells the time with each call, in seconds that never go back.

    Args:
        run: The id of this run.
        pace: Its pace; it allows nothing before the first look.
    """

    def __init__(self, run: str, pace: Pace) -> None:
        self._run = run
        self._pace = pace
        self._others: dict[str, tuple[int, float]] = {}
        self._beat = 0
        self._looking = False
        self._looked_at = self._due_at = self._until = self._proposed_until = -math.inf
        self._claim = self._proposed = 0
        self._part = 1.0
        self._wants = 0
        self._held = 0
        self._allow()

    def begin(self, now: float) -> bool:
        """Whether it is time for a look at the others; it has begun then."""
        if self._looking or now < self._due_at or self._pace.total is None:
            return False
        self._looking = True
        return True

    def post(self, now: float, time: float, notices: Sequence[Notice]) -> tuple[Notice, list[str]]:
        """What comes of a look.

        Args:
            now: The time.
            time: The same in UTC seconds since 1970.
            notices: What the runs show.

        Returns:
            The notice of this run, and the runs whose notices say nothing more.
        """
        total = _divisible(self._pace.total or 1.0)
        others = [each for each in notices if each.run != self._run]
        silent = {each.run: self._silence(each, now, time) for each in others}
        self._others = {each.run: (each.beat, silent[each.run]) for each in others}
        self._looked_at = now
        used = self._pace.used(now)
        self._wants = min(total, self._could_use(now, total, used))
        present = [each.wants for each in others if each.wants and silent[each.run] < GONE_SECONDS]
        self._part = fair_part(total, self._wants, present)
        self._held = sum(held(each, silent[each.run]) for each in others)
        free = total - self._held
        self._propose(now, max(used, min(used + self._needs(now), free)))
        over = [each.run for each in others if is_over(each, silent[each.run])]
        return self._notice(now, time, self._proposed, self._wants), over

    def leave(self, now: float, time: float) -> Notice:
        """The last notice of this run, which sends nothing more."""
        self._propose(now, 0)
        return self._notice(now, time, 0, 0)

    def end(self, now: float, *, done: bool) -> None:
        """The look is over.

        Where the others could not be looked at, what this run may do stays as it is: nobody else
        could look either.
        """
        self._looking = False
        self._due_at = now + (PERIOD_SECONDS if done else _RETRY_SECONDS)
        if done:
            self._claim, self._until = self._proposed, self._proposed_until
        elif now <= self._until:
            self._until = now + GONE_SECONDS
        self._allow()

    def _could_use(self, now: float, total: int, used: int) -> int:
        """The requests of a window that it could use: more and more while it is held back."""
        held_back, self._pace.held_back = self._pace.held_back and now <= self._until, False
        if not self._beat:
            return total
        return 2 * self._wants if held_back else math.ceil(used + total * _HEADROOM)

    def _needs(self, now: float) -> int:
        """What it may have to send until after the next look, beyond what stops to count."""
        sends = self._part / WINDOW_SECONDS * _AHEAD_SECONDS
        ages = self._pace.answered_ago(now)
        return max(0, math.ceil(sends - sum(age > WINDOW_SECONDS - PERIOD_SECONDS for age in ages)))

    def _propose(self, now: float, claim: int) -> None:
        """A claim is raised when the others can see it, and lowered before they do."""
        self._proposed, self._proposed_until = claim, now + GONE_SECONDS
        self._claim = min(self._claim, claim)
        self._allow()

    def _allow(self) -> None:
        self._pace.allow(Allowance(self._claim, self._part, self._until, self._held))

    def _notice(self, now: float, time: float, claim: int, wants: int) -> Notice:
        self._beat += 1
        used = [0] * int(WINDOW_SECONDS / _AGE_SECONDS)
        for age in self._pace.answered_ago(now):
            used[min(int(max(age, 0.0) / _AGE_SECONDS), len(used) - 1)] += 1
        return Notice(self._run, self._beat, claim, wants, tuple(used), time)

    def _silence(self, notice: Notice, now: float, time: float) -> float:
        """For how long nothing new has come from a run.

        While nobody could look at the board, nobody was silent. A run that was never seen before
        may have stopped long ago: only there another machine's clock counts.
        """
        beat, silent = self._others.get(notice.run, (None, 0.0))
        if beat is None:
            return max(0.0, time - notice.seen_at - _CLOCKS_APART_SECONDS)
        if beat != notice.beat:
            return 0.0
        return silent + min(now - self._looked_at, 2 * PERIOD_SECONDS)


def held(notice: Notice, silent: float) -> int:
    """Requests of a run that may count in a window that ends now, or soon: at most so many.

    Args:
        notice: What it showed last.
        silent: For how many seconds nothing new has come from it.
    """
    known = sum(
        count
        for step, count in enumerate(notice.used)
        if silent < WINDOW_SECONDS - step * _AGE_SECONDS
    )
    if silent < GONE_SECONDS:
        return max(notice.claim, known)
    if silent >= GONE_SECONDS + WINDOW_SECONDS:
        return 0
    # What it sent after its notice: its claim, less what still counted when it had to stop.
    young = int((WINDOW_SECONDS - GONE_SECONDS) / _AGE_SECONDS)
    return known + max(0, notice.claim - sum(notice.used[:young]))


def is_over(notice: Notice, silent: float) -> bool:
    """Whether a run is gone, and nothing of it counts any more."""
    return (silent >= GONE_SECONDS or not notice.wants) and not held(notice, silent)


def fair_part(total: float, wanted: float, others: Iterable[float]) -> float:
    """The part of one among several: equal ones, but for those who want less.

    What nobody wants is divided alike.

    Args:
        total: What there is.
        wanted: What the one wants, more than 0.
        others: What each of the others wants.
    """
    left, wants = total, sorted([wanted, *others])
    for place, each in enumerate(wants):
        level = left / (len(wants) - place)
        if each >= level:
            return min(wanted, level)
        left -= each
    return wanted + left / len(wants)


def _divisible(share: float) -> int:
    """What the runs divide among themselves, of so many requests a window."""
    return max(1, math.floor(share - max(_LEAST_KEPT_BACK, share * _KEPT_BACK)))
