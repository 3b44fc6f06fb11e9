"""Which providers are to be asked for the usage of a stream.

One that is asked for what it does not know refuses the whole call: Mistral, Azure before September 2024 and Azure on
your data do. OpenRouter, Mistral, Groq, DeepSeek, Perplexity, Together and Fireworks give usage unasked. So only those
are asked that are known both to understand it and to say nothing otherwise; a team may name further hosts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from otel_genai_cost.hosts import place_of

__all__ = ["asks_for_usage"]


class _Asked(NamedTuple):
    """Where `stream_options.include_usage` is understood and needed. `since` is the first dated API version that knows
    it, where there are such; versions without a date are newer."""

    path: str = "/"
    since: str = ""


_ON_REQUEST: Final[Mapping[str, _Asked]] = {
    "openai": _Asked(),
    "azure.ai.openai": _Asked("/openai/", "2024-09-01"),
}
"""By provider, as `hosts.py` names it."""

_UNDATED_PATH: Final = "/openai/v1"


def asks_for_usage(host: str | None, path: str, api_version: str | None) -> bool:
    """Whether a stream has its usage only if asked, and asking is understood.

    Args:
        host: where the client sends the request; None if unknown.
        path: the path of the client's base URL.
        api_version: Azure's dated API version; None without one.
    """
    asked = _ON_REQUEST.get(place_of(host or "").provider or "")
    if asked is None or not path.startswith(asked.path):
        return False
    if not asked.since or path.startswith(_UNDATED_PATH):
        return True
    return api_version is not None and (
        not api_version[:1].isdigit() or api_version[:10] >= asked.since
    )
