"""Drives the pages of `sfm trace` in a headless Chromium; a test module asks for it by `pytest_plugins = ["browser"]`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

FLAGS = (
    "--headless",
    "--no-sandbox",  # Chromium refuses to run as root with it
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,800",
)
KEYS = {
    "ArrowDown": Keys.ARROW_DOWN,
    "ArrowUp": Keys.ARROW_UP,
    "ArrowLeft": Keys.ARROW_LEFT,
    "ArrowRight": Keys.ARROW_RIGHT,
    "Home": Keys.HOME,
    "End": Keys.END,
}


class TracePage:
    """What a reader sees and does on one page; everything read is text as it stands there."""

    def __init__(self, driver: Chrome, path: Path, fragment: str = ""):
        self.driver = driver
        driver.get_log("browser")  # what earlier pages left
        driver.get("about:blank")  # else a new fragment alone would not load the page anew
        driver.get(f"{path.resolve().as_uri()}{fragment}")

    def press(self, *keys: str) -> None:
        """Keys by their names in the browser, such as "ArrowDown"."""
        ActionChains(self.driver, duration=0).send_keys(*(KEYS[key] for key in keys)).perform()

    def click(self, selector: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    @property
    def position(self) -> int:
        """How many statements have run."""
        return int(self._text("#position"))

    @property
    def current(self) -> list[str]:
        """The `data-statement` of every line that is marked as the current one."""
        return self._script("return [...document.querySelectorAll('li[aria-current]')].map(line => line.dataset.statement)")

    @property
    def right(self) -> tuple[int, int]:
        """Right values so far, of how many."""
        return int(self._text("#right")), int(self._text("#judged"))

    def decoded(self) -> dict[str, str]:
        """Variable -> the value the model gives it, "—" while it has none."""
        return self._column("decoded")

    def true(self) -> dict[str, str]:
        return self._column("true")

    def wrong(self) -> set[str]:
        """The variables whose row is marked as wrong."""
        rows = "return [...document.querySelectorAll('tr.wrong')].map(row => row.dataset.variable)"
        return set(self._script(rows))

    def slots(self, part: str = "value") -> list[str]:
        """In every slot `part`: "value" ("" in an empty one), "names", "read" or "written"."""
        cells = "return [...document.querySelectorAll(`[data-slot] .${arguments[0]}`)].map(part => part.textContent.trim())"
        return self._script(cells, part)

    def ticks(self, part: str = "result") -> list[str]:
        """In every tick `part`: "result", "reached" or "targets"."""
        rows = "return [...document.querySelectorAll(`[data-tick] .${arguments[0]}`)].map(part => part.textContent)"
        return self._script(rows, part)

    def wait_for_fragment(self, fragment: str) -> None:
        """The page writes its address a moment after the last key."""
        WebDriverWait(self.driver, 5, poll_frequency=0.02).until(
            lambda driver: driver.execute_script("return location.hash") == fragment
        )

    def complaints(self) -> list[str]:
        """What the page has put on the browser's console, and what it has loaded beside itself."""
        loaded = self._script("return performance.getEntriesByType('resource').map(entry => entry.name)")
        return [entry["message"] for entry in self.driver.get_log("browser")] + loaded

    def _text(self, selector: str) -> str:
        return self._script("return document.querySelector(arguments[0]).textContent", selector)

    def _column(self, name: str) -> dict[str, str]:
        rows = (
            "return Object.fromEntries([...document.querySelectorAll('tr[data-variable]')]"
            ".map(row => [row.dataset.variable, row.querySelector(`td.${arguments[0]}`).textContent]))"
        )
        return self._script(rows, name)

    def _script(self, script: str, *arguments: str):
        return self.driver.execute_script(script, *arguments)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        pytest.skip("no browser: install the Debian packages chromium and chromium-driver")
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, Service(chromedriver))
    yield driver
    driver.quit()


@pytest.fixture
def open_trace_page(driver: Chrome) -> Callable[..., TracePage]:
    """`open_trace_page(path, "#3")` -> TracePage."""
    return lambda path, fragment="": TracePage(driver, path, fragment)
