"""The page in a real browser: what it draws, and that it asks nobody for anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import running_browser
from tests.support import COMPANIES, CUSTOMERS, customers, record, schema, state, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

    from tests.support import Runner

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("browser")]

HOSTILE = "</script><script>document.title='taken'</script><img src=https://example.com/x>&{{data}}"
"""A stream's name that would end the page's data, or load a picture."""

BAD = [record("customers", id=f"bad{number}", name="Ann", age="old") for number in range(3)]

MESSAGES = [
    schema("companies", COMPANIES),
    *(record("companies", id=f"f{number}", name=f"Firm {number}") for number in range(7)),
    schema("customers", CUSTOMERS),
    *customers(120),
    *BAD,
    schema(HOSTILE, CUSTOMERS),
    *({**each, "stream": HOSTILE} for each in customers(2, first=500)),
    state(1),
]

SETTINGS: dict[str, Any] = {
    "streams": {HOSTILE: {"object": "customer", "external_id_prefix": "h-"}},
}

INK = """
const [canvas] = document.querySelectorAll(`#${arguments[0]} canvas`);
const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
const colors = new Set();
for (let at = 0; at < data.length; at += 4) {
  if (data[at + 3] > 200) colors.add(data.slice(at, at + 3).join());
}
return [...colors];
"""
"""The opaque colours of a plot."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with running_browser() as running:
        yield running


@pytest.fixture
def opened(browser: Chrome, run: Runner, tmp_path: Path) -> Chrome:
    """A browser that shows the report of a run; what it logged before is gone."""
    path = tmp_path / "report.html"
    assert run(MESSAGES, report_path=str(path), **SETTINGS).exit_code == 3
    for kind in ("browser", "performance"):
        _log(browser, kind)
    browser.get(path.as_uri())
    return browser


def _rows(browser: Chrome, title: str) -> list[list[str]]:
    """The cells of the table under a title."""
    script = """
    const all = [...document.querySelectorAll("section")];
    const [section] = all.filter((each) => each.querySelector("h2").textContent === arguments[0]);
    return [...section.querySelectorAll("tbody tr")].map(
      (row) => [...row.cells].map((cell) => cell.textContent));
    """
    rows: list[list[str]] = browser.execute_script(script, title)
    return rows


def _legend(browser: Chrome, plot: str) -> dict[str, str]:
    """What the legend of a plot tells while no pointer is over it: the values at the end."""
    script = """
    return [...document.querySelectorAll(`#${arguments[0]} .u-series`)].map(
      (row) => [row.querySelector(".u-label").textContent,
        row.querySelector(".u-value").textContent]);
    """
    return {name.rstrip(":"): value for name, value in browser.execute_script(script, plot)}


def _color(browser: Chrome, name: str) -> str:
    """A colour of the page, as its plots have it."""
    script = """
    const made = document.createElement("i");
    made.style.color = `var(--${arguments[0]})`;
    document.body.append(made);
    const color = getComputedStyle(made).color;
    made.remove();
    return color.match(/\\d+/g).slice(0, 3).join();
    """
    color: str = browser.execute_script(script, name)
    return color


def test_the_plots_are_drawn_and_tell_the_totals(opened: Chrome) -> None:
    drawn = opened.execute_script(INK, "records-plot")
    assert {_color(opened, each) for each in ("created", "rejected")} <= set(drawn)
    assert _color(opened, "updated") not in drawn
    assert {_color(opened, each) for each in ("requests", "share", "limit")} <= set(
        opened.execute_script(INK, "requests-plot")
    )
    legend = _legend(opened, "records-plot")
    assert legend["created"] == "129"
    assert legend["rejected"] == "3"
    legend = _legend(opened, "requests-plot")
    assert legend["limit of the org"] == "100,000"
    assert legend["share of this run (80 %)"] == "80,000"
    assert int(legend["requests in the last minute"]) == sum(
        int(row[3]) for row in _rows(opened, "Requests by kind")
    )


def test_the_tables_tell_what_happened(opened: Chrome) -> None:
    assert _rows(opened, "Streams") == [
        ["companies", "company", "7", "7", "0", "0", "0", "0"],
        ["customers", "customer", "123", "120", "0", "0", "0", "3"],
        [HOSTILE, "customer", "2", "2", "0", "0", "0", "0"],
    ]
    assert _rows(opened, "Rejects by reason") == [["invalid_format", "", "3"]]
    assert _rows(opened, "Where they were") == [
        ["customers", "invalid_format", "ageNum", "age", "3"]
    ]


def test_deletes_have_columns_of_their_own(browser: Chrome, run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    settings: dict[str, Any] = {
        "on_delete": "delete",
        "max_deleted_records": 3,
        "max_rejected_records": -1,
        "ledger_url": f"sqlite:///{tmp_path / 'deletes.db'}",
    }

    def table(version: int, *ids: int) -> list[dict[str, Any]]:
        rows = [{**each, "version": version} for at in ids for each in customers(1, first=at)]
        end = {"type": "ACTIVATE_VERSION", "stream": "customers", "version": version}
        return [schema("customers", CUSTOMERS), *rows, end]

    run(table(1, *range(8)), **settings)
    gone = record("customers", id="c0", _sdc_deleted_at="2026-01-01")
    [head, *rest] = table(2, *range(1, 7))
    run([head, gone, *rest, *table(3, 1)], report_path=str(path), **settings)
    _log(browser, "browser")
    browser.get(path.as_uri())
    assert _rows(browser, "Streams") == [
        ["customers", "customer", "8", "0", "1", "7", "0", "0", "1", "1"]
    ]
    assert _rows(browser, "Not deleted") == [["customers", "delete_limit", "5"]]
    assert _log(browser, "browser") == []


def test_it_asks_nobody_and_nothing_fails(opened: Chrome) -> None:
    asked = [
        message["params"]["request"]["url"]
        for message in (
            json.loads(each["message"])["message"] for each in _log(opened, "performance")
        )
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert asked == [opened.current_url]
    assert _log(opened, "browser") == []
    assert opened.title == "target-kustomer: report of a run"


def test_nothing_from_outside_could_be_loaded(opened: Chrome) -> None:
    script = """
    const image = new Image();
    const done = arguments[0];
    document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
    image.src = "https://example.com/x.png";
    """
    assert opened.execute_async_script(script) == "img-src"
    _log(opened, "browser")


def test_it_has_colours_for_dark_rooms_and_for_paper(opened: Chrome) -> None:
    light = _inked(opened, "created")
    _emulate(opened, "dark")
    dark = _inked(opened, "created")
    assert dark != light
    opened.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert _inked(opened, "created") == light
    opened.execute_script("dispatchEvent(new Event('afterprint'))")
    assert _inked(opened, "created") == dark
    _emulate(opened, "")


def _inked(browser: Chrome, name: str) -> str:
    """A colour of the page, once the plot of the records is drawn in it: with the next frame."""
    color = _color(browser, name)
    wait_until(lambda: color in browser.execute_script(INK, "records-plot"))
    return color


def _emulate(browser: Chrome, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def _log(browser: Chrome, kind: str) -> list[dict[str, Any]]:
    """What was logged since it was last asked for."""
    log: list[dict[str, Any]] = browser.get_log(kind)  # type: ignore[no-untyped-call]
    return log
