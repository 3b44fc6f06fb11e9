"""Before every kind of call of every client the gate is asked, once, and what it says is what happens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote

import pytest

from otel_genai_cost import block_of, graceful, tenant
from otel_genai_cost.testing.standin import Answer, StandIn
from tests.gated.calls import SHAPES, Made, Make, params
from tests.gated.conftest import Application, wait_for
from tests.gated.scripted_gate import ALLOW, BLOCK, Said, ScriptedGate

_ERRORS: Final = {
    "openai": "openai.APIStatusError",
    "anthropic": "anthropic.APIStatusError",
    "google-genai": "google.genai.errors.ClientError",
    "mistralai": "mistralai.client.errors.sdkerror.SDKError",
    "cohere": "cohere.core.api_error.ApiError",
    "ollama": "ollama._types.ResponseError",
    "groq": "groq.APIStatusError",
    "together": "together.APIStatusError",
    "botocore": "botocore.exceptions.ClientError",
    "litellm": "openai.APIError",
}
_LIMITS: Final = frozenset(
    {"maxtokens", "maxcompletiontokens", "maxoutputtokens", "numpredict", "maxgenlen"}
)


class Scene:
    """A client that is open in an application that asks a gate."""

    def __init__(
        self, call: Made, make: Make, gate: ScriptedGate, standin: StandIn, application: Application
    ) -> None:
        self.call, self._make, self.gate = call, make, gate
        self.standin, self.application = standin, application

    def make(self) -> None:
        """Make a call, and see it end."""
        wanted = len(self.application.spans) + 1
        self._make()
        assert wait_for(lambda: self.application.has_ended(wanted), 60)

    def again(self, answer: Said = ALLOW) -> None:
        """From now on the gate says something else, and nothing has happened yet."""
        self.gate.answer = answer
        self.gate.asked.clear()
        self.standin.reset()
        self.application.again()


@pytest.fixture(params=params(SHAPES))
def scene(
    request: Any, gate: ScriptedGate, standin: StandIn, application: Application
) -> Iterator[Scene]:
    call: Made = request.param
    application.ask(gate.url, gate_token="t0", gate_timeout_ms=5_000)
    url = standin.base_url(call.driver.provider)
    with (
        application.instrumenting(call.driver.instrumentor),
        tenant("acme", feature="chat"),
        call.opened(url) as make,
    ):
        yield Scene(call, make, gate, standin, application)


def test_what_the_gate_says_is_what_happens(scene: Scene) -> None:
    for act in (
        _admitted,
        _blocked,
        _shrunk,
        _downgraded,
        _paced,
        _deferred,
        _refused_by_the_provider,
        _down,
    ):
        scene.again()
        act(scene)


def _admitted(scene: Scene) -> None:
    """It is made."""
    scene.make()
    (asked,) = scene.gate.of("reserve")
    (observation,) = scene.application.observations
    assert asked["id"] == observation.id and scene.gate.asked[0].token == "Bearer t0"
    assert (asked["tenant"], asked["feature"]) == ("acme", "chat")
    assert asked["action"] == observation.trace_id
    assert asked["model"] == observation.reading.model_requested
    assert asked["max_tokens"] == 64 and asked["input_tokens"] > len("hello")
    assert len(scene.standin.received) == 1 and not scene.gate.of("release")
    assert "genai_cost.gate.decision" not in scene.application.only


def _blocked(scene: Scene) -> None:
    """It raises the client's own error, and is neither sent nor asked for again, though the client would."""
    scene.again(BLOCK)
    with pytest.raises(Exception) as raised:
        scene.make()
    error: Any = raised.value
    kinds = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]
    library = scene.call.driver.library
    assert _ERRORS[library] in kinds and (_status_of(error) == 402 or library == "litellm")
    block = block_of(error)
    assert block is not None and (block.type, block.tenant) == ("budget_exceeded", "acme")
    assert (block.scope, block.reset_at) == ("tenant=acme", "2026-12-01T00:00:00Z")
    assert "tenant=acme" in _body_of(error) or library == "ollama"
    assert len(scene.gate.of("reserve")) == 1
    with graceful() as outcome:
        scene.make()
    assert outcome.block == block and scene.standin.received == []
    assert scene.application.observations == [] and not scene.gate.of("release")
    first = dict(scene.application.spans[0].attributes or {})
    assert first["genai_cost.gate.decision"] == "block"
    assert first["genai_cost.gate.scope"] == "tenant=acme"


def _status_of(error: Any) -> int:
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return int(response["ResponseMetadata"]["HTTPStatusCode"])
    found = getattr(error, "status_code", None) or getattr(error, "code", None)
    return int(found or response.status_code)  # type: ignore[union-attr]


def _body_of(error: Any) -> str:
    """What a handler reads of the error."""
    names = ("body", "details", "response", "raw_response", "error", "message")
    return " ".join(str(getattr(error, name, "")) for name in names)


def _shrunk(scene: Scene) -> None:
    """It may write less."""
    scene.again(Said(200, {"decision": "shrink", "held": "0.1", "max_tokens": 17}))
    scene.make()
    (received,) = scene.standin.received
    assert _limits_in(received.body) == [17]
    assert scene.application.only["genai_cost.gate.decision"] == "shrink"
    assert len(scene.application.observations) == 1


def _limits_in(value: Any) -> list[int]:
    if not isinstance(value, dict):
        return []
    own = [n for key, n in value.items() if key.lower().replace("_", "") in _LIMITS]
    return own + [n for each in value.values() for n in _limits_in(each)]


def _downgraded(scene: Scene) -> None:
    """It asks another model, and is metered as that one's."""
    driver = scene.call.driver
    cheaper = f"{driver.model}-mini"
    fields = {"decision": "downgrade", "held": "0.1", "model": cheaper, "max_tokens": 64}
    scene.again(Said(200, fields))
    scene.make()
    (received,) = scene.standin.received
    assert cheaper in json.dumps(received.body) or cheaper in unquote(received.path)
    (observation,) = scene.application.observations
    assert observation.reading.model_requested == cheaper
    assert observation.reading.model_asked == driver.model
    assert observation.id == scene.gate.of("reserve")[0]["id"]


def _paced(scene: Scene) -> None:
    """It waits."""
    scene.again(Said(200, {"decision": "pace", "held": "0.1", "retry_after_s": 0.02}))
    scene.make()
    assert len(scene.standin.received) == 1 == len(scene.gate.of("reserve"))
    scene.again(Said(200, {"decision": "pace", "held": "0.1", "retry_after_s": 60}))
    with graceful() as outcome:
        scene.make()
    assert outcome.block is not None
    assert (outcome.block.type, outcome.block.status) == ("paced", 429)
    assert scene.standin.received == [] and wait_for(lambda: scene.gate.of("release"))


def _deferred(scene: Scene) -> None:
    """It is for later."""
    scene.again(Said(200, {"decision": "defer", "retry_after_s": 3_600}))
    with graceful() as outcome:
        scene.make()
    assert outcome.block is not None and outcome.block.type == "deferred"
    assert outcome.block.retry_after_s == 3_600 and scene.standin.received == []


def _refused_by_the_provider(scene: Scene) -> None:
    """It costs nothing, and nothing is held for it."""
    scene.standin.script.always(Answer(status=400))
    with pytest.raises(Exception):  # noqa: B017 -- each client has its own
        scene.make()
    (settled,) = wait_for(lambda: scene.gate.of("settle"))
    assert settled == {"id": scene.gate.of("reserve")[0]["id"], "amount": "0"}


def _down(scene: Scene) -> None:
    """It is not made, since that is what the budget said."""
    scene.gate.down()
    with graceful() as outcome:
        scene.make()
    assert outcome.block is not None
    assert (outcome.block.type, outcome.block.status) == ("gate_unavailable", 503)
    assert scene.standin.received == [] == scene.application.observations
