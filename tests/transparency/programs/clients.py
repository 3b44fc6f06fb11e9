"""Clients of their providers' own wire formats, each called in the same ways: at once, in parts, async, embeddings,
left in the middle, refused for good, refused once. The programs of a client are named after it, `groq_call` and so on.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any, ClassVar, Final, TypeAlias

from tests.transparency.observed import PROGRAMS, App, Program

__all__ = ["KINDS"]

_SYNC: Final = ("call", "stream", "left", "fails", "stream_fails", "busy_then_answered")
_ASYNC: Final = ("async", "async_stream", "async_fails", "async_busy_then_answered")
_EMBEDDINGS: Final = ("embeddings",)
_MESSAGES: Final = [{"role": "user", "content": "hello"}]
_CLAUDE: Final = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


class _Client:
    """How one client is called."""

    library: ClassVar[str]
    provider: ClassVar[str]
    """As the stand-in's routes name it."""
    ways: ClassVar[tuple[str, ...]] = (*_SYNC, *_ASYNC)

    def __init__(self, app: App, retries: int = 0) -> None:
        self.url, self.retries = app.base_url.removesuffix("/v1"), retries

    def client(self) -> Any:
        """A client."""
        raise NotImplementedError

    def async_client(self) -> Any:
        """The same for `asyncio`, as a context manager."""
        raise NotImplementedError

    def call(self, client: Any) -> Any:
        """The answer to a call, or what is awaited for it."""
        raise NotImplementedError

    def stream(self, client: Any) -> Any:
        """The parts of an answer."""
        raise NotImplementedError

    def async_call(self, client: Any) -> Any:
        """What is awaited for an answer."""
        return self.call(client)

    def async_stream(self, client: Any) -> Any:
        """The parts of an answer, or what is awaited for them."""
        return self.stream(client)

    def embedded(self, client: Any) -> Any:
        """An answer with vectors."""
        raise NotImplementedError

    def seen(self, answer: Any) -> Any:
        """What the application reads in an answer or a part."""
        return answer.model_dump_json()


class _Chat(_Client):
    """A client like OpenAI's."""

    model: ClassVar[str]

    def client(self) -> Any:
        return self._made("")

    def async_client(self) -> Any:
        return self._made("Async")

    def _made(self, kind: str) -> Any:
        make = getattr(import_module(self.library), kind + self.library.capitalize())
        return make(base_url=self.url, api_key="k", max_retries=self.retries)

    def call(self, client: Any) -> Any:
        return client.chat.completions.create(model=self.model, messages=_MESSAGES)

    def stream(self, client: Any) -> Any:
        return client.chat.completions.create(model=self.model, messages=_MESSAGES, stream=True)


class Groq(_Chat):
    library = provider = "groq"
    model = "openai/gpt-oss-120b"


class Together(_Chat):
    library = "together"
    provider = "together_ai"
    model = "meta-llama/Llama-3.3-70B-Instruct-Turbo"


class Mistralai(_Client):
    library = "mistralai"
    provider = "mistral_ai"
    ways = (*_SYNC, *_ASYNC, *_EMBEDDINGS)

    def client(self) -> Any:
        home = import_module("mistralai.client")
        more: dict[str, Any] = {}
        if self.retries:
            utils = import_module("mistralai.client.utils")
            backoff = utils.BackoffStrategy(10, 20, 1.1, 10_000)
            more["retry_config"] = utils.RetryConfig("backoff", backoff, True)
        return home.Mistral(api_key="k", server_url=self.url, **more)

    async_client = client

    def call(self, client: Any) -> Any:
        return client.chat.complete(**self._asked())

    def stream(self, client: Any) -> Any:
        return client.chat.stream(**self._asked())

    def async_call(self, client: Any) -> Any:
        return client.chat.complete_async(**self._asked())

    def async_stream(self, client: Any) -> Any:
        return client.chat.stream_async(**self._asked())

    def embedded(self, client: Any) -> Any:
        return client.embeddings.create(model="mistral-embed", inputs=["hello"])

    def _asked(self) -> dict[str, Any]:
        return {"model": "mistral-small-2603", "messages": _MESSAGES}


class Cohere(_Client):
    library = provider = "cohere"
    ways = (*_SYNC, *_ASYNC, *_EMBEDDINGS)

    def client(self) -> Any:
        return self._made("ClientV2")

    def async_client(self) -> Any:
        return self._made("AsyncClientV2")

    def _made(self, kind: str) -> Any:
        return getattr(import_module("cohere"), kind)("k", base_url=self.url)

    def call(self, client: Any) -> Any:
        more = {"max_retries": self.retries}
        return client.chat(**self._asked(), request_options=more)

    def stream(self, client: Any) -> Any:
        return client.chat_stream(**self._asked())

    def embedded(self, client: Any) -> Any:
        kinds = {"input_type": "search_query", "embedding_types": ["float"]}
        return client.embed(model="embed-v4.0", texts=["hello"], **kinds)

    def _asked(self) -> dict[str, Any]:
        return {"model": "command-a-03-2025", "messages": _MESSAGES}


class Ollama(_Client):
    library = provider = "ollama"
    ways = (*_SYNC, *_ASYNC, *_EMBEDDINGS)

    def client(self) -> Any:
        return import_module("ollama").Client(host=self.url)

    def async_client(self) -> Any:
        return import_module("ollama").AsyncClient(host=self.url)

    def call(self, client: Any) -> Any:
        return client.chat(model="llama3.2", messages=_MESSAGES)

    def stream(self, client: Any) -> Any:
        return client.chat(model="llama3.2", messages=_MESSAGES, stream=True)

    def embedded(self, client: Any) -> Any:
        return client.embed("llama3.2", "hello")


class Google(_Client):
    library = "google-genai"
    provider = "gcp.gemini"

    def client(self) -> Any:
        types = import_module("google.genai.types")
        again = types.HttpRetryOptions(attempts=self.retries + 1, initial_delay=0.01, jitter=0)
        options = types.HttpOptions(base_url=self.url, retry_options=again)
        return import_module("google.genai").Client(api_key="k", http_options=options)

    def async_client(self) -> Any:
        return self.client().aio

    def call(self, client: Any) -> Any:
        return client.models.generate_content(**self._asked())

    def stream(self, client: Any) -> Any:
        return client.models.generate_content_stream(**self._asked())

    def seen(self, answer: Any) -> Any:
        return [answer.text, answer.response_id, str(answer.usage_metadata)]

    def _asked(self) -> dict[str, Any]:
        return {"model": "gemini-2.5-flash", "contents": "hello"}


class _Boto(_Client):
    library = "botocore"
    provider = "aws.bedrock"
    ways: ClassVar[tuple[str, ...]] = _SYNC

    def client(self) -> Any:
        return import_module("boto3").client(**self._made())

    def async_client(self) -> Any:
        return import_module("aioboto3").Session().client(**self._made())

    def _made(self) -> dict[str, Any]:
        retries = {"total_max_attempts": self.retries + 1, "mode": "standard"}
        return {
            "service_name": "bedrock-runtime",
            "region_name": "us-east-1",
            "endpoint_url": self.url,
            "aws_access_key_id": "key",
            "aws_secret_access_key": "secret",
            "config": import_module("botocore.config").Config(retries=retries),
        }


class Converse(_Boto):
    def call(self, client: Any) -> Any:
        return client.converse(**self._asked())

    def stream(self, client: Any) -> Any:
        return _parts_in(client.converse_stream(**self._asked()), "stream")

    def seen(self, answer: Any) -> Any:
        return str({key: value for key, value in answer.items() if key != "ResponseMetadata"})

    def _asked(self) -> dict[str, Any]:
        return {"modelId": _CLAUDE, "messages": [{"role": "user", "content": [{"text": "hello"}]}]}


class Invoke(_Boto):
    def call(self, client: Any) -> Any:
        return _body_of(client.invoke_model(**self._asked()))

    def stream(self, client: Any) -> Any:
        return _parts_in(client.invoke_model_with_response_stream(**self._asked()), "body")

    def seen(self, answer: Any) -> Any:
        return str(answer)

    def _asked(self) -> dict[str, Any]:
        asked = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": _MESSAGES}
        return {"modelId": _CLAUDE, "body": json.dumps(asked)}


class AioConverse(Converse):
    library = "aioboto3"
    ways = _ASYNC


class AioInvoke(Invoke):
    library = "aioboto3"
    ways = _ASYNC


def _parts_in(answer: Any, key: str) -> Any:
    """The stream in an answer, awaited or not."""
    if not inspect.isawaitable(answer):
        return answer[key]

    async def parts() -> Any:
        return (await answer)[key]

    return parts()


def _body_of(answer: Any) -> Any:
    """The bytes of an answer, awaited or not."""
    if not inspect.isawaitable(answer):
        return answer["body"].read()

    async def body() -> bytes:
        read: bytes = await (await answer)["body"].read()
        return read

    return body()


def _call(kind: type[_Client], app: App, retries: int = 0) -> None:
    how = kind(app, retries)
    client = how.client()
    answer = how.call(client)
    app.say(answer, how.seen(answer))


def _embeddings(kind: type[_Client], app: App) -> None:
    how = kind(app)
    client = how.client()
    app.say(how.embedded(client))


def _stream(kind: type[_Client], app: App) -> None:
    how = kind(app)
    client = how.client()
    parts = how.stream(client)
    app.say(parts, [how.seen(part) for part in parts])


def _left(kind: type[_Client], app: App) -> None:
    how = kind(app)
    client = how.client()
    for part in how.stream(client):
        app.say(part)
        break


async def _call_async(kind: type[_Client], app: App, retries: int = 0) -> None:
    how = kind(app, retries)
    async with how.async_client() as client:
        answer = await how.async_call(client)
        app.say(answer, how.seen(answer))


async def _stream_async(kind: type[_Client], app: App) -> None:
    how = kind(app)
    async with how.async_client() as client:
        parts = how.async_stream(client)
        parts = await parts if inspect.isawaitable(parts) else parts
        app.say(parts, [how.seen(part) async for part in parts])


_Run: TypeAlias = Callable[..., Any]
_WAYS: Final[Mapping[str, tuple[str, _Run]]] = {
    "call": ("std", _call),
    "stream": ("std", _stream),
    "left": ("std", _left),
    "fails": ("fails", _call),
    "stream_fails": ("fails", _stream),
    "busy_then_answered": ("busy", partial(_call, retries=1)),
    "async": ("std", _call_async),
    "async_stream": ("std", _stream_async),
    "async_fails": ("fails", _call_async),
    "async_busy_then_answered": ("busy", partial(_call_async, retries=1)),
    "embeddings": ("std", _embeddings),
}
"""Way to call -> the habit of the provider, and how."""

KINDS: Final = (
    *(Google, Converse, Invoke, AioConverse, AioInvoke),
    *(Mistralai, Cohere, Groq, Ollama, Together),
)

for _kind in KINDS:
    for _way in _kind.ways:
        _habit, _run = _WAYS[_way]
        _name = f"{_kind.__name__.lower()}_{_way}"
        PROGRAMS[_name] = Program(
            _name, partial(_run, _kind), f"{_habit}~{_kind.provider}", (0, 0), _kind.library
        )
