from __future__ import annotations

import pytest

from tests.guarantees.tally import Tally


@pytest.fixture
def tally(pytestconfig: pytest.Config) -> Tally:
    """The table of the session: ``tally.cell("kills", fired=1, audit=found)``."""
    found = pytestconfig.pluginmanager.get_plugin("tally")
    assert isinstance(found, Tally)
    return found
