"""The sinks: a record becomes a prepared record or a rejection, and goes into its batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.sinks import RecordSink
from typing_extensions import override

from target_kustomer.delivery.batches import ANY_COMPANY, Stream, StreamTrial
from target_kustomer.delivery.links import link_keys
from target_kustomer.intake import Taken
from target_kustomer.mapping.keys import known_keys, match_keys
from target_kustomer.mapping.plan import Plan, compile_plan
from target_kustomer.models import (
    MappedRecord,
    ObjectType,
    Outcome,
    PreparedRecord,
    Reason,
    Rejection,
    Skip,
    Verdict,
)
from target_kustomer.rejects import rejected_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from singer_sdk.sinks.core import BaseJSONSchemaValidator

    from target_kustomer.delivery.batches import Claim
    from target_kustomer.models import MatchKey
    from target_kustomer.target import TargetKustomer

_DELETED_AT = "_sdc_deleted_at"


class UncheckedSink(RecordSink):
    """A sink whose records the SDK does not look at: its checks would end the run for a bad one."""

    def __init__(
        self,
        target: TargetKustomer,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._source_keys = key_properties
        self._run = target.run

    @property
    @override
    def key_properties(self) -> Sequence[str]:
        return self._source_keys  # type: ignore[return-value]  # None stays None: the SDK compares

    @property
    @override
    def include_sdc_metadata_properties(self) -> bool:
        """The columns of add_record_metadata are never sent."""
        return False

    @override
    def get_validator(self) -> BaseJSONSchemaValidator | None:
        return None


class KustomerSink(UncheckedSink):
    """Maps a stream's records and hands them to the run's batches."""

    object_type: ClassVar[ObjectType]

    def __init__(
        self,
        target: TargetKustomer,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        settings = self._run.settings.stream(stream_name)
        self._plan = compile_plan(
            self.stream_name,
            self.original_schema,
            self._source_keys or (),
            self.object_type,
            settings,
            company_external_id_prefix=self._run.admission.company_prefix(self.stream_name),
            org_attributes=self._run.admission.custom_attributes(self.object_type),
        )
        self._stream = Stream(
            self.stream_name,
            self.object_type,
            settings,
            self._plan.match_kinds,
            StreamTrial(self.stream_name),
        )
        self._run.begin_stream(self._stream, self._plan)
        self._noted: set[str] = set()

    @property
    def stream(self) -> Stream:
        """The stream, as delivery sees it."""
        return self._stream

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        message = self._run.line.message
        deleted = message["record"].get(_DELETED_AT) is not None
        self._run.intake.take(
            Taken(
                self,
                self._run.read(self.stream_name),
                record,
                None if deleted else self._run.record_digest(self._plan, record),
                deleted=deleted,
                rejected_at=rejected_at(message.get("rejection")),
                origin=None
                if deleted
                else self._run.versions.origin(
                    self._stream, self._plan, record, message.get("version")
                ),
            )
        )

    @override
    def activate_version(self, new_version: object) -> None:
        """A version of the table has been sent whole."""
        if self._stream.settings.deletes:
            self._run.versions.activate(self._stream, self._plan, new_version)

    def prepare(self, taken: Taken) -> PreparedRecord | Outcome:
        """Map the record, or say at once what becomes of it."""
        if taken.deleted and not self._stream.settings.deletes:
            return Outcome(taken.source, Verdict.SKIPPED, why=Skip.DELETED)
        self._note_unknown(taken.record)
        map_record = self._plan.map_keys if taken.deleted else self._plan.map_record
        mapped = map_record(taken.record)
        if isinstance(mapped, Rejection):
            return Outcome(taken.source, Verdict.REJECTED, mapped)
        self._run.omissions.note(self.stream_name, mapped)
        keys = match_keys(mapped, self._plan.match_kinds)
        if not keys and self._stream.settings.mode != "create":
            return Outcome(taken.source, Verdict.REJECTED, _keyless(self._plan))
        return PreparedRecord(taken.source, mapped, keys, taken.digest, taken.deleted, taken.origin)

    def pack(self, taken: Taken, prepared: PreparedRecord | Outcome, known_id: str | None) -> None:
        """Put the record into the stream's batch."""
        packer = self._run.packer
        if isinstance(prepared, Outcome):
            rejected = prepared.verdict is Verdict.REJECTED and not taken.deleted
            keys = self._rejected_keys(taken.record) if rejected else ()
            packer.add_decided(self._stream, prepared, keys)
        else:
            writes, reads = self._claims(prepared.mapped)
            if prepared.is_delete and self.object_type == "company":
                writes.append(ANY_COMPANY)
            packer.add(self._stream, prepared, writes, reads, known_id)

    def _claims(self, mapped: MappedRecord) -> tuple[list[Claim], list[Claim]]:
        """The key values that the record may write, all that it bears, and those that it reads."""
        borne = known_keys(self.object_type, mapped.id or "", mapped.attributes)
        return [(self.object_type, key) for key in borne], []

    def _rejected_keys(self, record: Mapping[str, Any]) -> Sequence[MatchKey]:  # noqa: ARG002
        """The keys by which others may name this record, although it was rejected."""
        return ()

    def _note_unknown(self, record: Mapping[str, Any]) -> None:
        for column in self._plan.unknown_columns(record):
            if column not in self._noted:
                self._noted.add(column)
                self.logger.warning("column is not in the SCHEMA and is not sent column=%s", column)


class CustomerSink(KustomerSink):
    """Customers: they wait for the companies that they name."""

    object_type = "customer"

    @override
    def _claims(self, mapped: MappedRecord) -> tuple[list[Claim], list[Claim]]:
        writes, _ = super()._claims(mapped)
        if mapped.link is None:
            return writes, []
        company: list[Claim] = [("company", key) for key in link_keys(mapped.link)]
        creates = self._stream.settings.missing_company == "create"
        if creates and not self._run.links.known(mapped.link):
            return writes + company, [ANY_COMPANY]
        return writes, [*company, ANY_COMPANY]


class CompanySink(KustomerSink):
    """Companies: customers may name them by anything that they bear."""

    object_type = "company"

    @override
    def _rejected_keys(self, record: Mapping[str, Any]) -> Sequence[MatchKey]:
        return self._plan.keys_of_rejected(record)


class IgnoredSink(UncheckedSink):
    """A stream that the settings ignore, or that stream maps remove."""

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        self._run.ignore(self.stream_name)


def _keyless(plan: Plan) -> Rejection:
    kinds = ", ".join(plan.match_kinds)
    return Rejection(
        Reason.MATCH_KEY_MISSING, detail=f"the record has none of the keys matched on: {kinds}"
    )
