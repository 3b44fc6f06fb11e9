"""Pages in a real browser: Debian's Chromium, driven by Playwright, with axe to judge them.

A page is not to write an error, ask anything of anybody else, open a dialog, or be wider than the window.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import pytest

from tests.cli.command import PROGRAM
from tests.demo.processes import Children
from tests.demo.stage import clean_environment
from tests.reports.browser import require_browser

__all__ = ["SIZES", "Look", "Looking", "looking", "served"]

Look = Literal["light", "dark"]
SIZES: Final[Mapping[str, tuple[int, int]]] = {"desk": (1280, 900), "phone": (390, 844)}
_AXE: Final = "axe-core-4.14.1/node_modules/axe-core/axe.min.js"
_SERIOUS: Final = ("serious", "critical")


class Looking:
    """A window, and what went wrong in it.

    Args:
        page: Playwright's.
        at: The address of the service, without a slash at its end.
    """

    def __init__(self, page: Any, at: str) -> None:
        self.page, self.at = page, at
        self.wrong: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.wrong.append(f"{page.url}: {error}"))
        page.on("dialog", self._dialog)
        page.on("request", self._request)

    def _console(self, said: Any) -> None:
        if said.type in ("error", "warning"):
            self.wrong.append(f"{self.page.url}: {said.text}")

    def _dialog(self, shown: Any) -> None:
        self.wrong.append(f"{self.page.url}: a dialog says {shown.message}")
        shown.dismiss()

    def _request(self, asked: Any) -> None:
        if not asked.url.startswith((f"{self.at}/", "data:")):
            self.wrong.append(f"{self.page.url} asks {asked.url}")

    def open(self, address: str) -> None:
        """Go to a page of the service, which has to be there, if not at once."""
        answer = self.page.goto(f"{self.at}{address}", wait_until="load")
        assert answer.status in (200, 202), (address[:200], answer.status)
        self.wait()

    def wait(self) -> None:
        """Until the page is there that says more than how far it is."""
        self.page.wait_for_function(_IS_THERE, timeout=90_000)

    def links(self, within: str) -> list[str]:
        """The addresses of the service that are led to, without it, in their order."""
        found = self.page.eval_on_selector_all(
            f"{within} a[href]", "all => all.map(one => one.href)"
        )
        own = (one.partition("#")[0] for one in found if one.startswith(f"{self.at}/"))
        return list(dict.fromkeys(one.removeprefix(self.at) for one in own))

    def table(self, label: str) -> list[dict[str, str]]:
        """The rows of the table in a region that is called so, by the heads of its columns, as they are read."""
        region = self.page.get_by_role("region", name=label, exact=True)
        found: list[dict[str, str]] = region.locator("table").first.evaluate(_TABLE)
        return found

    def too_wide(self) -> list[str]:
        """What stands beyond the window's edge, where the page itself can be moved sideways."""
        found: list[str] = self.page.evaluate(_TOO_WIDE)
        return found

    def violations(self) -> list[str]:
        """What axe takes for serious."""
        if not self.page.evaluate("() => Boolean(window.axe)"):
            self.page.evaluate(axe().read_text("utf-8"))
        found = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
            for one in found["violations"]
            if one["impact"] in _SERIOUS
        ]


_IS_THERE: Final = """() => document.readyState === 'complete' && document.title
  && !document.title.startsWith('Working')"""
_TABLE: Final = """one => {
  const text = cell => cell.innerText.trim();
  const heads = [...one.querySelectorAll('thead th')].map(text);
  return [...one.querySelectorAll('tbody tr')].map(
    row => Object.fromEntries([...row.cells].map((cell, place) => [heads[place], text(cell)])));
}"""
_TOO_WIDE: Final = """() => {
  if (document.documentElement.scrollWidth <= innerWidth) return [];
  const wide = [...document.querySelectorAll('body *')].filter(
    one => one.getBoundingClientRect().right > innerWidth + 1 && getComputedStyle(one).position !== 'fixed');
  return [`${document.documentElement.scrollWidth} in ${innerWidth}`,
          ...wide.slice(0, 5).map(one => one.outerHTML.slice(0, 160))];
}"""


def axe() -> Path:
    """The script that judges; a test without it is skipped, and fails where it is promised."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = cache / "otel-genai-cost" / _AXE
    if not found.exists():
        reason = "axe is not there: run tests/services.sh"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextmanager
def chromium() -> Generator[Any]:
    """A browser without a window."""
    require_browser()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def looking(
    browser: Any, at: str, size: str = "desk", look: Look = "light", *, runs_scripts: bool = True
) -> Generator[Looking]:
    """A window of a size, for whom likes it light or dark; what goes wrong in it fails at its end."""
    width, height = SIZES[size]
    viewport = {"width": width, "height": height}
    context = browser.new_context(
        viewport=viewport, color_scheme=look, locale="en-GB", java_script_enabled=runs_scripts
    )
    try:
        window = Looking(context.new_page(), at)
        window.page.set_default_timeout(30_000)
        yield window
        assert not window.wrong, window.wrong
    finally:
        context.close()


class Served(NamedTuple):
    """Pages that are served, of a ledger."""

    at: str
    home: Path


def served(family: Children, folder: Path, home: Path) -> Served:
    """`genai-cost serve`, by the link that it prints."""
    command = [PROGRAM, "serve", "--ledger", str(home), "--port", "0"]
    log = folder / f"serve-{home.name}.log"
    child = family.start("serve", command, log, {**clean_environment(), "HOME": str(folder)})
    return Served(child.find(r"^(http://\S+?)/$"), home)
