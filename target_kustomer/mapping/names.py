"""The names of columns and attributes: how they are compared, joined and judged."""

from __future__ import annotations

import difflib
import re
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING

from target_kustomer.mapping.attributes import CUSTOM

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_UNDECOMPOSED = str.maketrans(
    {
        "ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O",
        "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ł": "l", "Ł": "L", "þ": "th", "Þ": "Th",
    }
)  # fmt: skip
"""Latin letters that Unicode does not take apart into letter and accent."""

_NO_LETTER_OR_DIGIT = re.compile(r"[^A-Za-z0-9]+")
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_WORDS = re.compile(r"[\W_]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
"""Between the words of a name, in any script."""
_SALESFORCE_CUSTOM = re.compile(r"__c$", re.IGNORECASE)

_PLURALS = {"ies": "y", "sses": "ss", "xes": "x", "ches": "ch", "shes": "sh"}
_SECRET_PARTS = ("password", "passwd")
_SECRET_WORDS = frozenset(
    word + ending
    for word in ("pwd", "secret", "token", "hash", "salt", "ssn", "cvv", "apikey")
    for ending in ("", "s", "es")
)


def without_accents(name: str) -> str:
    """The name in the letters that Kustomer's own names have."""
    decomposed = unicodedata.normalize("NFKD", name.translate(_UNDECOMPOSED))
    return "".join(each for each in decomposed if not unicodedata.combining(each))


def fold(name: str) -> str:
    """The form in which names are compared: letters and digits only, without case or accents."""
    return _NO_LETTER_OR_DIGIT.sub("", without_accents(name)).lower()


def without_custom_mark(name: str) -> str:
    """A Salesforce column's name without the ``__c`` that marks it as custom."""
    return _SALESFORCE_CUSTOM.sub("", name)


def short_forms(name: str, prefixes: Iterable[str]) -> tuple[str, ...]:
    """The folded shorter forms: without ``__c``, then without one of the prefixes as well."""
    bare = fold(without_custom_mark(name))
    forms = [bare, *(bare.removeprefix(each) for each in prefixes)]
    return tuple(dict.fromkeys(form for form in forms if form and form != fold(name)))


def last_part(stream: str) -> str:
    """A stream's name without its schema: ``public-customers`` is ``customers``."""
    return re.split(r"[-.]", stream)[-1]


def singular(name: str) -> str:
    """The folded name of one of what a stream holds: ``companies`` gives ``company``."""
    folded = fold(name)
    for ending, replacement in _PLURALS.items():
        if folded.endswith(ending):
            return folded.removesuffix(ending) + replacement
    return folded if folded.endswith("ss") else folded.removesuffix("s")


def camel_case(name: str) -> str:
    """The words joined; an all-capitals name is lower-cased, other capitals stay."""
    plain = without_accents(name)
    words = [word for word in _NO_LETTER_OR_DIGIT.split(plain) if word]
    if "".join(words).isupper():
        words = [word.lower() for word in words]
    return "".join([*words[:1], *(word[0].upper() + word[1:] for word in words[1:])])


def display_name(name: str) -> str:
    """The name as a person would write it: ``LOYALTY_TIER`` is ``Loyalty Tier``."""
    words = [word for word in _WORDS.split(name) if word]
    if "".join(words).isupper():
        words = [word.lower() for word in words]
    return " ".join(word[0].upper() + word[1:] for word in words)


def suffix_of(name: str) -> str | None:
    """The suffix in which a custom attribute's name ends [API §5]."""
    return next((each for each in CUSTOM if name.endswith(each) and name != each), None)


def looks_secret(name: str) -> bool:
    """Whether a text column of this name is likely to hold what nobody else may read."""
    words = [word.lower() for word in _WORD.findall(without_accents(name))]
    pairs = {first + second for first, second in pairwise(words)}
    return not _SECRET_WORDS.isdisjoint(pairs.union(words)) or any(
        part in fold(name) for part in _SECRET_PARTS
    )


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that comes closest, if one comes close."""
    alike = difflib.get_close_matches(fold(name), [fold(each) for each in known], n=1)
    return next((each for each in known if alike and fold(each) == alike[0]), None)
