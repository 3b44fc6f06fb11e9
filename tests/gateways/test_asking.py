"""Real proxies that ask a real gate before they let a request through: Envoy's ext_authz and nginx's auth_request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest

from tests.demo.processes import Children, children
from tests.gateways.gates import RealGate, gate_of
from tests.gateways.provider import Provider, providing
from tests.gateways.proxies import envoy, nginx
from tests.limits.build import budget

pytestmark = pytest.mark.service

_TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
_BUDGETS: Final = (
    budget("acme", scope={"tenant": "acme"}, hard="0.08"),
    budget("globex", scope={"tenant": "globex"}, hard="0.000001"),
)
_LONG: Final = 48_000
"""Tokens of output that may come to 4.8 cents: one such call fits into acme's budget, two do not."""


class Scene(NamedTuple):
    """A gate, a proxy that asks it, and who answers behind that."""

    gate: RealGate
    provider: Provider
    url: str

    def post(self, key: str = "acme", **headers: str) -> httpx.Response:
        body = {
            "model": "gpt-4o-mini",
            "max_tokens": _LONG,
            "messages": [{"role": "user", "content": "hi"}],
        }
        own = {
            "authorization": f"Bearer change-me-{key}",
            "traceparent": f"00-{_TRACE}-00f067aa0ba902b7-01",
        }
        url = f"{self.url}/v1/chat/completions"
        return httpx.post(url, json=body, headers={**own, **headers}, timeout=20)


Start = Callable[[Children, Path, int, int, str], int]
"""Starts a proxy by the ports of the gate and the provider, and the gate's token; gives its own port."""


def _envoy(family: Children, folder: Path, gate: int, provider: int, token: str) -> int:
    clusters = {"genai_cost": gate, "openai": provider}
    return envoy(family, folder, "envoy-ext-authz.yaml", clusters, token=token)[1]


def _nginx(family: Children, folder: Path, gate: int, provider: int, token: str) -> int:
    return nginx(family, folder, gate=gate, provider=provider, token=token)[1]


_PROXIES: Final[dict[str, Start]] = {"envoy": _envoy, "nginx": _nginx}


@pytest.fixture(params=_PROXIES)
def start(request: pytest.FixtureRequest) -> Start:
    return _PROXIES[request.param]


@pytest.fixture
def scene(tmp_path: Path, start: Start) -> Iterator[Scene]:
    with children() as family, providing() as provider:
        gate = gate_of(family, tmp_path / "ledger", _BUDGETS)
        port = start(family, tmp_path, gate.port, provider.port, gate.token)
        yield Scene(gate, provider, f"http://127.0.0.1:{port}")


def test_a_call_that_fits_passes_and_is_held_and_one_that_does_not_is_refused(
    scene: Scene,
) -> None:
    got = scene.post(**{"x-tenant-id": "somebody-else"})
    assert got.status_code == 200, got.text
    assert got.json()["object"] == "chat.completion", (got.text, got.headers)
    (hold,) = scene.gate.holds()
    assert (hold.id, hold.tenant, hold.state) == (got.headers["x-genai-cost-hold"], "acme", "sent")
    assert json.loads(hold.request)["trace_id"] == _TRACE
    assert 0.048 * 10**18 <= hold.amount <= 0.05 * 10**18
    (served,) = scene.provider.served
    assert served.headers["authorization"] == "Bearer sk-provider"
    assert "x-tenant-id" not in served.headers

    again = scene.post()
    assert (again.status_code, again.headers["x-should-retry"]) == (429, "false"), again.text
    assert again.json()["type"] == "hold_pressure"
    assert int(again.headers["retry-after"]) > 0

    broke = scene.post("globex")
    assert (broke.status_code, broke.headers["x-should-retry"]) == (402, "false"), broke.text
    said: dict[str, Any] = broke.json()
    assert (said["type"], said["scope"]) == ("too_large", "tenant=globex")
    assert "0.000001" not in broke.text, "sums are for the team"

    assert scene.post("nobody").status_code == 401
    assert len(scene.provider.served) == 1
    assert len(scene.gate.holds()) == 1


def test_what_is_no_call_passes_without_a_hold(scene: Scene) -> None:
    headers = {"authorization": "Bearer change-me-globex"}
    assert httpx.get(f"{scene.url}/v1/models", headers=headers).status_code == 200
    assert scene.gate.holds() == []


def test_without_the_gate_no_call_is_made_and_the_status_says_why(
    tmp_path: Path, start: Start
) -> None:
    with children() as family, providing() as provider:
        port = start(family, tmp_path, 9, provider.port, "x")
        away = Scene(RealGate(family[0], 9, "", tmp_path), provider, f"http://127.0.0.1:{port}")
        assert away.post().status_code == 503
        assert provider.served == []
