"""The results of batches of the real `anthropic` client: each message is one call, once, however often it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import anthropic
import pytest

from otel_genai_cost import attach, tenant
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.testing.standin import StandIn
from otel_genai_instrumentors.clients.anthropic import AnthropicInstrumentor
from tests.e2e.rig import observations_in
from tests.instrumentors.anthropic_client.calls import ANSWER, ASK, check_bill
from tests.instrumentors.conftest import Recorder

_REQUESTS: Final[list[Any]] = [{"custom_id": f"r{n}", "params": ASK} for n in range(3)]


def _made(client: anthropic.Anthropic) -> str:
    return client.messages.batches.create(requests=_REQUESTS).id


def _results(client: anthropic.Anthropic, batch: str) -> Any:
    return client.messages.batches.results(batch)


def _beta(client: anthropic.Anthropic, batch: str) -> Any:
    return client.beta.messages.batches.results(batch)


def _raw(client: anthropic.Anthropic, batch: str) -> Any:
    return client.messages.batches.with_raw_response.results(batch).parse()


@pytest.mark.parametrize("read", [_results, _beta, _raw])
def test_each_result_is_on_the_bill(
    client: anthropic.Anthropic,
    recorder: Recorder,
    standin: StandIn,
    read: Callable[[anthropic.Anthropic, str], Any],
) -> None:
    standin.script.always(ANSWER)
    batch = _made(client)
    assert not recorder.spans
    results = list(read(client, batch))
    assert [result.custom_id for result in results] == ["r0", "r1", "r2"]
    assert len(standin.bills) == 3
    check_bill(recorder, standin)
    calls: list[dict[str, Any]] = [dict(span.attributes or {}) for span in recorder.spans]
    assert {call["genai_cost.batch"] for call in calls} == {True}
    assert {call["gen_ai.provider.name"] for call in calls} == {"anthropic"}


def test_what_is_not_read_is_not_known(
    client: anthropic.Anthropic, recorder: Recorder, standin: StandIn
) -> None:
    results = _results(client, _made(client))
    next(iter(results))
    results.close()
    assert len(recorder.spans) == 1


class _Metered:
    def __init__(self, folder: Path) -> None:
        self.recorder, self._journal = Recorder(), folder / "journal"
        attach(self.recorder.provider, journal=self._journal, quiet=True)

    @property
    def observations(self) -> list[Observation]:
        return observations_in(self._journal)

    @property
    def charged(self) -> list[tuple[str | None, bool]]:
        """Whom each charge is for, and whether it is of a batch."""
        return [
            (verdict.attribution.tenant, bool(verdict.richest.reading.context.get("batch")))
            for verdict in settle(self.observations).verdicts
        ]


@pytest.fixture
def metered(tmp_path: Path) -> Iterator[_Metered]:
    metered = _Metered(tmp_path)
    instrumentor = AnthropicInstrumentor()
    instrumentor.instrument(tracer_provider=metered.recorder.provider)
    yield metered
    instrumentor.uninstrument()


@pytest.fixture(params=[True, False], ids=["tracing itself", "untraced"])
def tracing(request: pytest.FixtureRequest, metered: _Metered) -> Any:
    return {"traces": request.param, "tracer_provider": metered.recorder.provider}


def test_results_are_for_whom_the_batch_was_made_and_charged_once(
    metered: _Metered, standin: StandIn, tracing: Any
) -> None:
    url = standin.base_url("anthropic")
    with anthropic.Anthropic(base_url=url, api_key="k", open_telemetry=tracing) as client:
        with tenant("acme"):
            batch = _made(client)
        with tenant("whoever"):
            assert len(list(_results(client, batch))) == len(list(_results(client, batch))) == 3
    assert len(metered.observations) == 6
    assert metered.charged == [("acme", True)] * 3


def test_results_of_another_process_are_for_whoever_reads_them(
    metered: _Metered, standin: StandIn, tracing: Any
) -> None:
    url = standin.base_url("anthropic")
    with anthropic.Anthropic(base_url=url, api_key="k", open_telemetry=tracing) as client:
        batch = _made(client)
        with tenant("reader"):
            assert len(list(_results(client, batch))) == 3
    assert metered.charged == [("reader", True)] * 3


def test_async(metered: _Metered, standin: StandIn, tracing: Any) -> None:
    async def run() -> None:
        url = standin.base_url("anthropic")
        async with anthropic.AsyncAnthropic(
            base_url=url, api_key="k", open_telemetry=tracing
        ) as client:
            with tenant("acme"):
                batch = await client.messages.batches.create(requests=_REQUESTS)
            results = await client.messages.batches.results(batch.id)
            assert [result.custom_id async for result in results] == ["r0", "r1", "r2"]

    asyncio.run(run())
    assert metered.charged == [("acme", True)] * 3
