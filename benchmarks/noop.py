"""The SDK's own target, as it comes, with a sink that does nothing: `noop.py < STREAM`."""

from __future__ import annotations

from singer_sdk import BatchSink, Target
from typing_extensions import override


class NoopSink(BatchSink):
    """Takes batches and forgets them."""

    @override
    def process_batch(self, context: dict[str, object]) -> None:
        """Do nothing."""


class NoopTarget(Target):
    """A target with the SDK's defaults."""

    name = "target-noop"
    default_sink_class = NoopSink


if __name__ == "__main__":
    NoopTarget.cli()
