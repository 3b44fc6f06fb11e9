"""A gate and its service for Envoy say live how they are doing, to whoever asks by HTTP."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.demo.processes import wait_until
from tests.gateways.standing import Standing, standing

pytestmark = pytest.mark.service

_KEYS: Final = {"key-a": "acme", "key-b": "globex"}
_LINE: Final = re.compile(r"^(genai_cost_\w+(?:\{.*\})?) (\S+)$", re.MULTILINE)


def test_what_comes_by_is_said_while_it_does(tmp_path: Path) -> None:
    budgets = [
        {"scope": {"tenant": "acme"}, "hard": "1"},
        {"scope": {"tenant": "globex"}, "hard": "0.0000001"},
    ]
    with standing(tmp_path, budgets, keys=_KEYS) as stands:
        assert [_status(stands, key) for key in ("key-a", "key-a", "key-b")] == [200, 200, 402]
        httpx.get(f"{stands.url}/v1/models", headers={"authorization": "Bearer key-a"})
        said = _figures(stands.status)
        assert said['genai_cost_ext_proc_calls_total{decision="allow"}'] == 2
        assert said['genai_cost_ext_proc_calls_total{decision="too_large"}'] == 1
        assert said['genai_cost_ext_proc_events_total{event="passed_by"}'] == 1
        assert said['genai_cost_gate_answers_total{answer="allow"}'] == 2
        own = _figures(f"http://127.0.0.1:{stands.gate.port}")
        assert own['genai_cost_gate_decisions_total{decision="allow"}'] == 2
        assert own['genai_cost_gate_decisions_total{decision="too_large"}'] == 1
        assert own['genai_cost_gate_requests_total{path="/v1/reserve",status="402"}'] == 1
        assert (own["genai_cost_gate_up"], own["genai_cost_gate_is_behind"]) == (1, 0)
        assert not [line for line in (*said, *own) if "acme" in line or "globex" in line]
        stands.gate.child.process.send_signal(signal.SIGKILL)
        stands.gate.child.wait(10)
        assert _status(stands, "key-a") == 503
        down = _figures(stands.status)
        assert down['genai_cost_gate_answers_total{answer="down"}'] == 1
        assert down['genai_cost_ext_proc_calls_total{decision="gate_unavailable"}'] == 1
        assert httpx.get(f"{stands.status}/healthz").status_code == 200
        stands.service.process.terminate()
        wait_until(lambda: _is_gone(stands.status), "the status to end with the service", 20)


def _status(stands: Standing, key: str) -> int:
    body = {"model": "gpt-4o-mini", "max_tokens": 50, "messages": [{"content": "hi"}]}
    url = f"{stands.url}/v1/chat/completions"
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(url, json=body, headers=headers, timeout=30).status_code


def _figures(url: str) -> dict[str, float]:
    answer = httpx.get(f"{url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {name: float(value) for name, value in _LINE.findall(answer.text)}


def _is_gone(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 503
    except httpx.TransportError:
        return True
