"""How boto3 makes the calls of the contract on Amazon Bedrock: by Converse, and by InvokeModel in Anthropic's words."""

from __future__ import annotations

import json
import warnings
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ClassVar, Final

import boto3
from botocore.config import Config
from botocore.session import get_session

from otel_genai_instrumentors.clients.botocore import BotocoreInstrumentor
from tests.contract.driver import Ask, Driver

__all__ = ["DRIVERS"]

_SCHEMA: Final = {"type": "object", "properties": {"city": {"type": "string"}}}
_IS_ASYNC_HERE: Final = find_spec("aioboto3") is not None
_ASYNC: Final = (
    {}
    if _IS_ASYNC_HERE
    else dict.fromkeys(
        ("async", "async stream", "cancelled call", "stream cancelled", "two tenants at once"),
        "botocore has none; aioboto3 keeps them in an environment of its own",
    )
)

_UNKNOWN: Final = "this version of botocore does not know of it"
_CONVERSE: Final[Any] = (
    get_session().get_service_model("bedrock-runtime").operation_model("Converse")
)
_USAGE: Final = _CONVERSE.output_shape.members["usage"].members
_OLD: Final = {
    **({} if "serviceTier" in _CONVERSE.input_shape.members else {"service tier": _UNKNOWN}),
    **({} if "cacheDetails" in _USAGE else {"cache write": _UNKNOWN}),
}
"""What this version cannot ask for, or leaves out of the answer."""


class _Boto(Driver):
    library = "botocore"
    provider = "aws.bedrock"
    instrumentor = BotocoreInstrumentor
    model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    models: ClassVar = {"service tier": "us.amazon.nova-pro-v1:0"}
    volatile = frozenset(
        {"amz-sdk-invocation-id", "amz-sdk-request", "authorization", "x-amz-date"}
    )

    def made(self, url: str, retries: int, timeout_s: float) -> dict[str, Any]:
        """What a client is made with."""
        return {
            "service_name": "bedrock-runtime",
            "region_name": "us-east-1",
            "endpoint_url": url,
            "aws_access_key_id": "key",
            "aws_secret_access_key": "secret",
            "config": Config(
                retries={"total_max_attempts": retries + 1, "mode": "standard"},
                read_timeout=timeout_s,
            ),
        }

    def async_client(
        self, url: str, *, retries: int = 0, timeout_s: float = 30
    ) -> AbstractAsyncContextManager[Any]:
        """By aioboto3, which cannot be installed beside all other clients."""
        session = import_module("aioboto3").Session()
        made: AbstractAsyncContextManager[Any] = session.client(
            **self.made(url, retries, timeout_s)
        )
        return made

    @contextmanager
    def client(self, url: str, *, retries: int = 0, timeout_s: float = 30) -> Generator[Any]:
        client = boto3.client(**self.made(url, retries, timeout_s))
        with warnings.catch_warnings():
            # botocore leaves the socket of a stream that is dropped to the collector of garbage
            warnings.filterwarnings("ignore", "unclosed <socket", ResourceWarning)
            try:
                yield client
            finally:
                client.close()


class Converse(_Boto):
    name = "Converse"
    gaps: ClassVar = {
        **_ASYNC,
        "audio": "not in the API",
        "batch": "a job whose results are files in S3",
        "embeddings": "by InvokeModel",
        "images": "by InvokeModel",
        "reasoning": "thoughts are counted in the answer, and not apart",
        "stream without usage asked": "usage always comes",
        **_OLD,
    }

    def chat(self, client: Any, ask: Ask) -> None:
        client.converse(**_conversation(ask))

    def stream(self, client: Any, ask: Ask) -> Any:
        return client.converse_stream(**_conversation(ask))["stream"]

    async def async_chat(self, client: Any, ask: Ask) -> None:
        await client.converse(**_conversation(ask))

    async def async_stream(self, client: Any, ask: Ask) -> Any:
        return (await client.converse_stream(**_conversation(ask)))["stream"]


def _conversation(ask: Ask) -> dict[str, Any]:
    spec = {"name": "weather", "inputSchema": {"json": _SCHEMA}}
    return {
        "modelId": ask.model,
        "messages": [{"role": "user", "content": [{"text": ask.text}]}],
        "inferenceConfig": {"maxTokens": ask.max_tokens},
        **({"toolConfig": {"tools": [{"toolSpec": spec}]}} if ask.tools else {}),
        **({"serviceTier": {"type": ask.tier}} if ask.tier else {}),
    }


class InvokeModel(_Boto):
    name = "InvokeModel"
    models: ClassVar = {
        **_Boto.models,
        "embeddings": "amazon.titan-embed-text-v2:0",
        "images": "stability.stable-image-core-v1:1",
    }
    gaps: ClassVar = {
        name: why for name, why in Converse.gaps.items() if name not in ("embeddings", "images")
    }

    def chat(self, client: Any, ask: Ask) -> None:
        client.invoke_model(**_invocation(ask))["body"].read()

    def stream(self, client: Any, ask: Ask) -> Any:
        return client.invoke_model_with_response_stream(**_invocation(ask))["body"]

    async def async_chat(self, client: Any, ask: Ask) -> None:
        await (await client.invoke_model(**_invocation(ask)))["body"].read()

    async def async_stream(self, client: Any, ask: Ask) -> Any:
        return (await client.invoke_model_with_response_stream(**_invocation(ask)))["body"]

    def embeddings(self, client: Any, ask: Ask) -> None:
        body = json.dumps({"inputText": ask.text})
        client.invoke_model(modelId=ask.model, body=body)["body"].read()

    def images(self, client: Any, ask: Ask) -> None:
        body = json.dumps({"prompt": ask.text})
        client.invoke_model(modelId=ask.model, body=body)["body"].read()


def _invocation(ask: Ask) -> dict[str, Any]:
    tools = [{"name": "weather", "input_schema": _SCHEMA}] if ask.tools else []
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": ask.max_tokens,
        "messages": [{"role": "user", "content": ask.text}],
        "tools": tools,
    }
    tier = {"serviceTier": ask.tier} if ask.tier else {}
    return {"modelId": ask.model, "body": json.dumps(body), **tier}


DRIVERS: Final = (Converse(), InvokeModel())
