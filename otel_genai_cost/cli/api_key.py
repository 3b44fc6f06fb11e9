"""The option `--key`: where the key of an API is, never the key itself."""

from __future__ import annotations

from typing import Annotated

import typer

from otel_genai_cost.settings import key_at

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
    return key_at(text, "--key")
