"""A real Envoy, our external processing service, and a provider behind them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest
from openai import APIStatusError, OpenAI

from otel_genai_cost.admission import Admitted
from otel_genai_cost.blocks import Block
from otel_genai_cost.gate.gateway import Gateway
from tests.demo.processes import children, wait_until
from tests.gateways.provider import Provider, providing
from tests.gateways.proxies import envoy
from tests.gateways.serving import SaidGate, gateway_into, observed_in, serving

pytestmark = pytest.mark.service

_CONFIG: Final = "envoy-ext-proc.yaml"
_KEY: Final = "change-me-acme"
_TRACEPARENT: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Scene(NamedTuple):
    """What a test has: who says what is held, who answers, where Envoy is, and what was journalled."""

    gate: SaidGate
    provider: Provider
    gateway: Gateway
    url: str
    journal: Path

    def post(self, path: str = "/v1/chat/completions", **more: Any) -> httpx.Response:
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}], **more}
        return self.send(path, json.dumps(body).encode())

    def send(self, path: str, content: bytes, **headers: str) -> httpx.Response:
        own = {"authorization": f"Bearer {_KEY}", "content-type": "application/json", **headers}
        return httpx.post(self.url + path, content=content, headers=own, timeout=30)

    def observed(self) -> list[dict[str, Any]]:
        return observed_in(self.journal)

    def last(self) -> dict[str, Any]:
        """What was journalled last: when it comes, an answer may have passed already."""
        return wait_until(lambda: self.observed()[-1:], "an observation", 5)[0]


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("ext-proc")
    gate = SaidGate()
    with ExitStack() as stack:
        family = stack.enter_context(children())
        provider = stack.enter_context(providing())
        gateway = stack.enter_context(
            gateway_into(folder / "journal", gate, body_max_bytes=1 << 20)
        )
        port = stack.enter_context(serving(gateway))
        clusters = {"genai_cost": port, "openai": provider.port, "anthropic": provider.port}
        _, at = envoy(family, folder, _CONFIG, clusters)
        yield Scene(gate, provider, gateway, f"http://127.0.0.1:{at}", folder / "journal")


@pytest.fixture
def scene(standing: Scene) -> Scene:
    standing.gate.__init__()  # type: ignore[misc]
    port = standing.provider.port
    standing.provider.__init__()  # type: ignore[misc]
    standing.provider.port = port
    standing.gateway.counts.clear()
    standing.gateway.events.clear()
    return standing


def test_a_call_is_held_for_the_tenant_of_its_key_and_metered(scene: Scene) -> None:
    got = scene.send(
        "/v1/chat/completions",
        b'{"model": "gpt-4o-mini", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}',
        **{
            "x-tenant-id": "forged",
            "traceparent": _TRACEPARENT,
            "baggage": "genai_cost.feature=summary,tenant.id=forged",
        },
    )
    assert got.status_code == 200, got.text
    assert got.json()["usage"]["completion_tokens"] == 100
    (ask,) = scene.gate.asked
    assert ask.who.tenant == "acme"
    assert ask.who.labels == {"feature": "summary", "action": _TRACEPARENT[3:35]}
    assert (ask.provider, ask.model, ask.max_tokens) == ("openai", "gpt-4o-mini", 50)
    assert ask.input_tokens is not None
    assert got.headers["x-genai-cost-hold"] == ask.who.id
    served = scene.provider.served[0]
    assert served.headers["authorization"] == "Bearer sk-provider"
    assert "x-tenant-id" not in served.headers
    last = scene.last()
    assert last["trace_id"] == _TRACEPARENT[3:35]
    assert last["path"] == [_TRACEPARENT[36:52]]
    assert last["attribution"] == {
        "tenant": "acme",
        "source": "edge",
        "labels": {"feature": "summary"},
    }
    assert last["cost"]["total"] == "0.0000618"
    assert last["usage"] == {"input": 12, "output": 100}
    assert scene.gate.settled == {ask.who.id: Decimal("0.0000618")}


def test_a_stream_passes_and_its_usage_is_asked_for_and_hidden(scene: Scene) -> None:
    got = scene.post(stream=True)
    assert got.headers["content-type"] == "text/event-stream"
    assert scene.provider.served[0].body["stream_options"] == {"include_usage": True}
    assert "accept-encoding" not in scene.provider.served[0].headers
    assert got.text.count("data: ") == scene.provider.events + 2
    assert '"usage"' not in got.text
    assert scene.last()["usage"] == {"input": 12, "output": 100}


def test_usage_that_the_caller_asked_for_is_not_hidden(scene: Scene) -> None:
    got = scene.post(stream=True, stream_options={"include_usage": True})
    assert '"usage"' in got.text


def test_a_packed_stream_is_passed_on_unpacked(scene: Scene) -> None:
    scene.provider.packs = True
    got = scene.post(stream=True)
    assert "content-encoding" not in got.headers
    assert got.text.endswith("data: [DONE]\n\n")
    assert scene.last()["usage"] == {"input": 12, "output": 100}


def test_a_packed_answer_is_passed_on_as_it_is(scene: Scene) -> None:
    scene.provider.packs = True
    got = scene.post()
    assert got.headers["content-encoding"] == "gzip"
    assert got.json()["object"] == "chat.completion"
    assert scene.last()["usage"] == {"input": 12, "output": 100}


@pytest.mark.parametrize(
    ("block", "after"),
    [
        (Block("budget_exceeded", 402, "acme", scope="tenant=acme", reset_at="2026-12-01T00:00:00Z"), None),
        (Block("hold_pressure", 429, "acme", scope="tenant=acme", retry_after_s=2.0), "2"),
        (Block("gate_unavailable", 503, "acme", retry_after_s=1.0), "1"),
    ],
    ids=["402", "429", "503"],
)  # fmt: skip
def test_a_call_that_is_refused_never_reaches_the_provider(
    scene: Scene, block: Block, after: str | None
) -> None:
    scene.gate.says = block
    client = OpenAI(api_key=_KEY, base_url=f"{scene.url}/v1", timeout=20)
    with pytest.raises(APIStatusError) as caught:
        client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}], stream=True
        )
    response = caught.value.response
    assert response.status_code == block.status
    assert response.headers["x-should-retry"] == "false"
    assert response.headers.get("retry-after") == after
    assert response.json()["type"] == block.type
    assert response.json()["scope"] == block.scope
    assert len(scene.gate.asked) == 1, "the SDK does not try again"
    assert scene.provider.served == []
    assert scene.gateway.counts == {block.type: 1}


def test_less_may_be_written(scene: Scene) -> None:
    scene.gate.says = Admitted("shrink", Decimal("0.001"), max_tokens=77)
    got = scene.post(max_tokens=500)
    assert scene.provider.served[0].body["max_tokens"] == 77
    assert got.headers["x-genai-cost-decision"] == "shrink"


def test_another_model_may_be_asked(scene: Scene) -> None:
    scene.gate.says = Admitted("downgrade", Decimal("0.001"), model="gpt-4.1-nano")
    scene.post()
    assert scene.provider.served[0].body["model"] == "gpt-4.1-nano"
    assert scene.last()["model_requested"] == "gpt-4.1-nano"


def test_a_call_waits_for_its_turn(scene: Scene) -> None:
    scene.gate.says = Admitted("pace", Decimal(1), retry_after_s=0.3)
    scene.gate.pauses_s = 0.3
    began_s = time.monotonic()
    assert scene.post().status_code == 200
    assert time.monotonic() - began_s >= 0.3


def test_a_call_that_would_wait_for_too_long_is_told_to_come_again(scene: Scene) -> None:
    scene.gate.says = Admitted("defer", Decimal(1), retry_after_s=3600.0)
    got = scene.post()
    assert (got.status_code, got.headers["retry-after"]) == (429, "3600")
    assert scene.gate.released == [scene.gate.asked[0].who.id]


def test_a_stream_that_nobody_pays_for_any_more_ends_cleanly(scene: Scene) -> None:
    scene.gate.says = Admitted("allow", Decimal("0.0001"))
    scene.provider.events, scene.provider.interval_s = 200, 0.01
    client = OpenAI(api_key=_KEY, base_url=f"{scene.url}/v1", timeout=20, max_retries=0)
    stream = client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}], stream=True
    )
    parts = list(stream)
    assert parts[-1].choices[0].finish_reason == "length"
    (served,) = scene.provider.served
    assert served.is_over.wait(5)
    assert not served.is_whole
    assert served.events <= len(parts) - 1 + 1, "at most one event after the cut"
    last = scene.last()
    assert last["usage"]["quality"] == "estimated"
    assert Decimal(last["cost"]["total"]) <= Decimal("0.0001")
    assert scene.gateway.events["cut"] == 1


def test_a_stream_goes_on_while_more_is_granted(scene: Scene) -> None:
    scene.gate.says, scene.gate.grants = Admitted("allow", Decimal("0.00001")), True
    got = scene.post(stream=True)
    assert got.text.endswith("data: [DONE]\n\n")
    assert scene.provider.served[0].is_whole
    assert scene.gate.extended == sorted(scene.gate.extended)
    assert scene.gateway.events["extended"] == len(scene.gate.extended) > 0


def test_a_caller_who_leaves_is_metered_by_what_came(scene: Scene) -> None:
    scene.provider.events, scene.provider.interval_s = 500, 0.01
    before = len(scene.observed())
    body = {"model": "gpt-4o-mini", "stream": True, "messages": []}
    headers = {"authorization": f"Bearer {_KEY}"}
    url = f"{scene.url}/v1/chat/completions"
    with httpx.stream("POST", url, json=body, headers=headers) as got:
        next(got.iter_bytes())
    wait_until(lambda: len(scene.observed()) > before, "an observation", 5)
    assert scene.last()["usage"]["quality"] == "estimated"
    assert scene.last()["error"] == "unfinished"


def test_anthropic_at_its_own_route(scene: Scene) -> None:
    content = b'{"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [], "stream": true}'
    got = scene.send("/anthropic/v1/messages", content, authorization="", **{"x-api-key": _KEY})
    assert got.text.count("event: ") == scene.provider.events + 5, got.text
    assert scene.provider.served[0].headers["x-api-key"] == "sk-ant-provider"
    assert scene.gate.asked[0].provider == "anthropic"
    assert scene.last()["usage"] == {"input": 12, "output": 100}


def test_an_error_of_the_provider_costs_nothing(scene: Scene) -> None:
    scene.provider.status = 429
    before = len(scene.observed())
    assert scene.post().status_code == 429
    assert scene.gate.settled == {scene.gate.asked[0].who.id: 0}
    assert len(scene.observed()) == before


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"model": 5, "messages": "\\ud800", "max_tokens": -1}',
        b"null",
        b"1" * 5000,
    ],
    ids=["empty", "half", "binary", "deep", "types", "null", "number"],
)
def test_hostile_bodies_are_asked_for_as_what_they_are(scene: Scene, content: bytes) -> None:
    got = scene.send("/v1/chat/completions", content)
    assert got.status_code in (200, 502), got.text  # what the provider of the test makes of it
    if content:
        assert len(scene.gate.asked) == 1
        assert scene.provider.served[0].content == content


def test_a_name_that_stands_twice_stands_once_for_the_provider(scene: Scene) -> None:
    scene.send("/v1/chat/completions", b'{"model": "o1-pro", "model": "gpt-4o-mini", "n": 1}')
    assert scene.gate.asked[0].model == "gpt-4o-mini"
    assert b"o1-pro" not in scene.provider.served[0].content


def test_a_body_that_is_too_long_to_be_read_is_held_as_unknown(scene: Scene) -> None:
    content = b'{"model": "gpt-4o-mini", "messages": [{"content": "' + b"x" * (3 << 20) + b'"}]}'
    got = scene.send("/v1/chat/completions", content)
    assert got.status_code == 200
    assert (scene.gate.asked[0].model, scene.gate.asked[0].input_tokens) == (None, None)
    assert scene.provider.served[0].content == content
    assert scene.gateway.events["unread"] == 1


def test_what_is_no_call_passes(scene: Scene) -> None:
    headers = {"authorization": f"Bearer {_KEY}"}
    assert httpx.get(f"{scene.url}/v1/models", headers=headers).status_code == 200
    assert scene.gate.asked == []
    assert scene.gateway.events == {"passed_by": 1}


def test_who_has_no_key_is_nobody(scene: Scene) -> None:
    assert httpx.post(f"{scene.url}/v1/chat/completions", json={}).status_code == 401
    assert scene.gate.asked == []


def test_what_we_fail_at_is_not_called(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene.gate, "reserve", None)
    got = scene.post()
    assert (got.status_code, got.json()["type"]) == (503, "gate_unavailable")
    assert scene.provider.served == []


def test_without_the_service_no_call_is_made(scene: Scene, tmp_path: Path) -> None:
    nobody = {"genai_cost": 9, "openai": scene.provider.port, "anthropic": scene.provider.port}
    with children() as family:
        _, at = envoy(family, tmp_path, _CONFIG, nobody)
        assert scene._replace(url=f"http://127.0.0.1:{at}").post().status_code == 503
    assert scene.provider.served == []
