"""The rules by which columns find their attributes: for each column, the first that fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_kustomer.mapping.attributes import ATTRIBUTES
from target_kustomer.mapping.custom import CustomNames
from target_kustomer.mapping.names import (
    camel_case,
    fold,
    last_part,
    looks_secret,
    nearest,
    short_forms,
    singular,
    suffix_of,
    without_custom_mark,
)
from target_kustomer.mapping.schema import Column, ColumnType, column_at, names_within
from target_kustomer.mapping.targets import (
    FLAT,
    STANDARD,
    Target,
    fits,
    named_target,
    target_names,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_kustomer.exceptions import ConfigurationError
    from target_kustomer.mapping.custom import Undefined
    from target_kustomer.mapping.stream import Stream

_PLACES = {"address", "cityName", "zipCode"}
"""Only beside one of these is a state or a country part of an address."""

_HALVES = {"first", "last"}
_COUNTRIES = ("countryCode", "country")
_SECRET_TYPES = {ColumnType.TEXT, ColumnType.URL}
_NO_EXTERNAL_ID = {ColumnType.NESTED, ColumnType.BOOL}


class Rules:
    """Applies the rules one after the other; what one has placed the next leaves alone."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._columns = dict(stream.columns)
        self._folds = {fold(name) for name in stream.columns}
        self._prefixes = (stream.object_type, singular(last_part(stream.name)))
        self.targets: dict[str, Target | None] = {}
        self.warnings: list[str] = []
        self.external_id_column: str | None = None
        self.undefined: tuple[Undefined, ...] = ()
        self._custom_names = CustomNames(stream)
        self.countries: list[Column] = []
        self._apply_fields()
        self._leave_out_secrets()
        self._apply_standard_names()
        self._apply_flat_names()
        self._apply_key()
        self._apply_rest()
        self._settle_undefined()

    def placed(self) -> list[tuple[Column, Target | None]]:
        """Every column with its target, or None where it is not sent."""
        return [(column, self.targets[name]) for name, column in self._columns.items()]

    def _left(self) -> list[Column]:
        return [each for name, each in self._columns.items() if name not in self.targets]

    def _apply_fields(self) -> None:
        for name, attribute in self._stream.settings.fields.items():
            column = column_at(self._stream.columns, name)
            if column is None:
                raise self._no_such_column(name)
            self._columns[name] = column
            self.targets[name] = None if attribute is None else self._named(column, attribute)
        for column in self._columns.values():
            # An object that a path leads into is spoken for.
            if len(column.path) > 1:
                self.targets.setdefault(column.path[0], None)

    def _no_such_column(self, name: str) -> ConfigurationError:
        near = nearest(name, names_within(self._stream.columns))
        hint = f"; did you mean {near}?" if near else ""
        return self._stream.error(f"fields names the column {name}, which the SCHEMA lacks{hint}")

    def _named(self, column: Column, attribute: str) -> Target:
        target = named_target(self._stream.object_type, attribute)
        if target is not None:
            return target
        if "." in attribute or attribute == "custom" or not camel_case(attribute):
            near = nearest(attribute, target_names(self._stream.object_type))
            hint = f"; did you mean {near}?" if near else ""
            msg = f"fields maps {column.name} to {attribute}, which is no attribute{hint}"
            raise self._stream.error(msg)
        if suffix_of(attribute):
            return self._custom_names.take(column, camel_case(attribute))
        return self._custom_names.infer(column, attribute)

    def _leave_out_secrets(self) -> None:
        secrets = []
        for column in self._left():
            if column.name.lower().startswith("_sdc_"):
                self.targets[column.name] = None
            elif column.type in _SECRET_TYPES and looks_secret(column.name):
                self.targets[column.name] = None
                secrets.append(column.name)
        self._warn("left out, being secrets by their names (fields sends them)", secrets)

    def _apply_standard_names(self) -> None:
        table = ATTRIBUTES[self._stream.object_type]
        standard = {
            name: target
            for name, target in STANDARD[self._stream.object_type].items()
            if table[target.attribute].by_name
        }
        self.targets |= self._by_name(standard)

    def _apply_flat_names(self) -> None:
        found = self._by_name(FLAT[self._stream.object_type])
        self._note_countries(found)
        if not any(
            each.attribute == "locations" and each.part in _PLACES for each in found.values()
        ):
            found = {name: each for name, each in found.items() if each.attribute != "locations"}
        halves_or_whole = self._parts_of_name(found)
        self.targets |= {
            name: each
            for name, each in found.items()
            if each.attribute != "name" or each.part in halves_or_whole
        }

    def _by_name(self, table: Mapping[str, Target]) -> dict[str, Target]:
        found = {}
        for column in self._left():
            targets = (table[form] for form in self._forms(column.name) if form in table)
            fitting = (each for each in targets if fits(self._stream.object_type, each, column))
            if target := next(fitting, None):
                found[column.name] = target
        return found

    def _forms(self, name: str) -> list[str]:
        """The folded name, and those of its shorter forms that no other column bears."""
        shorter = short_forms(name, self._prefixes)
        return [fold(name), *(each for each in shorter if each not in self._folds)]

    def _parts_of_name(self, found: Mapping[str, Target]) -> set[str | None]:
        """Which of full, first and last name may still become the name."""
        placed = {each.part for each in self.targets.values() if each and each.attribute == "name"}
        offered = {each.part for each in found.values() if each.attribute == "name"}
        if None in placed:
            return set()
        if not placed and None in offered:
            return {None}
        return {*_HALVES} if placed | offered >= _HALVES else set()

    def _note_countries(self, found: Mapping[str, Target]) -> None:
        """Remember where a record's country is: phone numbers need it even without an address."""
        by_target = {
            target: name
            for name, target in {**found, **self.targets}.items()
            if target and target.attribute == "locations"
        }
        names = (by_target.get(Target("locations", part)) for part in _COUNTRIES)
        self.countries = [self._columns[name] for name in names if name]

    def _apply_key(self) -> None:
        keys = self._stream.key_properties
        taken = [
            self._columns[name]
            for name, each in self.targets.items()
            if each and each.attribute == "externalId"
        ]
        if taken:
            self._warn_of_unused_key(taken[0], [each for each in keys if each not in self.targets])
        elif len(keys) > 1:
            self._warn("a composite key gives no externalId", keys)
        else:
            column = self._columns.get(keys[0]) if keys else self._column_like_a_key()
            if column and column.name not in self.targets and column.type not in _NO_EXTERNAL_ID:
                self.targets[column.name] = Target("externalId")
                self.external_id_column = column.name

    def _warn_of_unused_key(self, column: Column, keys: Sequence[str]) -> None:
        if column.nullable:
            text = f"externalId comes from {column.name}, which may be null, and not from the key"
            self._warn(text, keys)

    def _column_like_a_key(self) -> Column | None:
        left = {fold(each.name): each for each in reversed(self._left())}
        names = ("id", *(f"{prefix}id" for prefix in self._prefixes))
        return next((left[name] for name in names if name in left), None)

    def _apply_rest(self) -> None:
        left = self._left()
        unmapped = self._stream.settings.unmapped
        if unmapped == "error" and left:
            names = ", ".join(each.name for each in left)
            line = self._stream.fields_line(left[0].name, None)
            msg = f"no attribute for {names}; map or drop each, as in {line}"
            raise self._stream.error(msg)
        self.targets |= dict.fromkeys(each.name for each in left)
        if unmapped == "custom":
            self._apply_custom(left)

    def _apply_custom(self, left: Sequence[Column]) -> None:
        nested = [each.name for each in left if each.type is ColumnType.NESTED]
        nameless = [each.name for each in left if not camel_case(each.name)]
        self._warn("left out, being nested (fields takes them or a path into them)", nested)
        self._warn("left out, having no letter or digit (fields gives them a name)", nameless)
        for column in left:
            if column.name not in {*nested, *nameless}:
                name = self._bare_name(column.name)
                self.targets[column.name] = self._custom_names.infer(column, name)

    def _bare_name(self, name: str) -> str:
        bare = without_custom_mark(name)
        return name if fold(bare) in self._folds - {fold(name)} else bare

    def _settle_undefined(self) -> None:
        undefined = self._custom_names.undefined
        wish = self._stream.settings.undefined_attributes
        if wish == "reject" and undefined:
            names = ", ".join(f"{each.name} (column {each.column})" for each in undefined)
            line = self._stream.fields_line(undefined[0].column, None)
            msg = (
                f"the org has not defined the custom attributes {names}: define them in Kustomer, "
                f"map or drop each, as in {line}, or set unmapped: ignore or "
                "undefined_attributes: create"
            )
            raise self._stream.error(msg)
        if wish == "create":
            self.undefined = tuple(undefined)
        else:
            names_only = [each.name for each in undefined]
            self._warn("custom attributes that the org does not know yet", names_only)

    def _warn(self, text: str, names: Sequence[str]) -> None:
        if names:
            self.warnings.append(f"stream {self._stream.name}: {text}: {', '.join(names)}")
