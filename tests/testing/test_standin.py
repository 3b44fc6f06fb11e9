"""The stand-in does as scripted, records what it is sent, and keeps the bill."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from otel_genai_cost.testing.standin import Answer, StandIn, Usage
from otel_genai_cost.testing.standin.wire import Call, Reply, Route


@pytest.fixture
def standin() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


def _chat(standin: StandIn, text: str = "hello", model: str = "gpt-4o", **more: Any) -> Any:
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return httpx.post(f"{standin.url}/v1/chat/completions", json=body, timeout=5)


def test_answers_are_used_in_order_by_model_and_by_word(standin: StandIn) -> None:
    standin.script.next(Answer(status=529), model="gpt-5")
    standin.script.next(Answer(Usage(1, 1)), Answer(Usage(2, 2)))
    standin.script.always(Answer(Usage(9, 9)), word="always")
    assert _chat(standin).json()["usage"]["prompt_tokens"] == 1
    assert _chat(standin, model="gpt-5").status_code == 529
    assert _chat(standin).json()["usage"]["prompt_tokens"] == 2
    always = [_chat(standin, "always").json()["usage"]["prompt_tokens"] for _ in range(2)]
    assert always == [9, 9]
    standin.reset()
    assert _chat(standin, "always").json()["usage"]["prompt_tokens"] != 9


def test_a_refusal_says_when_to_try_again_and_is_not_billed(standin: StandIn) -> None:
    standin.script.next(Answer(status=429, retry_after_s=2.5, message="slowly"))
    refused = _chat(standin)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "2.5"
    assert refused.json()["error"]["message"] == "slowly"
    assert standin.bills == []


def test_the_bill_is_written_before_anything_is_sent(tmp_path: Path) -> None:
    bill = tmp_path / "bill.jsonl"
    with StandIn("openai", bill=bill) as standin:
        standin.script.next(Answer(Usage(10, 5), hangs=True, context={"service_tier": "flex"}))
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{standin.url}/v1/chat/completions", json={"model": "m"}, timeout=0.2)
        (line,) = [json.loads(line) for line in bill.read_text("utf-8").splitlines()]
    assert line == standin.bills[0]
    assert line["provider"] == "openai"
    assert line["context"] == {"service_tier": "flex"}
    assert (line["usage"]["input_tokens"], line["usage"]["output_tokens"]) == (10, 5)


def test_what_hangs_is_let_go(standin: StandIn) -> None:
    standin.script.next(Answer(hangs=True))
    failed = threading.Event()

    def call() -> None:
        with pytest.raises(httpx.HTTPError):
            _chat(standin)
        failed.set()

    waiting = threading.Thread(target=call)
    waiting.start()
    while not standin.bills:
        pass
    assert not failed.is_set()
    standin.release()
    waiting.join(5)
    assert failed.is_set()


@pytest.mark.parametrize("parts", [0, 2])
def test_a_connection_breaks_after_so_many_parts(standin: StandIn, parts: int) -> None:
    standin.script.next(Answer(cuts_after=parts))
    with pytest.raises(httpx.RemoteProtocolError):
        _chat(standin, stream=True)
    assert len(standin.bills) == 1


def test_a_stream_ends_early_as_if_it_were_whole(standin: StandIn) -> None:
    standin.script.next(Answer(ends_after=2))
    assert _chat(standin, stream=True).text.count("data: ") == 2


def test_a_prefix_picks_the_provider_and_other_paths_are_nobodys(standin: StandIn) -> None:
    url = f"{standin.base_url('openai')}/v1/chat/completions"
    assert httpx.post(url, json={"model": "gpt-4o"}).status_code == 200
    assert standin.received[-1].path == "/~openai/v1/chat/completions"
    assert httpx.post(f"{standin.base_url('nobody')}/v1/chat/completions").status_code == 404
    assert httpx.post(f"{standin.url}/nowhere").status_code == 404
    with pytest.raises(ValueError, match="no wire format of nobody"):
        StandIn("nobody")


def test_the_tenant_of_the_bill(standin: StandIn) -> None:
    _chat(standin)
    _chat(standin, user="globex")
    _chat(standin, "[for acme] hello", user="globex")
    standin.script.next(Answer(tenant="initech"))
    _chat(standin, "[for acme] hello")
    assert [line["tenant"] for line in standin.bills] == [None, "globex", "acme", "initech"]


def test_a_route_of_ones_own_goes_first() -> None:
    def answer(call: Call) -> Reply:
        return Reply({"said": call.text}, bills=(call.billed("r1", call.model),))

    with StandIn(routes=[Route("openai", r"/llm/(?P<model>[^/]+)", answer)]) as standin:
        found = httpx.post(f"{standin.url}/llm/a%2Fb", json={"input": "hello"}).json()
        assert found == {"said": '"hello"'}
        assert [line["model"] for line in standin.bills] == ["a/b"]


def test_a_form_is_read_by_its_fields(standin: StandIn) -> None:
    files = {"file": ("a.wav", b"\x00\xff", "audio/wav")}
    httpx.post(f"{standin.url}/anywhere", data={"model": "whisper-1"}, files=files)
    assert standin.received[-1].body == {"model": "whisper-1", "file": b"\x00\xff"}
