"""Meltano runs tap-postgres and the target with the meltano.yml of this repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from target_kustomer.simulator import Simulator
    from tests.servers.projects import Project

pytestmark = pytest.mark.servers

STATE_ID = "dev:tap-postgres-to-target-kustomer"
CUSTOMERS_ONLY = {"TAP_POSTGRES__SELECT": '["public-customer.*"]'}


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
    assert project.state(STATE_ID) == {"singer_state": {"bookmarks": {"public-customer": {}}}}


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
    assert len(project.rejects) == 1


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
