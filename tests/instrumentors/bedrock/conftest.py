"""The real boto3, the real stand-in, a tracer provider that keeps its spans."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from otel_genai_cost.testing.standin import StandIn
from otel_genai_instrumentors.clients.botocore import BotocoreInstrumentor
from otel_genai_instrumentors.open_calls import drain
from tests.instrumentors.conftest import Recorder

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ASK: list[Any] = [{"role": "user", "content": [{"text": "what does this cost?"}]}]


@pytest.fixture(scope="session")
def aws() -> Iterator[StandIn]:
    with StandIn("aws.bedrock") as running:
        yield running


@pytest.fixture
def bedrock(aws: StandIn) -> Iterator[StandIn]:
    """The stand-in with nothing scripted, recorded or billed."""
    aws.reset()
    yield aws
    aws.reset()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    instrumentor = BotocoreInstrumentor()
    instrumentor.instrument(tracer_provider=recorder.provider)
    yield recorder
    instrumentor.uninstrument()
    gc.collect()
    drain()


def client_of(url: str, service: str = "bedrock-runtime", **config: Any) -> Any:
    """A client with one region, made-up keys and no waiting."""
    settings: dict[str, Any] = {
        "retries": {"total_max_attempts": 1},
        "connect_timeout": 20,
        "read_timeout": 20,
        **config,
    }
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(**settings),
    )


@pytest.fixture
def client(bedrock: StandIn) -> Any:
    return client_of(bedrock.url)
