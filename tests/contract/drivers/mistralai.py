"""How the `mistralai` client makes the calls of the contract."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from importlib import import_module
from importlib.metadata import version
from typing import Any, ClassVar, Final

from otel_genai_cost.testing.standin import Usage
from otel_genai_instrumentors.clients.mistralai import MistralInstrumentor
from tests.contract.chats import batch_line, chat_of
from tests.contract.driver import Ask, Driver

__all__ = ["DRIVERS"]


_HOME: Final = "mistralai" if version("mistralai").startswith("1.") else "mistralai.client"
_UTILS: Final[Any] = import_module(f"{_HOME}.utils")
_ANEW: Final = _UTILS.RetryConfig("backoff", _UTILS.BackoffStrategy(10, 20, 1.1, 10_000), True)


class Chat(Driver):
    library = "mistralai"
    name = "chat"
    provider = "mistral_ai"
    instrumentor = MistralInstrumentor
    model = "mistral-small-2603"
    models: ClassVar = {"embeddings": "mistral-embed", "audio": "voxtral-mini-2602"}
    volatile: ClassVar = frozenset({"content-type"})  # a form's boundary is new in every request
    usages: ClassVar = {"audio": Usage(seconds=203)}
    gaps: ClassVar = {
        "cache write": "not in the API",
        "images": "made by a connector of conversations, whose calls have no unit",
        "reasoning": "thoughts are counted in the answer, and not apart",
        "service tier": "no list has the price of the priority tier",
        "stream without usage asked": "usage always comes",
    }

    @contextmanager
    def client(self, url: str, *, retries: int = 0, timeout_s: float = 30) -> Generator[Any]:
        made = self._client(url, retries, timeout_s)
        with made if hasattr(made, "__enter__") else nullcontext(made) as client:
            yield client

    @asynccontextmanager
    async def async_client(
        self, url: str, *, retries: int = 0, timeout_s: float = 30
    ) -> AsyncGenerator[Any]:
        made = self._client(url, retries, timeout_s)
        async with made if hasattr(made, "__aenter__") else nullcontext(made) as client:
            yield client

    def _client(self, url: str, retries: int, timeout_s: float) -> Any:
        anew: dict[str, Any] = {"retry_config": _ANEW} if retries else {}
        made: Any = import_module(_HOME).Mistral
        return made(api_key="k", server_url=url, timeout_ms=int(timeout_s * 1000), **anew)

    def close(self, stream: Any) -> None:
        stream.response.close()

    async def async_close(self, stream: Any) -> None:
        await stream.response.aclose()

    def chat(self, client: Any, ask: Ask) -> None:
        if ask.model.startswith("voxtral"):
            heard = {"file_name": "heard.wav", "content": ask.text.encode()}
            client.audio.transcriptions.complete(model=ask.model, file=heard)
        else:
            client.chat.complete(**chat_of(ask))

    def stream(self, client: Any, ask: Ask) -> Any:
        return client.chat.stream(**chat_of(ask))

    def embeddings(self, client: Any, ask: Ask) -> None:
        client.embeddings.create(model=ask.model, inputs=[ask.text])

    def batch(self, client: Any, ask: Ask) -> None:
        file = {"file_name": "lines.jsonl", "content": batch_line(ask)}
        sent = client.files.upload(file=file, purpose="batch")
        made = client.batch.jobs.create(
            input_files=[sent.id], model=ask.model, endpoint="/v1/chat/completions"
        )
        done = client.batch.jobs.get(job_id=made.id)
        client.files.download(file_id=done.output_file).read()

    async def async_chat(self, client: Any, ask: Ask) -> None:
        await client.chat.complete_async(**chat_of(ask))

    async def async_stream(self, client: Any, ask: Ask) -> Any:
        return await client.chat.stream_async(**chat_of(ask))


DRIVERS: Final = (Chat(),)
