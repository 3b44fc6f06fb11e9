"""How the `together` client makes the calls of the contract."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import httpx
import together

from otel_genai_instrumentors.clients.together import TogetherInstrumentor
from tests.contract.chats import ChatCompletions

__all__ = ["DRIVERS"]


class Chat(ChatCompletions):
    library = "together"
    provider = "together_ai"
    instrumentor = TogetherInstrumentor
    model = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
    batch_is_priced = False
    gaps: ClassVar = {
        "cached": "the API reports no cached tokens",
        "cache write": "the API reports no cache writes",
        "reasoning": "the API reports no reasoning tokens",
        "audio": "chat has no audio; a recording's length, which is billed, is an estimate",
        "embeddings": "the API reports no usage of them",
        "images": "the price book has no image model of Together by the image",
        "service tier": "the API has no tiers",
    }

    def upload(self, client: Any, content: bytes) -> str:
        """The client itself sends it to where the provider says, over TLS alone."""
        sent = httpx.post(f"{client.base_url}files", files={"file": ("lines.jsonl", content)})
        file_id: str = sent.json()["id"]
        return file_id

    def client(self, url: str, *, retries: int = 0, timeout_s: float = 30) -> together.Together:
        return together.Together(base_url=url, api_key="k", max_retries=retries, timeout=timeout_s)

    def async_client(
        self, url: str, *, retries: int = 0, timeout_s: float = 30
    ) -> together.AsyncTogether:
        return together.AsyncTogether(
            base_url=url, api_key="k", max_retries=retries, timeout=timeout_s
        )


DRIVERS: Final = (Chat(),)
