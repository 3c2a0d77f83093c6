from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from target_kustomer.simulator import Simulator
    from tests.postgresql import PostgreSQL

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("servers")]

ROOT = Path(__file__).parents[2]
RUN_DEADLINE_SECONDS = 300
STATE_ID = "dev:tap-postgres-to-target-kustomer"
CUSTOMERS_ONLY = {"TAP_POSTGRES__SELECT": '["public-customer.*"]'}


@dataclasses.dataclass(frozen=True)
class Project:
    """A Meltano project with the meltano.yml of this repository and both plugins installed."""

    meltano: Path
    folder: Path

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        known = {key: value for key, value in os.environ.items() if not key.startswith("MELTANO_")}
        return subprocess.run(
            [self.meltano, *arguments],
            cwd=self.folder,
            env={**known, **environment, "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            encoding="utf-8",
            timeout=RUN_DEADLINE_SECONDS,
        )

    def state(self) -> dict[str, Any]:
        """The state that Meltano keeps for the next run."""
        state: dict[str, Any] = json.loads(self.run("state", "get", STATE_ID).stdout)
        return state

    def configure(self, settings: str) -> None:
        """Put settings of the target into meltano.yml, as a user would."""
        path = self.folder / "meltano.yml"
        text = path.read_text(encoding="utf-8")
        assert text.count("\njobs:") == 1
        text = text.replace("\njobs:", f"    config:\n{settings}\njobs:")
        path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="session")
def installed(
    meltano: Path,
    postgresql: PostgreSQL,  # noqa: ARG001 - where it is missing, nothing need be installed
    tmp_path_factory: pytest.TempPathFactory,
) -> Project:
    folder = tmp_path_factory.mktemp("meltano")
    text = (ROOT / "meltano.yml").read_text(encoding="utf-8")
    assert text.count("pip_url: -e .\n") == 1
    text = text.replace("pip_url: -e .\n", f"pip_url: -e {ROOT}\n")
    (folder / "meltano.yml").write_text(text, encoding="utf-8")
    project = Project(meltano, folder)
    # By pip, as all else here: uv reads neither pip's configuration nor the system's certificates.
    done = project.run("install", MELTANO_VENV_BACKEND="virtualenv")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture
def project(installed: Project, tmp_path: Path) -> Project:
    """A project of the test's own, without state, that shares what is installed."""
    (tmp_path / "meltano.yml").write_bytes((installed.folder / "meltano.yml").read_bytes())
    (tmp_path / ".meltano").mkdir()
    for kind in ("extractors", "loaders"):
        (tmp_path / ".meltano" / kind).symlink_to(installed.folder / ".meltano" / kind)
    return Project(installed.meltano, tmp_path)


@pytest.fixture
def access(postgresql: PostgreSQL, simulator: Simulator) -> dict[str, str]:
    """Where to read and where to load, as environment variables."""
    return {
        "TAP_POSTGRES_HOST": postgresql.host,
        "TAP_POSTGRES_PORT": str(postgresql.port),
        "TAP_POSTGRES_USER": postgresql.user,
        "TAP_POSTGRES_PASSWORD": postgresql.password,
        "TARGET_KUSTOMER_API_URL": simulator.url,
        "TARGET_KUSTOMER_API_KEY": simulator.api_key,
    }


def test_meltano_loads_the_sample_customers(
    project: Project, access: dict[str, str], simulator: Simulator, chinook: str
) -> None:
    environment = {
        **access,
        **CUSTOMERS_ONLY,
        "TAP_POSTGRES_DATABASE": chinook,
        "TARGET_KUSTOMER_MISSING_COMPANY": "create",
        "TARGET_KUSTOMER_INVALID_VALUES": "omit",
    }

    done = project.run("run", "tap-postgres", "target-kustomer", **environment)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "summary stream=public-customer read=59 created=59 updated=0" in done.stderr
    assert len(simulator.org.customers) == 59
    assert len(simulator.org.companies) == 10
    assert project.state() == {"singer_state": {"bookmarks": {"public-customer": {}}}}


def test_meltano_fails_where_records_are_rejected(
    project: Project, access: dict[str, str], simulator: Simulator, chinook: str
) -> None:
    environment = {
        **access,
        **CUSTOMERS_ONLY,
        "TAP_POSTGRES_DATABASE": chinook,
        "TARGET_KUSTOMER_MISSING_COMPANY": "create",
    }

    done = project.run("run", "tap-postgres", "target-kustomer", **environment)

    assert done.returncode == 1
    assert len(simulator.org.customers) == 58
    assert len(list((project.folder / "kustomer-rejects").glob("rejects-*.singer"))) == 1


def test_meltano_hands_over_settings_of_every_kind(
    project: Project, access: dict[str, str], simulator: Simulator, chinook: str
) -> None:
    project.configure(
        """
      streams: '{"public-customer": {"fields": {"support_rep_id": null, "fax": null}}}'
      missing_company: ignore
      rate_limit_share: 0.5
      max_parallel_requests: 2
      request_timeout_seconds: 7.5
"""
    )
    environment = {
        **access,
        **CUSTOMERS_ONLY,
        "TAP_POSTGRES_DATABASE": chinook,
        "TARGET_KUSTOMER_MAX_REJECTED_RECORDS": "-1",
        "TARGET_KUSTOMER_JOB_TIMEOUT_SECONDS": "300",
    }

    done = project.run("run", "tap-postgres", "target-kustomer", **environment)

    assert done.returncode == 0, done.stdout + done.stderr
    assert simulator.org.companies == []
    customer = simulator.org.customer(external_id="1")
    assert customer is not None
    assert [each["phone"] for each in customer.attributes["phones"]] == ["+551239235555"]
    assert "custom" not in customer.attributes


def test_the_job_of_meltano_yml_loads_companies_and_customers(
    project: Project, access: dict[str, str], simulator: Simulator, shop: str
) -> None:
    done = project.run("run", "load-kustomer", **access, TAP_POSTGRES_DATABASE=shop)

    assert done.returncode == 0, done.stdout + done.stderr
    company = simulator.org.company(external_id="1")
    customer = simulator.org.customer(email="ada@example.com")
    assert company is not None
    assert customer is not None
    assert customer.company == company.id
