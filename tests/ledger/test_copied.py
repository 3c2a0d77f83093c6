"""A copied ledger says what one that is written would say, and leaves its database alone."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from target_kustomer.ledger.copied import CopiedLedger
from target_kustomer.ledger.digests import Digest
from target_kustomer.ledger.ledger import Confirmation, Ledger
from target_kustomer.models import MatchKey
from tests.support import Clock

if TYPE_CHECKING:
    from collections.abc import Iterable

IDS = ["k1", "k2", "k3"]
KEYS = [MatchKey("externalId", "1"), MatchKey("externalId", "2"), MatchKey("email", "a@x.io")]
RECORDS = ["r1", "r2", "r3"]

DIGESTS = st.dictionaries(st.sampled_from(["name", "tags"]), st.sampled_from("ab").map(Digest))
CONFIRMS = st.builds(
    Confirmation,
    st.just("customer"),
    st.sampled_from(IDS),
    st.lists(st.sampled_from(KEYS), max_size=1),
    st.lists(st.sampled_from(KEYS), unique=True),
    DIGESTS,
    st.sampled_from([*RECORDS, None]),
)
STEPS = st.one_of(
    st.tuples(st.just("confirm"), CONFIRMS.map(lambda each: [each])),
    st.tuples(st.just("doubt"), st.dictionaries(st.sampled_from(IDS), DIGESTS, min_size=1)),
    st.tuples(st.just("forget"), st.sampled_from(IDS)),
)


def _take(ledger: Ledger, steps: Iterable[tuple[str, Any]]) -> None:
    for step, value in steps:
        getattr(ledger, step)(value)


def _says(ledger: Ledger) -> tuple[Any, ...]:
    return (
        ledger.unchanged(RECORDS),
        ledger.ids("customer", [[key] for key in KEYS]),
        ledger.held(IDS),
    )


def _open(kind: type[Ledger], path: Path) -> Ledger:
    url = f"sqlite:///{path}"
    return kind(url, "org", resync_after_days=1, write_seconds=1, clock=Clock())


@settings(max_examples=settings().max_examples // 3)
@given(st.lists(STEPS, max_size=5), st.lists(STEPS, max_size=6))
def test_it_says_what_a_written_one_would_say(
    before: list[tuple[str, Any]], planned: list[tuple[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, copy = Path(folder) / "ledger.db", Path(folder) / "copy.db"
        first = _open(Ledger, path)
        _take(first, before)
        first.close()
        shutil.copy(path, copy)
        content = path.read_bytes()
        plan, written = _open(CopiedLedger, path), _open(Ledger, copy)
        # One run's writes stay in doubt for another: both must be the same one.
        plan._run = written._run
        for step in planned:
            assert _says(plan) == _says(written)
            _take(plan, [step])
            _take(written, [step])
        assert _says(plan) == _says(written)
        plan.close()
        written.close()
        assert path.read_bytes() == content
        assert sorted(each.name for each in Path(folder).iterdir()) == ["copy.db", "ledger.db"]
