"""The names of custom attributes: as columns suggest them, and as the org already has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_kustomer.mapping.attributes import CUSTOM
from target_kustomer.mapping.names import camel_case, display_name, suffix_of
from target_kustomer.mapping.schema import ColumnType
from target_kustomer.mapping.targets import Target

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from target_kustomer.mapping.schema import Column
    from target_kustomer.mapping.stream import Stream

_SUFFIXES: Mapping[ColumnType, tuple[str, ...]] = {
    ColumnType.TEXT: ("Str", "Txt"),
    ColumnType.NUMBER: ("Num",),
    ColumnType.BOOL: ("Bool",),
    ColumnType.DATE: ("At",),
    ColumnType.URL: ("Url",),
    ColumnType.NESTED: ("Str", "Txt"),
}
"""The suffixes that fit a column's type, the one to be added first [API §5]."""


_ORG_SUFFIXES = (*CUSTOM, "Tree")
"""Those in which an org's names may end; multi-level lists exist as defined there alone."""


@dataclass(frozen=True, slots=True)
class Undefined:
    """A custom attribute that the org has not defined.

    Attributes:
        column: Whose values it is to hold.
        name: Its name, with its suffix.
        display_name: What agents would call it.
    """

    column: str
    name: str
    display_name: str


class CustomNames:
    """Finds the custom attribute of each column that has no other one.

    Attributes:
        undefined: Those that the org has not defined.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.undefined: list[Undefined] = []

    def infer(self, column: Column, name: str) -> Target:
        """The attribute of this name with the suffix of the column's type.

        Raises:
            ConfigurationError: The org has the name with another suffix.
        """
        ours = with_suffix(name, column.type)
        org = self._stream.org_attributes
        if org is None or _spelled_by_org(ours, org):
            return self.take(column, ours)
        own = _spelled_by_org(camel_case(name), org)
        if own and suffix_of(own) is None:  # a multi-level list
            return Target("custom", own)
        other = _with_other_suffix(ours, org)
        if other is None:
            return self.take(column, ours, None if camel_case(name) == ours else name)
        msg = (
            f"column {column.name} would be {ours}, but the org has {other}; set "
            f"{self._stream.fields_line(column.name, other)}, or {ours} to add it"
        )
        raise self._stream.error(msg)

    def take(self, column: Column, name: str, title: str | None = None) -> Target:
        """The attribute whose name has its suffix already.

        Args:
            column: Whose values it holds.
            name: Its name.
            title: From which its display name is made, if not from its name.

        Raises:
            ConfigurationError: The name is that of a reference, which the org does not have.
        """
        org = self._stream.org_attributes
        known = name if org is None else _spelled_by_org(name, org)
        if known is None and suffix_of(name) == "Id":
            msg = (
                f"column {column.name}: the org has no reference {name}; add it there or set "
                f"{self._stream.fields_line(column.name, name + 'Str')}"
            )
            raise self._stream.error(msg)
        if known is None:
            title = display_name(title or _bare(name))
            self.undefined.append(Undefined(column.name, name, title))
        return Target("custom", known or name)


def with_suffix(name: str, column_type: ColumnType) -> str:
    """The words of a name joined, with a suffix that fits the type."""
    joined = camel_case(name)
    fitting = _SUFFIXES[column_type]
    return joined if suffix_of(joined) in fitting else joined + fitting[0]


def _spelled_by_org(name: str, org_attributes: Collection[str]) -> str | None:
    if name in org_attributes:
        return name
    return _first(each for each in org_attributes if each.casefold() == name.casefold())


def _with_other_suffix(name: str, org_attributes: Collection[str]) -> str | None:
    return _first(each for each in org_attributes if _base(each) and _base(each) == _base(name))


def _base(name: str) -> str:
    bare = _bare(name)
    return bare.casefold() if bare != name else ""


def _bare(name: str) -> str:
    return next((name.removesuffix(each) for each in _ORG_SUFFIXES if _ends_in(name, each)), name)


def _ends_in(name: str, suffix: str) -> bool:
    return name.endswith(suffix) and name != suffix


def _first(names: Iterable[str]) -> str | None:
    return min(names, default=None)
