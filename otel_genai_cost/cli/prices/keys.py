"""Keys that sign price bundles, and say who must have signed them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from otel_genai_cost.errors import ConfigurationError

__all__ = ["key_at"]

_BYTES_MAX: Final = 64 * 1024


def key_at(path: Path) -> bytes:
    """The key in a PEM file.

    Raises:
        ConfigurationError: if the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(_BYTES_MAX)
    except OSError as error:
        raise ConfigurationError(
            "cannot read the key", value=str(path), where=str(error), remedy="name a PEM file"
        ) from None
