"""How the gate is asked: by whatever answers, without blocking an event loop, and as the application wants it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, Final

import openai
import pytest

import otel_genai_cost
from otel_genai_cost import Block, admission, block_of, graceful, tenant
from otel_genai_cost.gate_connection import GateConnections
from otel_genai_cost.gate_protocol import GateDownError
from otel_genai_cost.testing.standin import Answer, StandIn
from otel_genai_instrumentors.clients.openai import OpenAIInstrumentor
from tests.gated.conftest import Application, wait_for
from tests.gated.scripted_gate import ALLOW, BLOCK, Asked, Said, ScriptedGate

_ASKED: Final[dict[str, Any]] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "hello"}],
    "max_tokens": 64,
}


@pytest.fixture(autouse=True)
def instrumented(application: Application) -> Generator[None]:
    with application.instrumenting(OpenAIInstrumentor), tenant("acme"):
        yield


@pytest.fixture
def call(standin: StandIn) -> Generator[Callable[[], Any]]:
    with openai.OpenAI(base_url=f"{standin.base_url('openai')}/v1", api_key="k") as client:
        yield lambda: client.chat.completions.create(**_ASKED)


_HOSTILE: Final = {
    "no JSON": Said(200, {}, b"<html>"),
    "no object": Said(200, {}, b"[1]"),
    "nothing": Said(200, {}, b""),
    "no decision": Said(200, {"decision": "perhaps"}),
    "long": Said(200, {}, b'{"decision": "allow", "x": "' + b"x" * 200_000 + b'"}'),
    "deep": Said(200, {}, b"[" * 60_000),
    "an error": Said(500, {"detail": "oops"}),
    "not found": Said(404, {}),
    "refused": Said(401, {"type": "unauthorized"}),
    "hangs": Said(200, {"decision": "allow"}, hangs=True),
    "drips": Said(200, {"decision": "allow"}, drips=True),
}


@pytest.mark.parametrize("said", _HOSTILE.values(), ids=_HOSTILE.keys())
def test_whatever_makes_no_sense_is_a_gate_that_is_down(
    said: Said, gate: ScriptedGate, application: Application, call: Callable[[], Any]
) -> None:
    application.ask(gate.url, gate_timeout_ms=300)
    gate.answer = said
    with graceful() as outcome:
        call()
    assert outcome.block is not None and outcome.block.type == "gate_unavailable"
    assert admission.counts["down"] == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"held": "NaN", "max_tokens": -1, "model": 7, "retry_after_s": "soon"},
        {"held": "1e999999999", "max_tokens": 10**30, "model": "", "retry_after_s": float("inf")},
        {"held": 0.5, "max_tokens": True, "model": ["x"], "retry_after_s": True},
    ],
)
def test_what_makes_no_sense_of_an_admission_is_not_there(
    fields: dict[str, Any], gate: ScriptedGate, application: Application, call: Callable[[], Any]
) -> None:
    application.ask(gate.url)
    gate.answer = Said(200, {"decision": "allow", **fields})
    call()
    assert len(application.observations) == 1


def test_a_tenant_that_is_unknown_while_the_gate_is_down_is_by_the_setting(
    application: Application, call: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    application.ask("http://127.0.0.1:1", gate_down="open")
    call()
    call()
    assert admission.counts == {"down": 2, "open": 2}
    assert sum("the gate is down" in each.message for each in caplog.records) <= 1


def test_a_gate_that_hangs_costs_its_time_out_once_in_a_while(
    gate: ScriptedGate, application: Application, call: Callable[[], Any]
) -> None:
    application.ask(gate.url, gate_timeout_ms=200, gate_down="open")
    gate.answer = Said(200, {"decision": "allow"}, hangs=True)
    began_s = time.monotonic()
    for _ in range(20):
        call()
    took_s, asked = time.monotonic() - began_s, len(gate.of("reserve"))
    assert admission.counts["down"] == 20
    assert 2 <= asked < 20
    assert took_s >= 0.25 * (2 ** (asked - 2) - 1), "a pause before each but two, twice the last"
    gate.answer = ALLOW
    assert wait_for(lambda: call() and admission.counts.get("allow"), 30)


def _held_up() -> tuple[Callable[[Asked], Said], Event]:
    """A gate that answers once it may."""
    answering = Event()

    def answer(asked: Asked) -> Said:
        answering.wait(60)
        return ALLOW

    return answer, answering


def test_no_event_loop_waits_for_the_gate(
    gate: ScriptedGate, application: Application, standin: StandIn
) -> None:
    """It goes on, and asks for all of them, before any is answered."""
    application.ask(gate.url, gate_timeout_ms=20_000)
    gate.answer, answering = _held_up()

    async def run() -> None:
        async with openai.AsyncOpenAI(
            base_url=f"{standin.base_url('openai')}/v1", api_key="k"
        ) as client:
            calls = asyncio.gather(*(client.chat.completions.create(**_ASKED) for _ in range(4)))
            while len(gate.of("reserve")) < 4 and not calls.done():
                await asyncio.sleep(0.01)
            assert not calls.done()
            answering.set()
            await calls

    asyncio.run(run())
    assert len(application.observations) == 4


def test_who_is_cancelled_while_the_gate_is_asked_holds_nothing(
    gate: ScriptedGate, application: Application, standin: StandIn
) -> None:
    application.ask(gate.url, gate_timeout_ms=20_000)
    gate.answer, answering = _held_up()

    async def run() -> None:
        async with openai.AsyncOpenAI(
            base_url=f"{standin.base_url('openai')}/v1", api_key="k"
        ) as client:
            job = asyncio.ensure_future(client.chat.completions.create(**_ASKED))
            while not gate.of("reserve") and not job.done():
                await asyncio.sleep(0.01)
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job
            answering.set()

    asyncio.run(run())
    assert wait_for(lambda: gate.of("release"))
    assert gate.of("release")[0]["id"] == gate.of("reserve")[0]["id"]
    assert standin.received == [] == application.observations


def test_each_thread_has_a_connection_and_many_may_ask_at_once(
    gate: ScriptedGate, application: Application, call: Callable[[], Any]
) -> None:
    application.ask(gate.url, gate_timeout_ms=10_000)

    def in_thread(_: int) -> None:
        with tenant("acme"):
            call()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(in_thread, range(24)))
    assert len(application.observations) == 24 == len({each["id"] for each in gate.of("reserve")})
    assert len({each.connection for each in gate.asked}) <= 4


def test_a_child_of_a_fork_has_connections_of_its_own(gate: ScriptedGate) -> None:
    connections = GateConnections(gate.url, "", 5)
    assert connections.post("/v1/reserve", {"id": "parent"}).status == 200
    child = os.fork()
    if not child:
        is_well = connections.post("/v1/reserve", {"id": "child"}).status == 200
        os._exit(0 if is_well else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert connections.post("/v1/reserve", {"id": "parent again"}).status == 200
    by_id = {each.body["id"]: each.connection for each in gate.asked}
    assert by_id["parent"] == by_id["parent again"] != by_id["child"]


def test_a_connection_that_the_gate_closed_is_made_anew(gate: ScriptedGate) -> None:
    connections = GateConnections(gate.url, "", 5)
    connections.post("/v1/reserve", {})
    gate.drop()
    assert connections.post("/v1/reserve", {}).status == 200
    gate.down()
    with pytest.raises(GateDownError):
        connections.post("/v1/reserve", {})


def test_the_application_answers_instead(
    gate: ScriptedGate, application: Application, call: Callable[[], Any], standin: StandIn
) -> None:
    application.ask(gate.url)
    gate.answer = BLOCK
    seen: list[Block] = []

    def answer(block: Block) -> str | None:
        seen.append(block)
        return "come back later" if len(seen) < 2 else None

    otel_genai_cost.on_block(answer)
    assert call() == "come back later"
    with pytest.raises(openai.APIStatusError):
        call()
    assert [each.operation for each in seen] == ["chat", "chat"]
    assert seen[0].message == "the budget is used up until 2026-12-01T00:00:00Z"
    assert application.observations == [] == standin.received


def test_an_async_hook_is_awaited(
    gate: ScriptedGate, application: Application, standin: StandIn
) -> None:
    application.ask(gate.url)
    gate.answer = BLOCK

    async def answer(block: Block) -> str:
        await asyncio.sleep(0)
        return block.message

    otel_genai_cost.on_block(answer)

    async def run() -> Any:
        async with openai.AsyncOpenAI(
            base_url=f"{standin.base_url('openai')}/v1", api_key="k"
        ) as client:
            return await client.chat.completions.create(**_ASKED)

    assert asyncio.run(run()) == "the budget is used up until 2026-12-01T00:00:00Z"


def test_a_framework_that_wraps_errors_and_one_that_tries_again(
    gate: ScriptedGate, application: Application, call: Callable[[], Any], standin: StandIn
) -> None:
    application.ask(gate.url)
    gate.answer = BLOCK

    def agent() -> None:
        try:
            call()
        except openai.OpenAIError as error:
            raise RuntimeError("the agent failed") from error

    with pytest.raises(RuntimeError) as raised:
        agent()
    block = block_of(raised.value)
    assert block is not None and block.type == "budget_exceeded"
    with graceful() as outcome:
        agent()
    assert outcome.block == block

    def tries_again(left: int) -> Any:
        try:
            return call()
        except openai.APIStatusError as error:
            is_final = error.response.headers["x-should-retry"] == "false"
            return None if is_final or not left else tries_again(left - 1)

    before = len(gate.of("reserve"))
    assert tries_again(5) is None and len(gate.of("reserve")) == before + 1
    assert standin.received == []
    with pytest.raises(ValueError, match="mine"), graceful():
        raise ValueError("mine")


def test_pressure_is_waited_for_and_then_is_a_429(
    gate: ScriptedGate, application: Application, call: Callable[[], Any]
) -> None:
    application.ask(gate.url, gate_wait_s=2)
    pressed = Said(429, {"type": "hold_pressure", "scope": "tenant=acme", "retry_after_s": 0.02})
    answers = [pressed, pressed, ALLOW]
    gate.answer = lambda _: answers.pop(0)
    call()
    assert len({each["id"] for each in gate.of("reserve")}) == 1 and not answers
    gate.answer = pressed._replace(fields={**pressed.fields, "retry_after_s": 30})
    with pytest.raises(openai.RateLimitError) as raised:
        call()
    assert raised.value.response.headers["retry-after"] == "30"


@pytest.mark.parametrize("decision", ["pace", "downgrade", "shrink"])
@pytest.mark.parametrize("asked", [{"max_tokens": 64}, {}], ids=["a limit", "no limit"])
def test_what_is_shrunk_is_written_no_longer_whatever_else_was_decided(
    decision: str,
    asked: dict[str, Any],
    gate: ScriptedGate,
    application: Application,
    standin: StandIn,
) -> None:
    application.ask(gate.url)
    fields = {"decision": decision, "held": "0.1", "max_tokens": 17, "shrunk": True}
    gate.answer = Said(200, {**fields, "retry_after_s": 0.01})
    messages = _ASKED["messages"]
    with openai.OpenAI(base_url=f"{standin.base_url('openai')}/v1", api_key="k") as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=messages, **asked)
    (received,) = standin.received
    limits = [received.body.get(name) for name in ("max_tokens", "max_completion_tokens")]
    assert 17 in limits and set(limits) <= {17, None}
    assert application.only["genai_cost.gate.decision"] == decision


def test_a_call_that_is_paced_and_not_shrunk_keeps_to_its_own_limit(
    gate: ScriptedGate, application: Application, standin: StandIn
) -> None:
    application.ask(gate.url)
    fields = {"decision": "pace", "held": "0.1", "max_tokens": 16_384, "shrunk": False}
    gate.answer = Said(200, {**fields, "retry_after_s": 0.01})
    messages = _ASKED["messages"]
    with openai.OpenAI(base_url=f"{standin.base_url('openai')}/v1", api_key="k") as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=messages)
    assert not {"max_tokens", "max_completion_tokens"} & standin.received[0].body.keys()
    assert application.only["genai_cost.gate.decision"] == "pace"


def test_each_budget_that_is_nearly_used_up_is_said(
    gate: ScriptedGate,
    application: Application,
    call: Callable[[], Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    application.ask(gate.url)
    scopes = [f"tenant=nearly-{n}" for n in range(70)]
    for scope in (*scopes, scopes[-1]):
        warnings = [{"budget": "b", "scope": scope}, {"budget": "c", "scope": "organisation"}]
        gate.answer = Said(200, {"decision": "warn", "held": "0.1", "warnings": warnings})
        call()
    said = [each.getMessage() for each in caplog.records if "nearly used up" in each.message]
    assert [text.split()[3] for text in said] == scopes, "each once a minute"


def test_a_call_that_is_nobodys_or_not_metered_is_not_held_for_another(
    gate: ScriptedGate, application: Application, standin: StandIn
) -> None:
    application.ask(gate.url)
    with openai.OpenAI(base_url=f"{standin.base_url('openai')}/v1", api_key="k") as client:
        with otel_genai_cost.system("nightly"):
            client.chat.completions.create(**_ASKED)
        standin.script.next(Answer(status=400))
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(**_ASKED)
    assert gate.of("reserve")[0]["tenant"] is None
    assert wait_for(lambda: gate.of("settle"))
