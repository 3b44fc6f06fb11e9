"""LiteLLM, where it is installed: its environments run these tests and those of every client.

It makes an error of its own of what comes back, by the status; so a refusal has to end as a provider's would.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from otel_genai_cost import block_of, tenant
from otel_genai_cost.testing.standin import Answer, StandIn, Usage
from tests.gated.calls import CALLS, Made, Make
from tests.gated.conftest import Application, wait_for
from tests.gated.scripted_gate import ALLOW, BLOCK, Said, ScriptedGate

_CALLS: Final = [call for call in CALLS if call.driver.library == "litellm"]
_UNAVAILABLE: Final = Said(503, {"type": "gate_unavailable", "scope": "tenant=acme"})
_DEFERRED: Final = Said(200, {"decision": "defer", "retry_after_s": 3_600})


@pytest.fixture(params=[pytest.param(call, id=str(call)) for call in _CALLS])
def call(request: Any) -> Made:
    made: Made = request.param
    return made


@pytest.fixture
def make(
    call: Made, gate: ScriptedGate, standin: StandIn, application: Application
) -> Iterator[Make]:
    application.ask(gate.url, gate_timeout_ms=5_000)
    with (
        application.instrumenting(call.driver.instrumentor),
        tenant("acme"),
        call.opened(standin.base_url(call.driver.provider)) as opened,
    ):
        yield opened


@pytest.mark.parametrize("said", [BLOCK, _DEFERRED, _UNAVAILABLE], ids=["402", "429", "503"])
def test_a_refusal_ends_as_the_same_status_of_a_provider(
    make: Make, gate: ScriptedGate, standin: StandIn, said: Said
) -> None:
    gate.answer = said
    refused = _error_of(make)
    block = block_of(refused)
    assert block is not None and standin.received == []
    gate.answer = ALLOW
    standin.script.always(Answer(status=block.status))
    answered = _error_of(make)
    assert len(standin.received) == 1
    assert type(refused) is type(answered)
    assert refused.status_code == answered.status_code


def test_a_stream_that_outgrows_its_hold_goes_on_and_is_counted(
    make: Make, call: Made, gate: ScriptedGate, standin: StandIn, application: Application
) -> None:
    if "stream" not in call.shape:
        return
    gate.answer = Said(200, {"decision": "allow", "held": "0.01", "max_tokens": 40})
    gate.extend = BLOCK
    used = Usage(10, 800)
    standin.script.always(Answer(text=" ".join(f"word{n}" for n in range(400)), usage=used))
    assert len(make()) > 300 and not gate.of("extend")
    assert wait_for(lambda: application.has_ended(1), 60)
    (observation,) = application.observations
    assert observation.id == gate.of("reserve")[0]["id"]
    assert observation.reading.usage.output_total == 800


def test_each_attempt_is_a_call_of_its_own_and_none_is_sent(
    call: Made, gate: ScriptedGate, standin: StandIn, application: Application
) -> None:
    """LiteLLM tries again whatever the error, where it is told to."""
    application.ask(gate.url, gate_timeout_ms=5_000)
    gate.answer = BLOCK
    url = standin.base_url(call.driver.provider)
    with (
        application.instrumenting(call.driver.instrumentor),
        tenant("acme"),
        _Trying(call).opened(url) as make,
    ):
        error = _error_of(make)
    assert block_of(error) is not None
    asked = gate.of("reserve")
    assert len(asked) == 3 == len({each["id"] for each in asked})
    assert standin.received == [] == application.observations


class _Trying(Made):
    """A call that is tried twice more."""

    def __new__(cls, call: Made) -> _Trying:
        return super().__new__(cls, *call)

    @property
    def retries(self) -> int:
        return 2


def _error_of(make: Make) -> Any:
    with pytest.raises(Exception) as raised:
        make()
    return raised.value
