"""What is wrong with a stream's columns taken together, found before any record is sent."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from target_kustomer.mapping.attributes import MAX_CUSTOM_ATTRIBUTES
from target_kustomer.mapping.keys import DEFAULT_MATCH_ON, KEY_ATTRIBUTES, MATCH_KINDS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from target_kustomer.mapping.schema import Column
    from target_kustomer.mapping.stream import Stream
    from target_kustomer.mapping.targets import Target
    from target_kustomer.models import MatchKind

_NAMES_SHOWN = 10
"""So many columns of too many are named; the log has the whole plan."""


def check_targets(stream: Stream, placed: Sequence[tuple[Column, Target]]) -> None:
    """Refuse what can be sent for no record.

    Raises:
        ConfigurationError: Two columns for one attribute, too many custom attributes, or a
            company without a name.
    """
    _check_conflicts(stream, placed)
    custom = [column.name for column, target in placed if target.attribute == "custom"]
    if len(custom) > MAX_CUSTOM_ATTRIBUTES:
        _refuse_custom(stream, custom)
    needs_name = stream.object_type == "company" and stream.settings.mode != "update"
    if needs_name and not any(target.attribute == "name" for _, target in placed):
        msg = (
            f"none of {_listed(list(stream.columns))} gives a company its name, without which "
            f"none is created; set {stream.fields_line('COLUMN', 'name')} or mode: update"
        )
        raise stream.error(msg)


def match_kinds(stream: Stream, attributes: Collection[str]) -> tuple[MatchKind, ...]:
    """The keys by which the stream's records are found, in order.

    Raises:
        ConfigurationError: ``match_on`` names a key that the object lacks, or there is none in
            a mode that matches.
    """
    wanted = stream.settings.match_on or DEFAULT_MATCH_ON[stream.object_type]
    allowed = MATCH_KINDS[stream.object_type]
    if wrong := [each for each in wanted if each not in allowed]:
        msg = f"match_on names {wrong[0]}; a {stream.object_type} has {', '.join(allowed)}"
        raise stream.error(msg)
    carried = [kind for kind in allowed if any(each in attributes for each in KEY_ATTRIBUTES[kind])]
    kinds = [each for each in wanted if each in carried]
    if "id" in carried and "id" not in kinds:
        kinds.insert(0, "id")
    if not kinds and stream.settings.mode != "create":
        msg = (
            f"none of {_listed(list(stream.columns))} gives {' or '.join(wanted)} to match on; "
            f"set {stream.fields_line('COLUMN', 'externalId')}, match_on, or mode: create"
        )
        raise stream.error(msg)
    return tuple(kinds)


def _check_conflicts(stream: Stream, placed: Sequence[tuple[Column, Target]]) -> None:
    columns: dict[tuple[str, str | None], list[str]] = defaultdict(list)
    labels: dict[tuple[str, str | None], str] = {}
    for column, target in placed:
        # Names that differ only in case are one custom attribute.
        part = target.part.casefold() if target.part else target.part
        slot = (target.attribute, part)
        columns[slot].append(column.name)
        labels[slot] = target.label
    if ("name", None) in columns:
        for half in ("first", "last"):
            columns["name", None] += columns.get(("name", half), [])
    for slot, names in columns.items():
        if len(names) > 1:
            line = stream.fields_line(names[-1], None)
            msg = (
                f"columns {' and '.join(names)} go to the same attribute, {labels[slot]}; map or "
                f"drop all but one, as in {line}"
            )
            raise stream.error(msg)


def _refuse_custom(stream: Stream, custom: Sequence[str]) -> None:
    beyond = custom[MAX_CUSTOM_ATTRIBUTES:]
    msg = (
        f"{len(custom)} columns would be custom attributes, Kustomer takes "
        f"{MAX_CUSTOM_ATTRIBUTES}; beyond these are {_listed(beyond)}; drop some, as in "
        f"{stream.fields_line(beyond[0], None)}, or set unmapped: ignore"
    )
    raise stream.error(msg)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    rest = len(names) - _NAMES_SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown
