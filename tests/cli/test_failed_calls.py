"""Calls of the real client that go wrong, followed to what a person is shown of them: the charge, the receipt, the list
of what has no price, and the report."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider

from otel_genai_cost import attach, tenant
from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from otel_genai_instrumentors.clients.openai import OpenAIInstrumentor
from tests.cli.program import call, rows_of

_LIMIT: Final = 50


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A ledger of an error reply, a time-out, an answer that broke off, and one that came at the second attempt."""
    provider = TracerProvider()
    processor = attach(provider, ledger=tmp_path, quiet=True, stream_usage_hosts="127.0.0.1")
    assert processor is not None
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    with OpenAIStandIn() as standin, tenant("acme"):
        with openai.OpenAI(base_url=standin.url, api_key="k", max_retries=0) as client:
            for ask in _asked(client):
                with contextlib.suppress(openai.OpenAIError):
                    ask()
        with openai.OpenAI(base_url=standin.url, api_key="k", max_retries=1) as client:
            client.chat.completions.create(**_ask("[429]"))
    instrumentor.uninstrument()
    return tmp_path


def _ask(word: str) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": word}]}


def _asked(client: openai.OpenAI) -> Iterator[Any]:
    create = client.chat.completions.create
    yield lambda: create(**_ask("[500]"))
    yield lambda: create(**_ask("[hang]"), max_tokens=_LIMIT, timeout=0.2)
    yield lambda: list(create(**_ask("[disconnect]"), max_tokens=_LIMIT, stream=True))


def test_each_is_shown_as_what_it_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    charges = rows_of(capsys, "charges", "--ledger", str(home))
    at_list = {"input": 2.5e-6, "output": 1e-5}  # gpt-4o, 2.50 and 10 dollars a million
    refused, timed_out, broken, late = sorted(charges, key=lambda one: one["occurred"])
    receipts = {
        one["charge_id"]: call(capsys, "explain", one["charge_id"], "--ledger", str(home)).out
        for one in charges
    }
    [told] = rows_of(capsys, "explain", timed_out["charge_id"], "--ledger", str(home))
    [observed] = told["observations"]

    assert (refused["total"], refused["reason"], refused["unpriced"]) == ("0", "not_billed", 0)
    assert "    error      HTTP 500\n" in receipts[refused["charge_id"]]

    assert (timed_out["total"], timed_out["reason"]) == (None, "missing_usage")
    assert (timed_out["quality"], timed_out["unpriced"]) == ("unknown", 1)
    bounds = observed["usage_bounds"]
    assert bounds["low"] == {"input": 0, "output": 0} and bounds["high"]["output"] == _LIMIT
    most = sum(at_list[leaf] * n for leaf, n in bounds["high"].items())
    assert observed["cost_bounds"]["low"] == "0"
    assert float(observed["cost_bounds"]["high"]) == pytest.approx(most)
    assert observed["error"] == "openai.APITimeoutError"
    receipt = receipts[timed_out["charge_id"]]
    assert f"    used       input 0 to {bounds['high']['input']:,}, output 0 to 50\n" in receipt
    assert f"    cost       0 to {observed['cost_bounds']['high']} USD at list prices\n" in receipt

    assert (broken["quality"], broken["unpriced"]) == ("estimated", 0)
    assert float(broken["total"]) > 0
    assert "output 1 to 50" in receipts[broken["charge_id"]]

    assert (late["quality"], late["unpriced"]) == ("reported", 0)
    assert "    attempts   2\n" in receipts[late["charge_id"]]
    assert "    used " not in receipts[late["charge_id"]]


def test_only_what_is_unknown_has_no_price(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [missing] = rows_of(capsys, "unpriced", "--ledger", str(home))
    assert (missing["reason"], missing["calls"]) == ("missing_usage", 1)
    assert "got no answer" in missing["remedy"]
    [acme] = rows_of(capsys, "report", "--by", "tenant", "--ledger", str(home))
    assert (acme["calls"], acme["priced"], acme["unpriced"]) == (4, 3, 1)
    shown = call(capsys, "report", "--ledger", str(home))
    assert "1 call has no price" in shown.err
