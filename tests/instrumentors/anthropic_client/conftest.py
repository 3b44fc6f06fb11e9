"""The instrumented client, and the stand-in that it calls."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import pytest

from otel_genai_cost.testing.standin import StandIn
from otel_genai_instrumentors.clients.anthropic import AnthropicInstrumentor
from tests.instrumentors.conftest import Recorder


@pytest.fixture(scope="module")
def served() -> Iterator[StandIn]:
    with StandIn("anthropic", "gcp.vertex_ai", "azure.ai.openai", "aws.bedrock") as running:
        yield running


@pytest.fixture
def standin(served: StandIn) -> StandIn:
    served.reset()
    return served


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    instrumentor = AnthropicInstrumentor()
    instrumentor.instrument(tracer_provider=recorder.provider)
    yield recorder
    instrumentor.uninstrument()


@pytest.fixture
def client(standin: StandIn) -> Iterator[anthropic.Anthropic]:
    url = standin.base_url("anthropic")
    with anthropic.Anthropic(base_url=url, api_key="k", max_retries=2) as client:
        yield client
