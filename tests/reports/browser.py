"""Headless Chromium, for looking at the page as a reader does.

`python -m tests.reports.browser PAGE FOLDER` takes the screenshots that the README shows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest

__all__ = ["DESK", "PHONE", "dom", "require_browser", "screenshot"]

DESK: Final = (1100, 1180)
PHONE: Final = (390, 1180)
"""Width and height in CSS pixels."""

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_DARK: Final = "--blink-settings=preferredColorScheme=0"
_TIMEOUT_S: Final = 60


def require_browser() -> None:
    """Skip the test where there is no browser; in continuous integration that is a failure."""
    if _browser() is None:
        reason = f"none of {', '.join(_NAMES)} is installed"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def dom(page: Path, size: tuple[int, int], *, dark: bool = False) -> str:
    """The page's document as it is once its scripts have run."""
    return _run(size, dark, "--dump-dom", page.as_uri())


def screenshot(page: Path, picture: Path, size: tuple[int, int], *, dark: bool = False) -> None:
    """What a reader sees first, as a PNG."""
    _run(size, dark, f"--screenshot={picture}", page.as_uri())


def _browser() -> str | None:
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def _run(size: tuple[int, int], dark: bool, *what: str) -> str:
    with tempfile.TemporaryDirectory() as profile:
        command = [str(_browser()), *_FLAGS, f"--user-data-dir={profile}"]
        command += [f"--window-size={size[0]},{size[1]}", *([_DARK] if dark else ()), *what]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S
        )
    return done.stdout


if __name__ == "__main__":
    screenshot(Path(sys.argv[1]).absolute(), Path(sys.argv[2]) / "report-light.png", DESK)
    screenshot(
        Path(sys.argv[1]).absolute(), Path(sys.argv[2]) / "report-phone-dark.png", PHONE, dark=True
    )
