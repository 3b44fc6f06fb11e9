"""What the contract has no case for: the rest of Mistral's API, and its client's own spans beside ours."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from mistralai.client import Mistral
from mistralai.client.utils import BackoffStrategy, RetryConfig
from pydantic import BaseModel, ValidationError

from otel_genai_cost.testing.standin import Answer, StandIn, Usage
from otel_genai_instrumentors.clients.mistralai import MistralInstrumentor
from otel_genai_instrumentors.open_calls import drain
from tests.instrumentors.conftest import Recorder

_ASK: Final[dict[str, Any]] = {
    "model": "mistral-small-2603",
    "messages": [{"role": "user", "content": "What is the weather like?"}],
}
_ANEW: Final = RetryConfig("backoff", BackoffStrategy(10, 20, 1.1, 10_000), True)


@pytest.fixture(scope="module")
def mistral() -> Iterator[StandIn]:
    with StandIn("mistral_ai") as running:
        yield running


@pytest.fixture
def client(mistral: StandIn) -> Iterator[Mistral]:
    mistral.reset()
    with Mistral(api_key="k", server_url=mistral.base_url("mistral_ai")) as client:
        yield client


@pytest.fixture
def seen() -> Iterator[Recorder]:
    recorder = Recorder()
    instrumentor = MistralInstrumentor()
    instrumentor.instrument(tracer_provider=recorder.provider)
    yield recorder
    instrumentor.uninstrument()


def _used(recorder: Recorder) -> dict[str, Any]:
    drain()
    return {name: n for name, n in recorder.only.items() if ".usage." in name}


@pytest.mark.parametrize(
    ("call", "usage", "used"),
    [
        pytest.param(
            lambda c: c.ocr.process(
                model="mistral-ocr-latest",
                document={"type": "document_url", "document_url": "https://example.com/a.pdf"},
            ),
            Usage(pages=3),
            {"genai_cost.usage.pages": 3},
            id="ocr",
        ),
        pytest.param(
            lambda c: c.agents.complete(agent_id="ag", messages=_ASK["messages"]),
            Usage(1_200, 300, cache_read_tokens=640),
            {
                "gen_ai.usage.input_tokens": 1_200,
                "gen_ai.usage.output_tokens": 300,
                "gen_ai.usage.cache_read.input_tokens": 640,
            },
            id="agent",
        ),
        pytest.param(
            lambda c: c.fim.complete(model="codestral-2508", prompt="def f("),
            Usage(12, 3),
            {"gen_ai.usage.input_tokens": 12, "gen_ai.usage.output_tokens": 3},
            id="fill in the middle",
        ),
    ],
)
def test_what_is_used(
    client: Mistral,
    mistral: StandIn,
    seen: Recorder,
    call: Callable[[Mistral], object],
    usage: Usage,
    used: dict[str, int],
) -> None:
    mistral.script.next(Answer(usage))
    call(client)
    assert _used(seen) == used


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_conversation_has_what_its_connectors_brought(
    client: Mistral, mistral: StandIn, seen: Recorder, is_streamed: bool
) -> None:
    usage = Usage(7_300, 55, web_searches=1)
    mistral.script.next(Answer(usage, options={"connector_tokens": 7_112}))
    conversations = client.beta.conversations
    if is_streamed:
        list(conversations.start_stream(model="mistral-medium-2505", inputs="What is new?"))
    else:
        conversations.start(model="mistral-medium-2505", inputs="What is new?")
    assert _used(seen) == {
        "gen_ai.usage.input_tokens": 7_300,
        "gen_ai.usage.output_tokens": 55,
        "genai_cost.usage.web_searches": 1,
    }
    assert seen.only["gen_ai.response.model"] == "mistral-medium-2505"


class _Weather(BaseModel):
    degrees: int


def test_an_answer_of_another_structure_is_billed(
    client: Mistral, mistral: StandIn, seen: Recorder
) -> None:
    mistral.script.next(Answer(Usage(1_200, 300), text='{"city": "Oslo"}'))
    with pytest.raises(ValidationError):
        client.chat.parse(_Weather, **_ASK)
    assert _used(seen)["gen_ai.usage.output_tokens"] == 300


def test_attempts_have_their_statuses(client: Mistral, mistral: StandIn, seen: Recorder) -> None:
    refused = [Answer(status=status) for status in (429, 503)]
    mistral.script.next(*refused, Answer(Usage(12, 3)))
    client.chat.complete(**_ASK, retries=_ANEW)
    assert seen.only["genai_cost.attempts"] == 3
    assert seen.only["genai_cost.attempt_statuses"] == (429, 503, 200)


def test_what_never_left_is_no_call(seen: Recorder) -> None:
    with Mistral(api_key="k", server_url="http://127.0.0.1:9") as client, pytest.raises(Exception):  # noqa: B017
        client.chat.complete(**_ASK)
    assert seen.only["genai_cost.request.sent"] is False


_BESIDE: Final = """
import json, sys
from contextlib import closing
from pathlib import Path
from mistralai.client import Mistral
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from otel_genai_cost.ledger.charge import charges
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.metering.activation import attach
from otel_genai_cost.testing.standin import StandIn
from otel_genai_instrumentors.clients.mistralai import MistralInstrumentor

folder, provider = Path(sys.argv[1]), TracerProvider()
attach(provider, journal=folder / "journal", quiet=True)
trace.set_tracer_provider(provider)
MistralInstrumentor().instrument(tracer_provider=provider)
ask = {"model": "mistral-small-2603", "messages": [{"role": "user", "content": "Hello?"}]}
with StandIn("mistral_ai") as standin:
    client = Mistral(api_key="k", server_url=standin.base_url("mistral_ai"))
    client.chat.complete(**ask)
    list(client.chat.stream(**ask))
ship(folder, [folder / "journal"], drain=True)
with closing(Ledger(folder / LEDGER_FILE, readonly=True)) as ledger:
    positions = [one for charge in charges(ledger) for one in charge.positions]
    print(json.dumps([[one.quality, one.usage, one.calls] for one in positions]))
    billed = [bill["usage"] for bill in standin.bills]
    print(json.dumps([{"input": one["input_tokens"], "output": one["output_tokens"]} for one in billed]))
"""


def test_one_charge_a_call_beside_the_clients_own_spans(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _BESIDE, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={"MISTRAL_SDK_TELEMETRY": "global", "PATH": "", "HOME": str(tmp_path)},
    )
    charged, billed = (json.loads(line) for line in done.stdout.splitlines())
    assert charged == [["reported", usage, 1] for usage in billed]
    assert len(billed) == 2
