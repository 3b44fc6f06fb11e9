"""A stream that outgrows what is held for it asks for more; refused, it ends as one that has met its limit."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

import pytest

from otel_genai_cost import attributes as names
from otel_genai_cost import tenant
from otel_genai_cost.testing.standin import Answer, StandIn, Usage
from tests.gated.calls import Made, Make, params
from tests.gated.conftest import Application, wait_for
from tests.gated.scripted_gate import ALLOW, BLOCK, Said, ScriptedGate

_WORDS: Final = " ".join(f"word{n}" for n in range(400))
_HELD: Final = Said(200, {"decision": "allow", "held": "0.01", "max_tokens": 40})
_WITHOUT_LAST: Final = {"API version 1", "InvokeModel"}
"""Their last event is made of more than is known half-way."""


_READ_AS_BYTES: Final = {"litellm"}
"""What it sends itself has no parts that could be the last."""


@pytest.fixture(params=params(("stream", "async stream"), without=_READ_AS_BYTES))
def streamed(
    request: Any,
    gate: ScriptedGate,
    standin: StandIn,
    application: Application,
    monkeypatch: pytest.MonkeyPatch,
) -> Generator[tuple[Made, Make]]:
    call: Made = request.param
    monkeypatch.setattr(
        "otel_genai_instrumentors.gated_call.asked", _unlimited
    )  # the drivers name a limit
    application.ask(gate.url, gate_timeout_ms=5_000)
    gate.answer = _HELD
    answer = Answer(text=_WORDS, usage=Usage(10, 800), part_delay_s=0.001)
    standin.script.always(call.driver.answer("stream", answer))
    with (
        application.instrumenting(call.driver.instrumentor),
        tenant("acme"),
        call.opened(standin.base_url(call.driver.provider)) as make,
    ):
        yield call, make


def _unlimited(body: Any) -> Any:
    from otel_genai_cost.usage.asked import asked

    return asked(body)._replace(output_max=None)


def test_it_ends_cleanly_where_no_more_is_held(
    streamed: tuple[Made, Make], gate: ScriptedGate, application: Application, standin: StandIn
) -> None:
    call, make = streamed
    gate.extend = BLOCK
    parts = make()
    assert 5 < len(parts) < 60  # of more than 400
    if call.driver.name not in _WITHOUT_LAST:
        assert _ends_at_its_limit(parts), parts[-2:]
    (asked,) = gate.of("extend")
    assert asked == {"id": gate.of("reserve")[0]["id"], "max_tokens": 40 + 256}
    (observation,) = application.observations
    assert observation.reading.error == "unfinished"
    assert observation.reading.usage.quality in ("estimated", "unknown")
    assert application.only["genai_cost.gate.decision"] == "cut"
    least, likely = application.only[names.ESTIMATE_OUTPUT][:2]
    assert 0 < least <= likely
    assert wait_for(lambda: standin.bills)  # which the stand-in wrote as the connection went


def _ends_at_its_limit(parts: list[Any]) -> bool:
    said = " ".join(map(str, parts[-3:])).lower()
    return any(word in said for word in ("'length'", "max_tokens", "max_output_tokens"))


def test_it_goes_on_where_more_is_held(
    streamed: tuple[Made, Make], gate: ScriptedGate, application: Application
) -> None:
    _, make = streamed
    gate.extend = ALLOW
    parts = make()
    assert len(parts) > 300 and gate.of("extend")
    totals = [each["max_tokens"] for each in gate.of("extend")]
    assert totals == [40 + 256 * (n + 1) for n in range(len(totals))]
    assert "genai_cost.gate.decision" not in application.only
    (observation,) = application.observations
    assert observation.reading.usage.quality == "reported"
