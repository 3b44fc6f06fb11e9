"""Before the calls of the `mistralai` client, and of those for Azure and Google Cloud beside it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from otel_genai_instrumentors.gated_method import GatedMethod, Refused
from otel_genai_instrumentors.last_parts import last_of_chat

__all__ = ["GATE"]

_HOMES: Final = ("errors", "models")
"""Where the error stands, now and in version 1."""


def _status_error(resource: Any, _: Mapping[str, Any], refused: Refused) -> BaseException:
    package = type(resource).__module__.rpartition(".")[0]
    homes: list[Any] = [sys.modules.get(f"{package}.{home}") for home in _HOMES]
    error: Any = next(home.SDKError for home in homes if hasattr(home, "SDKError"))
    http = sys.modules[error.__module__].httpx
    found: BaseException = error(refused.block.message, refused.response(http), refused.text)
    return found


GATE: Final = GatedMethod(_status_error, last=last_of_chat)
