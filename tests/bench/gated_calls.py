"""What a gate adds to a call: in the application, by a real client, and through an Envoy that asks it."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx
import openai

from otel_genai_cost import admission, tenant
from otel_genai_cost.testing.standin import StandIn
from otel_genai_instrumentors.clients.openai import OpenAIInstrumentor
from tests.bench.measure import Result, of_aim
from tests.demo.processes import children
from tests.gated.conftest import Application
from tests.gateways.gates import gate_of
from tests.gateways.provider import providing
from tests.gateways.proxies import envoy
from tests.limits.build import budget

_CALLS: Final = 200
_WARM: Final = 20
_BUDGETS: Final = (
    budget("all", hard="1000000"),
    budget("tenants", scope={"tenant": "*"}, hard="100000"),
)
_ASKED: Final[Mapping[str, Any]] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "how long does it take?"}],
    "max_tokens": 100,
}


def gated_calls() -> Iterator[Result]:
    """Both with a gate in a process of its own, over a ledger in SQLite and two budgets."""
    yield from _rows("a call of openai's client", *_in_application())
    yield from _rows("a request, by way of Envoy", *_through_envoy())


def _rows(what: str, plain_ms: list[float], gated_ms: list[float]) -> Iterator[Result]:
    """The medians' difference; the two kinds were made in turn."""
    added = statistics.median(gated_ms) - statistics.median(plain_ms)
    noise = statistics.median(plain_ms[::2]) / statistics.median(plain_ms[1::2]) - 1
    yield of_aim(f"{what}: added by a gate, median", added, 10, "ms", "<= 1.00", abs(noise))


def _in_turn(
    plain: Callable[[], object], gated: Callable[[], object]
) -> tuple[list[float], list[float]]:
    """How long each took, in milliseconds, after a few that do not count."""
    times: tuple[list[float], list[float]] = ([], [])
    for n in range(_CALLS + _WARM):
        for call, taken in zip((plain, gated), times, strict=True):
            began_s = time.perf_counter()
            call()
            if n >= _WARM:
                taken.append((time.perf_counter() - began_s) * 1_000)
    return times


def _in_application() -> tuple[list[float], list[float]]:
    """The same client in the same process, with the gate and without it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        gate = gate_of(stack.enter_context(children()), folder / "ledger", _BUDGETS)
        standin = stack.enter_context(StandIn())
        application = Application(folder)
        application.ask(f"http://127.0.0.1:{gate.port}", gate_token=gate.token)
        stack.callback(admission.configure, None)
        stack.enter_context(application.instrumenting(OpenAIInstrumentor))
        stack.enter_context(tenant("acme"))
        base_url = f"{standin.base_url('openai')}/v1"
        client = stack.enter_context(openai.OpenAI(base_url=base_url, api_key="k"))
        (asked,) = admission.gates

        def gated() -> None:
            admission.configure(asked)
            client.chat.completions.create(**_ASKED)

        def plain() -> None:
            admission.configure(None)
            client.chat.completions.create(**_ASKED)

        return _in_turn(plain, gated)


def _through_envoy() -> tuple[list[float], list[float]]:
    """Straight to the provider, and through an Envoy that asks: Envoy's own time is part of it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        family = stack.enter_context(children())
        gate = gate_of(family, folder / "ledger", _BUDGETS)
        provider = stack.enter_context(providing())
        clusters = {"genai_cost": gate.port, "openai": provider.port}
        _, port = envoy(family, folder, "envoy-ext-authz.yaml", clusters, token=gate.token)
        client = stack.enter_context(httpx.Client(timeout=20))

        def posted(port: int) -> None:
            headers = {"authorization": "Bearer change-me-acme"}
            url = f"http://127.0.0.1:{port}/v1/chat/completions"
            assert client.post(url, json=_ASKED, headers=headers).status_code == 200

        return _in_turn(lambda: posted(provider.port), lambda: posted(port))
