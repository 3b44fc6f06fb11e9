"""Calls from a tenant's block by every transport that a client may send with, each with OpenTelemetry's own
instrumentation of it, to a real server that keeps the headers.

    python egress_program.py FOLDER

prints one JSON object, {transport: {"stranger": headers, "gateway": headers}}: what arrived from a call to a host that
may not receive baggage, and to one that may. Clients of LLMs are the real ones; what none of them sends with is sent by
a method that is traced as theirs are.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any, Final

import wrapt
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_genai_cost import install, tenant
from otel_genai_instrumentors.clients.anthropic import AnthropicInstrumentor
from otel_genai_instrumentors.clients.botocore import BotocoreInstrumentor
from otel_genai_instrumentors.clients.google_genai import GoogleGenAIInstrumentor
from otel_genai_instrumentors.clients.openai import OpenAIInstrumentor
from otel_genai_instrumentors.method import PART, Method
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.traced import traced

STRANGER: Final = "127.0.0.1"
GATEWAY: Final = "localhost"
_INSTRUMENTATIONS: Final = (
    ("httpx", "HTTPXClientInstrumentor"),
    ("requests", "RequestsInstrumentor"),
    ("aiohttp_client", "AioHttpClientInstrumentor"),
    ("urllib3", "URLLib3Instrumentor"),
    ("grpc", "GrpcInstrumentorClient"),
    ("grpc", "GrpcAioInstrumentorClient"),
    ("threading", "ThreadingInstrumentor"),
)
_ASKED: Final[Any] = [{"role": "user", "content": "hi"}]
_ANSWERS: Final[Mapping[str, dict[str, Any]]] = {
    "completions": {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o",
        "choices": [],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    },
    "messages": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
    "gemini:generateContent": {"candidates": [], "usageMetadata": {"promptTokenCount": 1}},
    "converse": {
        "output": {"message": {"role": "assistant", "content": []}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        "metrics": {"latencyMs": 1},
    },
}
"""What the last segment of a path is answered with."""


class _Server(BaseHTTPRequestHandler):
    received: Final[list[dict[str, str]]] = []
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.received.append({name.lower(): value for name, value in self.headers.items()})
        content = json.dumps(_ANSWERS.get(self.path.rpartition("/")[2], {})).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class names it so
        """Nothing."""


@contextmanager
def _serving() -> Generator[int, None, None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()


# --- the real clients; each takes the base URL ---


def _openai(url: str) -> None:
    client = import_module("openai").OpenAI(base_url=url, api_key="k", max_retries=0)
    client.chat.completions.create(model="gpt-4o", messages=_ASKED)


def _openai_stream(url: str) -> None:
    client = import_module("openai").OpenAI(base_url=url, api_key="k", max_retries=0)
    list(client.chat.completions.create(model="gpt-4o", messages=_ASKED, stream=True))


def _openai_async(url: str) -> None:
    async def main() -> None:
        openai: Any = import_module("openai")
        async with openai.AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client:
            await client.chat.completions.create(model="gpt-4o", messages=_ASKED)

    asyncio.run(main())


def _anthropic(url: str) -> None:
    client = import_module("anthropic").Anthropic(base_url=url, api_key="k", max_retries=0)
    client.messages.create(model="claude", max_tokens=5, messages=_ASKED)


def _anthropic_async(url: str) -> None:
    async def main() -> None:
        client = import_module("anthropic").AsyncAnthropic(base_url=url, api_key="k", max_retries=0)
        await client.messages.create(model="claude", max_tokens=5, messages=_ASKED)

    asyncio.run(main())


def _google_client(url: str) -> Any:
    options = import_module("google.genai.types").HttpOptions(base_url=url)
    return import_module("google.genai").Client(api_key="k", http_options=options)


def _google(url: str) -> None:
    client = _google_client(url)
    client.models.generate_content(model="gemini", contents="hi")


def _google_async(url: str) -> None:
    async def main() -> None:
        client = _google_client(url)
        await client.aio.models.generate_content(model="gemini", contents="hi")

    asyncio.run(main())


_CONVERSED: Final[Any] = [{"role": "user", "content": [{"text": "hi"}]}]


def _aws(url: str) -> dict[str, Any]:
    return {
        "service_name": "bedrock-runtime",
        "region_name": "us-east-1",
        "endpoint_url": url,
        "aws_access_key_id": "key",
        "aws_secret_access_key": "secret",
    }


def _bedrock(url: str) -> None:
    client = import_module("boto3").client(**_aws(url))
    client.converse(modelId="claude", messages=_CONVERSED)


def _bedrock_async(url: str) -> None:
    async def main() -> None:
        async with import_module("aioboto3").Session().client(**_aws(url)) as client:
            await client.converse(modelId="claude", messages=_CONVERSED)

    asyncio.run(main())


# --- what else a client may send with ---


def _requests(url: str) -> None:
    import_module("requests").post(url, json={})


def _urllib3(url: str) -> None:
    import_module("urllib3").PoolManager().request("POST", url, body=b"{}")


def _httpx(url: str) -> None:
    import_module("httpx").post(url, json={})


def _in_a_thread_of_the_clients(url: str) -> None:
    with ThreadPoolExecutor() as pool:
        pool.submit(_requests, url).result()


async def _aiohttp(url: str) -> None:
    async with import_module("aiohttp").ClientSession() as session, session.post(url, json={}):
        pass


async def _in_a_task_of_the_clients(url: str) -> None:
    await asyncio.create_task(_aiohttp(url))


async def _in_a_thread_of_the_loops(url: str) -> None:
    await asyncio.to_thread(_requests, url)


def _generator(url: str) -> Iterator[str]:
    _requests(url)
    yield "part"


def _grpc(url: str) -> None:
    with import_module("grpc").insecure_channel(_target(url)) as channel:
        channel.unary_unary("/llm.Service/Complete")(b"")


async def _grpc_aio(url: str) -> None:
    async with import_module("grpc").aio.insecure_channel(_target(url)) as channel:
        await channel.unary_unary("/llm.Service/Complete")(b"")


def _target(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]


@contextmanager
def _grpc_serving() -> Generator[int, None, None]:
    grpc = import_module("grpc")

    def complete(request: bytes, context: Any) -> bytes:
        _Server.received.append({key: str(value) for key, value in context.invocation_metadata()})
        return b""

    handlers = {"Complete": grpc.unary_unary_rpc_method_handler(complete)}
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("llm.Service", handlers),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None)


_METHOD: Final = Method(
    "chat",
    lambda *_: {"gen_ai.request.model": "m"},
    lambda _: {},
    lambda *_: PART,
    lambda _, args, __: (_target(args[0]).partition(":")[0], None),
)


def _called(function: Callable[[str], Any]) -> Callable[[str], None]:
    """A traced method that sends like this."""
    wrapped: Any = wrapt.FunctionWrapper(function, traced(_METHOD, CallTracer("openai")))

    def call(url: str) -> None:
        found = wrapped(url)
        if inspect.iscoroutine(found):
            asyncio.run(found)
        elif found is not None:
            list(found)

    return call


CLIENTS: Final[Mapping[str, Callable[[str], None]]] = {
    "openai over httpx": _openai,
    "openai, a stream over httpx": _openai_stream,
    "openai over httpx, async": _openai_async,
    "anthropic over httpx2": _anthropic,
    "anthropic over httpx2, async": _anthropic_async,
    "google-genai": _google,
    "google-genai, async": _google_async,
    "bedrock by boto3 over urllib3": _bedrock,
    "bedrock by aioboto3 over aiohttp": _bedrock_async,
}
SENDERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "requests": _requests,
    "urllib3": _urllib3,
    "httpx": _httpx,
    "aiohttp": _aiohttp,
    "a generator": _generator,
    "a thread of the client's": _in_a_thread_of_the_clients,
    "a task of the client's": _in_a_task_of_the_clients,
    "a thread of the loop's": _in_a_thread_of_the_loops,
}
GRPC: Final[Mapping[str, Callable[[str], Any]]] = {"grpc": _grpc, "grpc.aio": _grpc_aio}


def _instrument() -> None:
    for module, name in _INSTRUMENTATIONS:
        getattr(import_module(f"opentelemetry.instrumentation.{module}"), name)().instrument()
    for instrumentor in (
        OpenAIInstrumentor,
        AnthropicInstrumentor,
        GoogleGenAIInstrumentor,
        BotocoreInstrumentor,
    ):
        instrumentor().instrument()


def _arrived(call: Callable[[str], None], port: int) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for whom, host in (("stranger", STRANGER), ("gateway", GATEWAY)):
        _Server.received.clear()
        with tenant("acme", feature="chat"):
            call(f"http://{host}:{port}/v1")
        [found[whom]] = _Server.received
    return found


def main(folder: str) -> None:
    """Make all calls, and print what arrived."""
    trace.set_tracer_provider(TracerProvider())
    install(journal=folder, egress_hosts=GATEWAY, quiet=True)
    _instrument()
    found: dict[str, dict[str, dict[str, str]]] = {}
    with _serving() as port:
        for name, call in {**CLIENTS, **{k: _called(v) for k, v in SENDERS.items()}}.items():
            found[name] = _arrived(call, port)
    with _grpc_serving() as port:
        for name, sender in GRPC.items():
            found[name] = _arrived(_called(sender), port)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
