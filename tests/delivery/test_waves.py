from __future__ import annotations

import pytest

from target_kustomer.delivery.waves import split_into_waves
from target_kustomer.models import MappedRecord, MatchKey, MatchKind, PreparedRecord, SourceRecord

KINDS: tuple[MatchKind, ...] = ("externalId", "email")


def prepare(ordinal: int, *keys: str) -> PreparedRecord:
    """A record with keys such as `1` (externalId) and `a@` (email)."""
    made = [MatchKey("email" if "@" in key else "externalId", key) for key in keys]
    made.sort(key=lambda key: KINDS.index(key.kind))
    source = SourceRecord("customers", ordinal, ordinal, b"", b"")
    return PreparedRecord(source, MappedRecord({"name": str(ordinal)}), tuple(made))


def waves_of(*records: tuple[str, ...]) -> list[list[list[int]]]:
    prepared = [prepare(ordinal, *keys) for ordinal, keys in enumerate(records)]
    return [
        [[record.source.ordinal for record in identity.records] for identity in wave]
        for wave in split_into_waves(prepared)
    ]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], []),
        ([("1",), ("2",)], [[[0], [1]]]),
        ([("1",), ("2",), ("1",)], [[[0, 2], [1]]]),
        ([("1", "a@"), ("1", "b@")], [[[0, 1]]]),
        ([("1", "a@"), ("a@",)], [[[0, 1]]]),
        ([("a@",), ("1", "a@")], [[[0]], [[1]]]),
        ([("1", "a@"), ("2", "a@")], [[[0]], [[1]]]),
        ([("1", "a@"), ("2", "a@"), ("1",)], [[[0, 2]], [[1]]]),
        ([("a@",), ("b@",), ("a@", "b@")], [[[0], [1]], [[2]]]),
        ([(), ()], [[[0], [1]]]),
        ([("1",), ("2",), ("1", "a@"), ("2", "a@")], [[[0, 2], [1]], [[3]]]),
    ],
    ids=str,
)
def test_records_are_grouped_into_identities_and_waves(
    records: list[tuple[str, ...]], expected: list[list[list[int]]]
) -> None:
    assert waves_of(*records) == expected


@pytest.mark.parametrize(
    "records",
    [
        [("1", "a@"), ("2", "a@"), ("a@",), ("1",), ("2",)],
        [("a@",), ("b@",), ("a@", "b@"), ("a@",), ("b@",), ("1", "a@")],
        [("1", "a@"), ("2", "b@"), ("3", "a@", "b@"), ("1",), ("3",)],
        [("1", "a@"), ("2", "a@"), ("1", "b@"), ("2", "b@"), ("1", "c@")],
    ],
    ids=str,
)
def test_records_that_share_a_key_value_go_in_order(records: list[tuple[str, ...]]) -> None:
    """Never in one wave unless they are one identity; and an earlier one never in a later."""
    waves = waves_of(*records)
    place = {
        ordinal: (number, position)
        for number, wave in enumerate(waves)
        for position, identity in enumerate(wave)
        for ordinal in identity
    }
    assert sorted(place) == list(range(len(records)))
    for later, keys in enumerate(records):
        for earlier in range(later):
            if set(keys) & set(records[earlier]):
                same_identity = place[earlier] == place[later]
                assert same_identity or place[earlier][0] < place[later][0], (earlier, later)
