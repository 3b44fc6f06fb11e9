"""Which team a place in the code belongs to: by the CODEOWNERS file of the folder in which `doctor` runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

__all__ = ["owners_of"]

_PLACES: Final = ("CODEOWNERS", ".github/CODEOWNERS", ".gitlab/CODEOWNERS", "docs/CODEOWNERS")


def owners_of(root: Path) -> Callable[[str], str | None]:
    """What gives the owners of a file, as they are written; None for nobody's, or without such a file.

    The path may be that of another machine: the longest end of it that there is below `root` counts.
    """
    rules = _rules(root)

    def owner(file: str) -> str | None:
        parts = PurePosixPath(file.replace("\\", "/")).parts if rules else ()
        ends = ("/".join(parts[at:]).lstrip("/") for at in range(len(parts)))
        inside = next((end for end in ends if (root / end).is_file()), None)
        if inside is None:
            return None
        found = [owners for pattern, owners in rules if pattern.fullmatch(inside)]
        return found[-1] or None if found else None

    return owner


def _rules(root: Path) -> list[tuple[re.Pattern[str], str]]:
    """Patterns with their owners; the last that matches decides."""
    path = next((root / place for place in _PLACES if (root / place).is_file()), None)
    if path is None:
        return []
    lines = (line.partition("#")[0].split() for line in path.read_text("utf-8").splitlines())
    return [(_pattern(line[0]), " ".join(line[1:])) for line in lines if line and line[0][0] != "["]


def _pattern(text: str) -> re.Pattern[str]:
    """As .gitignore spells them: a folder stands for all below it, and one without a slash before its end for any."""
    is_anchored = "/" in text.rstrip("/")
    inner = re.escape(text.strip("/"))
    for written, means in (
        (r"\*\*/", "(?:.*/)?"),
        (r"\*\*", ".*"),
        (r"\*", "[^/]*"),
        (r"\?", "[^/]"),
    ):
        inner = inner.replace(written, means)
    below = "/.*" if text.endswith("/") else "(?:/.*)?"
    return re.compile(("" if is_anchored else "(?:.*/)?") + inner + below)
