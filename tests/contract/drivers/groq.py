"""How the `groq` client makes the calls of the contract."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, ClassVar, Final

import groq

from otel_genai_instrumentors.clients.groq import GroqInstrumentor
from tests.contract.chats import ChatCompletions
from tests.contract.driver import Ask

__all__ = ["DRIVERS"]

_HAS_BATCHES: Final = find_spec("groq.resources.batches") is not None
_NO_BATCHES: Final = {} if _HAS_BATCHES else {"batch": "this version of the client has none"}


class Chat(ChatCompletions):
    library = "groq"
    provider = "groq"
    instrumentor = GroqInstrumentor
    model = "openai/gpt-oss-120b"
    tier = "on_demand"
    gaps: ClassVar = {
        "cache write": "the API reports no cache writes",
        "audio": "chat has no audio; a recording's length, which is billed, is an estimate where it is said at all",
        "embeddings": "the price book has no embedding model of Groq",
        "images": "the API makes no images",
        **_NO_BATCHES,
    }

    def client(self, url: str, *, retries: int = 0, timeout_s: float = 30) -> groq.Groq:
        return groq.Groq(base_url=url, api_key="k", max_retries=retries, timeout=timeout_s)

    def async_client(self, url: str, *, retries: int = 0, timeout_s: float = 30) -> groq.AsyncGroq:
        return groq.AsyncGroq(base_url=url, api_key="k", max_retries=retries, timeout=timeout_s)

    def given(self, ask: Ask) -> dict[str, Any]:
        given = super().given(ask)
        return given if ask.tier is None else {**given, "extra_body": {"service_tier": ask.tier}}


DRIVERS: Final = (Chat(),)
