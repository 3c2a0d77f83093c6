"""The switches: where the facts about Kustomer leave room, which reading the simulator takes."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints


@dataclass(frozen=True, kw_only=True)
class Switches:
    """One reading of everything that is inferred or unknown about Kustomer [API §12, §13].

    Each default is the reading that is hardest on a client that builds on luck.

    Attributes:
        region: Pod that handles the requests; a key bound to another one gets a 401 [API §1].
        wrong_region_status: Status for a key of another region [API §1], unknown.
        error_shape: What an error bears: `jsonapi` status, source, code, title and detail, `plain`
            code, message and meta, `short` status, title and detail [API §8].
        rate_limit: Units an org may spend in a window [API §7].
        rate_window_seconds: Length of that window [API §7].
        rate_limit_reset: Whether a 429 bears `x-ratelimit-reset` (epoch seconds) [API §7].
        rate_limit_reset_milliseconds: Whether it is in milliseconds [API §13], unknown.
        rate_limit_retry_after: Whether a 429 bears `Retry-After` (seconds) [API §7], unknown.
        object_limit: Updates of one object by one user in a window [API §7].
        object_limit_counts_bulk: Whether updates by bulk jobs count to it [API §7], unknown.
        search_limit: Searches in a window [API §6].
        max_body_bytes: Larger request bodies get a 413 [API §13], unknown.
        bulk_error_names_item: Whether the 400 for a bulk body points at the faulty item
            [API §13], unknown.
        duplicate_status: Status when a single write has another record's identifier: 409 or 400
            [API §8], unknown.
        duplicate_text: The text that says so, in bulk results too [API §2.5].
        email_case_sensitive: Whether `A@x.io` and `a@x.io` are two addresses [API §13], unknown.
        phone_exact: Whether phones are compared as text, not by their digits [API §13], unknown.
        phones_must_be_e164: Whether only `+` and 2..15 digits pass as a phone [API §13], unknown.
        normalize_identifiers: Whether e-mails are stored in lower case, and phones as `+` and
            digits [API §13], unknown.
        lookup_matches_shared: Whether look-ups find values of the `shared*` lists [API §13],
            unknown.
        company_external_id_unique: Whether a company's externalId is unique [API §4].
        company_filter: How `filter` of the company list matches a name [API §2.2], unknown.
        company_filter_case_sensitive: Whether it minds the case [API §2.2], unknown.
        unknown_company_refused: Whether a customer's company has to exist [API §12].
        omit_company_unlinks: Whether an update without `company` unlinks it [API §2.1].
        company_in_attributes: Whether answers give a customer's company as `attributes.company`
            instead of `relationships.company` [API §2.1], unknown.
        deleted_companies_listed: Whether the company list shows deleted ones [API §10], unknown.
        deleted_companies_readable: Whether a deleted company is still answered by its id, with
            `deleted: true`, instead of a 404 [API §10], unknown.
        deleted_companies_restorable: Whether `deleted: false` or `null` restores a company
            [API §10], unknown.
        deleted_customers_readable: Whether a deleted customer is still answered, with
            `deleted: true`, instead of a 404 [API §10], unknown.
        deleted_keep_identifiers: Whether what is deleted still holds its identifiers [API §10],
            unknown.
        delete_again: What a bulk delete of a customer that is gone, or never was, comes to
            [API §10], unknown: `error` of the item, a 404 for the whole request (`refused`), or
            `done`.
        deletes_tell_ids: Whether the batches of a bulk delete bear `objectIds` [API §2.5], unknown.
        cleared_as_null: Whether an attribute cleared by null is answered as null, not left out
            [API §3], unknown.
        lists_merged: Whether a list that is sent is added to what is there [API §13], unknown.
        bulk_put_replaces: Whether bulk updates replace the document [API §13], unknown.
        undefined_custom_refused: Whether a custom attribute without metadata is refused
            [API §5], unknown.
        enumeration_enforced: Whether a value outside an `enumeration` is refused [API §5],
            unknown.
        tree_enforced: Whether a value that is no node's id of a `tree` is refused [API §5],
            unknown.
        metadata_put_replaces: Whether a PUT of definitions removes those that it does not hold
            [API §5], unknown.
        metadata_stamps_refused: Whether it may not hold what the server itself adds to a
            definition (`modifiedBy`, `modifiedAt`, `updatedAt`) [API §5], unknown.
        mask_sensitive: Whether custom values marked sensitive come back masked [API §5].
        created_at_needs_admin: Whether `createdAt` needs the role `org.admin` [API §13], unknown.
        imported_at_needs_admin: Whether `importedAt` does [API §13], unknown.
        rev_mismatch_refused: Whether a `rev` that is not the current one gives a 409 [API §8],
            unknown.
        job_seconds: Time from submit to completion of a bulk job; the first half it is queued.
        job_jitter_seconds: Random further time of each job, so that jobs overtake each other.
        job_unknown_seconds: How long after its creation a bulk id gets a 404 [API §12].
        jobs_stuck: Whether every bulk job stays queued for ever [API §12].
        batch_size: Items in one batch of a job [API §2.5].
        batches_page_size: The most batches on one page [API §2.5].
        batches_listed_while_queued: Whether a queued job lists its batches already [API §2.5],
            unknown.
        results_location: Where a batch bears `results`: its `attributes`, the `item`, or nowhere
            (`absent`) [API §2.5].
        results_kept_seconds: How long after its completion a batch bears `results` [API §13],
            unknown.
        results_shuffled: Whether `results` and `objectIds` come in any order [API §2.5].
        sparse_answers: Whether bulk and batches answers leave out all optional fields
            [API §2.4, §2.5].
        search_lag_seconds: Age from which search finds what was written [API §6], unknown.
        latency_seconds: How long each answer is on its way, in the machine's own time.
        seed: Seed of ids, shuffling and jitter.
    """

    region: str = "prod1"
    wrong_region_status: int = 401
    error_shape: Literal["jsonapi", "plain", "short"] = "jsonapi"
    rate_limit: int = 1000
    rate_window_seconds: float = 60.0
    rate_limit_reset: bool = True
    rate_limit_reset_milliseconds: bool = False
    rate_limit_retry_after: bool = False
    object_limit: int = 120
    object_limit_counts_bulk: bool = False
    search_limit: int = 100
    max_body_bytes: int = 1_048_576
    bulk_error_names_item: bool = False
    duplicate_status: int = 409
    duplicate_text: str = "duplicate detected"
    email_case_sensitive: bool = False
    phone_exact: bool = False
    phones_must_be_e164: bool = False
    normalize_identifiers: bool = False
    lookup_matches_shared: bool = False
    company_external_id_unique: bool = True
    company_filter: Literal["exact", "prefix", "substring"] = "substring"
    company_filter_case_sensitive: bool = False
    unknown_company_refused: bool = True
    omit_company_unlinks: bool = True
    company_in_attributes: bool = False
    deleted_companies_listed: bool = False
    deleted_companies_readable: bool = True
    deleted_companies_restorable: bool = True
    deleted_customers_readable: bool = False
    deleted_keep_identifiers: bool = True
    delete_again: Literal["error", "refused", "done"] = "error"
    deletes_tell_ids: bool = True
    cleared_as_null: bool = False
    lists_merged: bool = False
    bulk_put_replaces: bool = False
    undefined_custom_refused: bool = False
    enumeration_enforced: bool = True
    tree_enforced: bool = True
    metadata_put_replaces: bool = False
    metadata_stamps_refused: bool = True
    mask_sensitive: bool = True
    created_at_needs_admin: bool = True
    imported_at_needs_admin: bool = False
    rev_mismatch_refused: bool = False
    job_seconds: float = 0.05
    job_jitter_seconds: float = 0.0
    job_unknown_seconds: float = 0.0
    jobs_stuck: bool = False
    batch_size: int = 100
    batches_page_size: int = 100
    batches_listed_while_queued: bool = True
    results_location: Literal["attributes", "item", "absent"] = "attributes"
    results_kept_seconds: float = 3600.0
    results_shuffled: bool = True
    sparse_answers: bool = False
    search_lag_seconds: float = 5.0
    latency_seconds: float = 0.0
    seed: int = 1

    @classmethod
    def parse(cls, settings: dict[str, Any]) -> Switches:
        """Makes switches from names and values, where a value may be its text.

        Args:
            settings: Values by name of the switch, as JSON values or as their text.

        Raises:
            ValueError: If a name is no switch, or a value has not the type of its default.
        """
        defaults = {field.name: field.default for field in dataclasses.fields(cls)}
        unknown = sorted(set(settings) - set(defaults))
        if unknown:
            message = f"no such switch: {', '.join(unknown)}; there are {', '.join(defaults)}"
            raise ValueError(message)
        hints = get_type_hints(cls)
        values = {}
        for name, value in settings.items():
            values[name] = _typed(name, value, defaults[name])
            choices = get_args(hints[name])
            if choices and values[name] not in choices:
                message = f"switch {name} takes one of {', '.join(choices)}, not {value!r}"
                raise ValueError(message)
        return cls(**values)


def _typed(name: str, value: Any, default: object) -> Any:
    if isinstance(value, str) and not isinstance(default, str):
        value = json.loads(value.lower())
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(default):
        message = f"switch {name} takes a {type(default).__name__}, not {value!r}"
        raise ValueError(message)
    return value
