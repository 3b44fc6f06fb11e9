"""Pictures of every page for the docs: `python -m tests.pages.pictures FOLDER` (`make pages-pictures`).

Each is of a ledger of three hundred tenants; a desk in light and a phone in dark. They have a palette of colours, so
that they stay small.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from PIL import Image

from tests.demo.processes import children
from tests.pages.looking import Look, Looking, chromium, looking, served
from tests.pages.many import many

__all__ = ["take"]

_LOOKS: Final[tuple[tuple[str, Look], ...]] = (("desk", "light"), ("phone", "dark"))
_BYTES_MAX: Final = 100_000
_COLOURS: Final = 48


def take(folder: Path) -> Iterator[Path]:
    """Take them."""
    with tempfile.TemporaryDirectory() as kept, children() as family, chromium() as browser:
        shown = served(family, Path(kept), many(Path(kept) / "home"))
        with looking(browser, shown.at) as window:
            window.open("/")
            places = {_name(one): one for one in window.links("nav[aria-label=Pages]")}
            places.update(_further(window, places))
        for size, look in _LOOKS:
            with looking(browser, shown.at, size, look) as window:
                for name, address in places.items():
                    window.open(address)
                    yield _taken(window.page, folder / f"{name}-{size}-{look}.png")


def _further(window: Looking, places: Mapping[str, str]) -> dict[str, str]:
    """Pages that others lead to: the first of each sort."""
    found: dict[str, str] = {}
    for address in places.values():
        window.open(address)
        for one in window.links("main"):
            if "format=csv" not in one and _name(one) not in places:
                found.setdefault(_name(one), one)
    return found


def _name(address: str) -> str:
    return address.partition("?")[0].strip("/").partition("/")[0] or "overview"


def _taken(page: Any, file: Path) -> Path:
    with Image.open(BytesIO(page.screenshot())) as seen:
        seen.convert("RGB").quantize(_COLOURS).save(file, optimize=True)
    assert file.stat().st_size < _BYTES_MAX, f"{file} has {file.stat().st_size} bytes"
    return file


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    for picture in take(Path(sys.argv[1])):
        print(picture)
