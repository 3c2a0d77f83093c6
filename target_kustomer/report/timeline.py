"""What happened when, in so few buckets that a run of any length fits."""

from __future__ import annotations

from collections import defaultdict

MAX_BUCKETS = 360

FIRST_BUCKET_SECONDS = 0.25

_MINUTE_SECONDS = 60.0


class Timeline:
    """Amounts by time in equal buckets, which get twice as wide when there are too many.

    Attributes:
        bucket_seconds: How wide a bucket is.
    """

    def __init__(self) -> None:
        self.bucket_seconds = FIRST_BUCKET_SECONDS
        self._series: dict[str, list[float]] = defaultdict(list)

    def add(self, series: str, seconds: float, amount: float = 1) -> None:
        """Add an amount to a series, so many seconds after the start."""
        at = self._bucket(seconds)
        amounts = self._series[series]
        amounts.extend([0] * (at + 1 - len(amounts)))
        amounts[at] += amount

    def spread(self, series: str, since: float, until: float) -> None:
        """Add the seconds between two times, each to its bucket."""
        self._bucket(until)
        while since < until:
            ends = (self._bucket(since) + 1) * self.bucket_seconds
            if ends <= since:  # too close to the end of the bucket to tell
                ends += self.bucket_seconds
            self.add(series, since, min(ends, until) - since)
            since = ends

    def amounts(self, series: str, seconds: float) -> list[float]:
        """The amounts of all buckets up to so many seconds after the start."""
        count = self._bucket(seconds) + 1
        amounts = self._series.get(series, [])
        return [*amounts[:count], *([0] * (count - len(amounts)))]

    def _bucket(self, seconds: float) -> int:
        while seconds >= self.bucket_seconds * MAX_BUCKETS:
            self.bucket_seconds *= 2
            for amounts in self._series.values():
                amounts[:] = [sum(amounts[at : at + 2]) for at in range(0, len(amounts), 2)]
        return max(0, int(seconds / self.bucket_seconds))


def per_minute(amounts: list[float], bucket_seconds: float) -> list[float]:
    """For each bucket what came in the minute up to its end; in wide ones by their average.

    Within the first minute it is what has come so far, as a limit per minute counts it.
    """
    span = _MINUTE_SECONDS / bucket_seconds
    whole, part = int(span), span % 1
    counts = []
    for end in range(1, len(amounts) + 1):
        oldest = end - whole - 1
        partly = part * amounts[oldest] if oldest >= 0 else 0
        counts.append(sum(amounts[max(0, end - whole) : end]) + partly)
    return counts
