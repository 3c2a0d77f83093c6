from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from singer_sdk.testing import get_target_test_class
from singer_sdk.testing.runners import TargetTestRunner

from target_kustomer.simulator import Simulator
from target_kustomer.target import TargetKustomer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Standard = get_target_test_class(TargetKustomer)


class TestStandard(Standard):  # type: ignore[misc, valid-type]
    """The SDK's own tests of a target, against a Kustomer on this machine."""

    # It wants an exception for a record without its key; here that record is rejected, and all
    # others are loaded.
    test_target_record_missing_key_property = None

    @pytest.fixture
    def resource(self) -> Iterator[Simulator]:
        """A fresh org for each test: several of them send the same identifiers."""
        with Simulator() as simulator:
            yield simulator

    @pytest.fixture
    def runner(self, resource: Simulator, tmp_path: Path) -> TargetTestRunner:
        return TargetTestRunner(
            TargetKustomer,
            config={
                "api_key": resource.api_key,
                "api_url": resource.url,
                "rejects_dir": str(tmp_path),
                "streams": {
                    # three streams of one test with the same keys: without, they are refused
                    f"test_strings_in_{kind}": {
                        "object": "customer",
                        "mode": "create",
                        "external_id_prefix": f"{kind}-",
                    }
                    for kind in ("objects", "arrays")
                }
                | {"*": {"object": "customer", "mode": "create"}},
            },
        )
