"""A real Chromium without a window, driven by its own driver."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from typing import TYPE_CHECKING

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from tests.postgresql import missing

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""What a Chromium on its own runs with."""


def find_program(name: str) -> str:
    """Where a program of Chromium is."""
    path = shutil.which(name)
    if path is None:
        missing(name, "install it (on Debian: apt-get install chromium chromium-driver)")
    return path


@contextlib.contextmanager
def running_browser() -> Iterator[Chrome]:
    """A Chromium with a new, empty profile, which keeps what its console and network log."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = find_program("chromium")
        for flag in (*FLAGS, "--window-size=1200,900", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        browser = Chrome(options, ChromeService(find_program("chromedriver")))
        try:
            yield browser
        finally:
            browser.quit()
