"""Proxies that ask a real gate before they let a request through: a real Envoy's ext_authz, a real nginx's
auth_request, and a server that does what Traefik's forwardAuth does by its documentation."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest

from tests.demo.processes import Children, children
from tests.gateways.forward_auth import forwarding
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
    is_basic: bool = False

    def authorization(self, key: str) -> str:
        """What a caller with that key says."""
        if self.is_basic:
            return "Basic " + base64.b64encode(f"{key}:change-me-{key}".encode()).decode()
        return f"Bearer change-me-{key}"

    def post(self, key: str = "acme", **headers: str) -> httpx.Response:
        body = {
            "model": "gpt-4o-mini",
            "max_tokens": _LONG,
            "messages": [{"role": "user", "content": "hi"}],
        }
        own = {
            "authorization": self.authorization(key),
            "traceparent": f"00-{_TRACE}-00f067aa0ba902b7-01",
        }
        url = f"{self.url}/v1/chat/completions"
        return httpx.post(url, json=body, headers={**own, **headers}, timeout=20)


Start = Callable[[Children, Path, int, int, str], int]
"""Starts a proxy by the ports of the gate and the provider, and the gate's token; gives its own port."""


Opens = Callable[[Children, Path, int, int, str], AbstractContextManager[int]]
"""The same for as long as a block lasts."""


def _envoy(family: Children, folder: Path, gate: int, provider: int, token: str) -> int:
    clusters = {"genai_cost": gate, "openai": provider}
    return envoy(family, folder, "envoy-ext-authz.yaml", clusters, token=token)[1]


def _nginx(family: Children, folder: Path, gate: int, provider: int, token: str) -> int:
    return nginx(family, folder, gate=gate, provider=provider, token=token)[1]


@contextmanager
def _started(start: Start, *args: Any) -> Generator[int]:
    yield start(*args)


@contextmanager
def _traefik(_: Children, __: Path, gate: int, provider: int, token: str) -> Generator[int]:
    users = {name: f"change-me-{name}" for name in ("acme", "globex")}
    with forwarding(gate, provider, token, users) as port:
        yield port


_PROXIES: Final[dict[str, Opens]] = {
    "envoy": partial(_started, _envoy),
    "nginx": partial(_started, _nginx),
    "traefik": _traefik,
}


@pytest.fixture(params=_PROXIES)
def proxy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def scene(tmp_path: Path, proxy: str) -> Iterator[Scene]:
    with children() as family, providing() as provider:
        gate = gate_of(family, tmp_path / "ledger", _BUDGETS)
        opens = _PROXIES[proxy](family, tmp_path, gate.port, provider.port, gate.token)
        with opens as port:
            yield Scene(gate, provider, f"http://127.0.0.1:{port}", proxy == "traefik")


def test_a_call_that_fits_passes_and_is_held_and_one_that_does_not_is_refused(
    scene: Scene,
) -> None:
    got = scene.post(**{"x-tenant-id": "somebody-else"})
    assert got.status_code == 200, got.text
    assert got.json()["object"] == "chat.completion", (got.text, got.headers)
    (hold,) = scene.gate.holds()
    (served,) = scene.provider.served
    hold_id = {**served.headers, **got.headers}["x-genai-cost-hold"]
    assert (hold.id, hold.tenant, hold.state) == (hold_id, "acme", "sent")
    assert json.loads(hold.request)["trace_id"] == _TRACE
    assert 0.048 * 10**18 <= hold.amount <= 0.05 * 10**18
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
    headers = {"authorization": scene.authorization("globex")}
    assert httpx.get(f"{scene.url}/v1/models", headers=headers).status_code == 200
    assert scene.gate.holds() == []


def test_without_the_gate_no_call_is_made_and_the_status_says_why(
    tmp_path: Path, proxy: str
) -> None:
    with children() as family, providing() as provider:
        with _PROXIES[proxy](family, tmp_path, 9, provider.port, "x") as port:
            nobody: Any = None
            url = f"http://127.0.0.1:{port}"
            got = Scene(nobody, provider, url, proxy == "traefik").post()
        assert got.status_code == (500 if proxy == "traefik" else 503)
        assert provider.served == []
