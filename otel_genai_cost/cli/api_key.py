"""The option `--key`: where the key of an API is, never the key itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.settings import environment

__all__ = ["ApiKeyOption", "api_key"]

ApiKeyOption = Annotated[
    str, typer.Option("--key", help="Where the API's key is: env:NAME or file:PATH.")
]


def api_key(text: str) -> str:
    """The key.

    Args:
        text: env:NAME or file:PATH.

    Raises:
        ConfigurationError: if there is none.
    """
    kind, _, name = text.partition(":")
    found = ""
    if kind == "env":
        found = environment().get(name, "").strip()
    elif kind == "file":
        try:
            found = Path(name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                "the key cannot be read", value=name, where=type(error).__name__, remedy="mend that"
            ) from None
    if not found or not found.isprintable():
        raise ConfigurationError(
            "no key", where="--key", remedy="write env:NAME of a variable, or file:PATH"
        )
    return found
