"""Chromium without a window, by its DevTools protocol: what a person would see of a page, and a picture of it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from websockets.sync.client import ClientConnection, connect

from tests.demo.processes import ChildError, Children, wait_until
from tests.demo.stage import clean_environment

__all__ = ["Page", "page"]

_FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--remote-debugging-port=0", "--window-size=1500,900", "--force-device-scale-factor=1"),
)
_SHOWS_WITHIN_S: Final = 60
_INNERMOST: Final = """
((pattern, act) => {
  const shown = [...document.querySelectorAll('body *')].filter(one => pattern.test(one.innerText || ''));
  const inner = shown.filter(one => !shown.some(other => other !== one && one.contains(other)));
  if (!inner.length) return false;
  act(inner[0]);
  return true;
})
"""


class Page:
    """A page in a browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._calls = 0

    def open(self, url: str) -> None:
        """Go there."""
        self._call("Page.navigate", url=url)

    def text(self) -> str:
        """What is written on the page, as it is seen."""
        return str(self._value("document.body ? document.body.innerText : ''"))

    def until(self, pattern: str) -> str:
        """Wait until the page's text has a match; gives it."""

        def shown() -> str | None:
            found = re.search(pattern, self.text(), re.DOTALL)
            return found and found[0]

        try:
            return wait_until(shown, f"{pattern!r} on the page", _SHOWS_WITHIN_S)
        except ChildError as error:
            raise AssertionError(f"{error}; the page: {self.text()[:3000]}") from None

    def click(self, pattern: str) -> None:
        """Click the innermost element whose text matches, once there is one."""
        self._with(pattern, "one => one.click()")

    def scroll(self, pattern: str) -> None:
        """Scroll to the innermost element whose text matches."""
        self._with(pattern, "one => one.scrollIntoView({block: 'center'})")

    def _with(self, pattern: str, act: str) -> None:
        script = f"{_INNERMOST}(new RegExp({json.dumps(pattern)}), {act})"
        wait_until(lambda: self._value(script), f"{pattern!r} on the page", _SHOWS_WITHIN_S)

    def picture(self, file: Path) -> None:
        """Keep what is seen as a PNG."""
        taken = self._call("Page.captureScreenshot", format="png")
        file.write_bytes(base64.b64decode(taken["data"]))

    def _value(self, script: str) -> Any:
        done = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        return done["result"].get("value")

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._calls += 1
        self._connection.send(json.dumps({"id": self._calls, "method": method, "params": params}))
        while True:
            answer: dict[str, Any] = json.loads(self._connection.recv(timeout=_SHOWS_WITHIN_S))
            if answer.get("id") == self._calls:
                assert "error" not in answer, answer
                return dict(answer["result"])


@contextmanager
def page(family: Children, folder: Path) -> Generator[Page]:
    """A page of a browser that keeps nothing beyond `folder`."""
    profile = folder / "chromium"
    command = ["chromium", *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    environment = {**clean_environment(), "HOME": str(folder)}
    browser = family.start("chromium", command, folder / "chromium.log", environment)
    active = profile / "DevToolsActivePort"
    wait_until(active.exists, "chromium to listen", _SHOWS_WITHIN_S, (browser,))
    port = active.read_text("utf-8").split("\n")[0]
    with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
        found = next(one for one in json.load(answer) if one["type"] == "page")
    with connect(found["webSocketDebuggerUrl"], max_size=None) as connection:
        yield Page(connection)
