from __future__ import annotations

import random

from target_kustomer.recent import Recent, _digest, _first_place


def test_what_was_put_last_is_there() -> None:
    recent: Recent[str] = Recent()
    recent.put("old", "customer", "email", "a@example.com")
    recent.put("new", "customer", "email", "a@example.com")
    assert recent.get("customer", "email", "a@example.com") == "new"
    assert recent.get("customer", "externalId", "a@example.com") is None


def test_the_parts_of_a_key_are_not_run_together() -> None:
    recent: Recent[str] = Recent()
    recent.put("one", "a", "bc")
    recent.put("none", None, "x")
    assert recent.get("ab", "c") is None
    assert recent.get("None", "x") is None


def test_what_is_popped_is_gone() -> None:
    recent: Recent[int] = Recent()
    recent.put(1, "a")
    assert recent.pop("a") == 1
    assert recent.pop("a") is None
    assert recent.get("a") is None


def test_a_value_is_kept_once_and_its_place_is_the_latest() -> None:
    recent: Recent[int] = Recent()
    for number in range(100_000):
        recent.put(number, str(number))
        recent.put(-1, "again")
    assert recent.pop("again") == -1
    assert recent.get("again") is None


def test_older_values_make_room_and_the_latest_are_kept() -> None:
    recent: Recent[int] = Recent()
    for number in range(100_000):
        recent.put(number, str(number))
    kept = [number for number in range(100_000) if recent.get(str(number)) is not None]
    assert 12_000 < len(kept) <= 16_384
    assert set(range(99_000, 100_000)) <= set(kept)
    assert all(recent.get(str(number)) == number for number in kept)


def test_a_lone_surrogate_is_a_key_too() -> None:
    recent: Recent[int] = Recent()
    recent.put(1, "\ud800")
    assert recent.get("\ud800") == 1


def test_it_is_a_list_of_the_latest_eight_for_each_bucket() -> None:
    recent: Recent[int] = Recent()
    lists: dict[int, list[tuple[str, int]]] = {}
    chance = random.Random(1)
    for number in range(60_000):
        key = str(chance.randrange(40_000))
        bucket = lists.setdefault(_first_place(_digest((key,))), [])
        value = next((value for known, value in bucket if known == key), None)
        if number % 3 == 0:
            assert recent.get(key) == value
        else:
            bucket[:] = [each for each in bucket if each[0] != key]
            if number % 7 == 0:
                assert recent.pop(key) == value
            else:
                recent.put(number, key)
                bucket[:] = [(key, number), *bucket[:7]]
    assert sum(map(len, lists.values())) > 10_000
