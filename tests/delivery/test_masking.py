from __future__ import annotations

from typing import Any

import pytest

from target_kustomer.delivery.masking import mask_others

ANN = {"name": "Ann Lee", "emails": [{"email": "ann@example.com"}], "custom": {"noteStr": "vip 7"}}
BOB = {"name": "Bob Ray", "emails": [{"email": "bob@example.com"}], "custom": {"noteStr": "vip 8"}}


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ("plain words", "plain words"),
        ("Ann Lee is refused", "Ann Lee is refused"),
        ("Bob Ray is refused", "*** is refused"),
        ("ann@example.com or bob@example.com", "ann@example.com or ***"),
        ("vip 8 and vip 7", "*** and vip 7"),
        ("BOB@example.com", "***"),
        ("", ""),
    ],
)
def test_values_of_others_are_masked(detail: str, expected: str) -> None:
    assert mask_others(detail, ANN, [BOB]) == expected


def test_a_value_that_both_have_stays() -> None:
    both: Any = {"name": "Ann Lee"}
    assert mask_others("Ann Lee is refused", ANN, [both]) == "Ann Lee is refused"


def test_the_longest_value_is_masked_first() -> None:
    others = [{"name": "Bob"}, {"name": "Bob Ray"}]
    assert mask_others("Bob Ray", {}, others) == "***"


def test_numbers_of_others_are_masked() -> None:
    other = {"custom": {"salaryNum": 123456}, "phones": [{"phone": "+12025550101"}]}
    assert mask_others("123456 and +12025550101", {}, [other]) == "*** and ***"
