"""Which version of a distribution is here, read off its first lines.

`importlib.metadata.version` parses all of it as a mail, a README of a hundred pages included: too long for a start.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from typing import Final

__all__ = ["own_version", "version_of"]

_FILES: Final = ("METADATA", "PKG-INFO")
_VERSION: Final = re.compile(r"^Version:[ \t]*(\S+)", re.MULTILINE)


def version_of(name: str) -> str | None:
    """The version of a distribution; None if it is not here, or says none.

    Args:
        name: the distribution's, however it is spelled.
    """
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    said = next((text for file in _FILES if (text := found.read_text(file))), "")
    version = _VERSION.search(said)
    return version and version[1]


@cache
def own_version() -> str | None:
    """Ours; None where we were copied without our metadata."""
    return version_of("otel-genai-cost")
