"""Prices compiled for the transform processor: a real collector that runs them shows what the engine says."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from otel_genai_cost import attributes as names
from otel_genai_cost.collector.expressible import PriceRow, prices_of
from otel_genai_cost.collector.hop import Hop
from otel_genai_cost.collector.ottl import table_of
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.profiles import decorator
from otel_genai_cost.otlp.protobuf_request import protobuf_request
from otel_genai_cost.otlp.span import WireSpan
from otel_genai_cost.pricing.load import load_book
from tests.cli.command import run
from tests.collector.receiving import export
from tests.collector.scenarios import Scenario
from tests.collector.vectors import Call, requests_of, vectors
from tests.replay.otlp import SCOPE, START_NS

_AT_US: Final = START_NS // 1_000
_CALL: Final[Mapping[str, object]] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
}
_OPENAI: Final = ("--provider", "openai")
_COST: Final = 0.00021
"""Of that call: 0.15 and 0.60 USD a million."""

_CLAIMS: Final[Mapping[str, object]] = {
    "gen_ai.usage.cost": 99.0,
    "genai_cost.total": "99",
    "llm.cost.total": 99.0,
    "genai_cost.book": "b",
}
_CASES: Final[Mapping[str, tuple[Mapping[str, object], tuple[Any, Any, Any]]]] = {
    "a call": (_CALL, ("priced", None, _COST)),
    "with claims": ({**_CALL, **_CLAIMS}, ("priced", None, _COST)),
    "no call": ({"http.route": "/"}, (None, None, None)),
    "no call, with claims": ({"http.route": "/", **_CLAIMS}, (None, None, None)),
    "an agent": (
        {**_CALL, "gen_ai.operation.name": "invoke_agent"},
        ("unpriced", "not_compiled", None),
    ),
    "a tool": (
        {"gen_ai.operation.name": "execute_tool", "gen_ai.provider.name": "openai"},
        (None, None, None),
    ),
    "unheard of": (
        {**_CALL, "gen_ai.request.model": "gpt-99"},
        ("unpriced", "unknown_model", None),
    ),
    "of nobody": (
        {**_CALL, "gen_ai.provider.name": "nobody"},
        ("unpriced", "unknown_provider", None),
    ),
    "left out": (
        {**_CALL, "gen_ai.request.model": "whisper-1"},
        ("unpriced", "not_compiled", None),
    ),
    "another tier": (
        {**_CALL, "openai.response.service_tier": "flex"},
        ("unpriced", "not_compiled", None),
    ),
    "its usual tier": (
        {**_CALL, "openai.response.service_tier": "default"},
        ("priced", None, _COST),
    ),
    "elsewhere": (
        {**_CALL, "server.address": "api.groq.com"},
        ("unpriced", "not_compiled", None),
    ),
    "by a gateway": ({**_CALL, "server.address": "llm.corp"}, ("priced", None, _COST)),
    "in capitals": ({**_CALL, "gen_ai.request.model": "GPT-4o-mini"}, ("priced", None, _COST)),
    "no text": ({**_CALL, "gen_ai.request.model": 7}, ("unpriced", "unknown_model", None)),
    "no number": (
        {**_CALL, "gen_ai.usage.input_tokens": "1000"},
        ("unpriced", "invalid_usage", None),
    ),
    "half a token": (
        {**_CALL, "gen_ai.usage.input_tokens": 1000.5},
        ("unpriced", "invalid_usage", None),
    ),
    "less than none": (
        {**_CALL, "gen_ai.usage.output_tokens": -1},
        ("unpriced", "invalid_usage", None),
    ),
    "more than all": (
        {**_CALL, "gen_ai.usage.cache_read.input_tokens": 1001},
        ("unpriced", "invalid_usage", None),
    ),
    "nothing": (
        {**_CALL, "gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0},
        ("unpriced", "untrusted_usage", None),
    ),
    "images": (
        {**_CALL, "gen_ai.usage.image.input_tokens": 9},
        ("unpriced", "not_compiled", None),
    ),
}


def test_a_table_finds_its_keys_and_no_others() -> None:
    """As the collector looks them up, in integers that drop the rest."""
    entries = {f"model-{number}": number for number in range(2_000)}
    table = table_of(entries)
    assert len(table.keys) < 1.5 * len(entries)
    buckets, places, hashes = len(table.shifts), len(table.keys), 2**31 - 1

    def place(key: str) -> int:
        hashed = 0xCBF29CE484222325
        for byte in key.encode():
            hashed = (hashed ^ byte) * 0x100000001B3 % 2**64
        signed = hashed - 2**64 if hashed >= 2**63 else hashed
        rest = signed - int(Decimal(signed) / hashes) * hashes + hashes
        return (rest // buckets + table.shifts[rest % buckets]) % places

    for key, value in entries.items():
        assert table.keys[place(key)] == key
        assert table.values[place(key)] == value
    assert all(table.keys[place(f"other-{one}")] != f"other-{one}" for one in range(2_000))


def test_what_is_left_out_is_listed() -> None:
    """By name, and in sum; with `--strict` that is a failure."""
    done = run("collector", "compile", "--provider", "openai")
    assert done.returncode == 0
    assert "left out: openai/whisper-1: not billed by input tokens" in done.stderr
    assert "prices of 20" in done.stdout.splitlines()[0]
    (processor,) = yaml.safe_load(done.stdout)["processors"].values()
    assert processor["error_mode"] == "ignore"
    assert run("collector", "compile", "--provider", "openai", "--strict").returncode == 1


def test_what_cannot_be_compiled_at_all_is_refused() -> None:
    unknown = run("collector", "compile", "--provider", "nobody")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "unknown provider" in unknown.stderr
    early = run("collector", "compile", "--at", "1999-01-01T00:00:00Z")
    assert (early.returncode, early.stdout) == (2, "")
    assert "no model" in early.stderr


def test_prices_say_until_when_they_hold() -> None:
    done = run("collector", "compile", "--provider", "deepseek", "--at", "2025-01-20T00:00:00Z")
    assert "all of them hold until 2025-" in done.stdout
    assert "no end of any" in run("collector", "compile", "--provider", "cohere").stdout


class _Compiled:
    """The scenario `contrib-only`, with the prices of the book at the time of the calls."""

    def __init__(self, scenario: Scenario, *options: str) -> None:
        self.scenario = scenario
        made = run("collector", "compile", "--at", "2026-11-22T00:00:00Z", *options)
        assert made.returncode == 0, made.stderr
        (scenario.folder / "prices.yaml").write_text(made.stdout, encoding="utf-8")
        self.running = scenario.run("contrib-only")

    def shown(self, *calls: Call) -> list[WireSpan]:
        for request in requests_of(list(calls)):
            export(self.running.at["OTLP_GRPC"], request)
        spans = self.scenario.spans(at_least=len(calls))
        assert "failed to execute" not in self.running.child.output()
        return sorted(spans, key=lambda span: span.span_id)


def _cost(span: WireSpan) -> tuple[Any, Any, Any]:
    get = span.attributes.get
    return get(names.COST_STATUS), get(names.COST_REASON), get(names.GEN_AI_USAGE_COST)


@pytest.mark.service
def test_every_price_is_the_engines_to_the_last_digit(scenario: Scenario, tmp_path: Path) -> None:
    """Calls of every name in the book: each is priced as the engine prices it, to the double next to its exact cost,
    and not priced for the same reason, unless the collector says itself that it leaves it out."""
    book = load_book()
    calls = list(vectors(prices_of(book, _AT_US)))
    journal = Journal([tmp_path / "journal"])
    hop = Hop(book, journal, decorator(()))
    engine = [
        span
        for request in requests_of(calls)
        for span in protobuf_request(hop.passed_on(request)).spans
    ]
    journal.close()
    counts = Counter[str]()
    for ours, theirs in zip(_Compiled(scenario).shown(*calls), engine, strict=True):
        assert ours.span_id == theirs.span_id
        if ours.attributes.get(names.COST_REASON) == "not_compiled":
            counts["left out"] += 1
            continue
        assert _cost(ours)[1:] == _cost(theirs)[1:], ours.attributes
        counts[str(_cost(ours)[0])] += 1
        if _cost(ours)[0] == "priced":
            exact = Decimal(str(theirs.attributes[names.COST_TOTAL]))
            assert ours.attributes[names.GEN_AI_USAGE_COST] == float(exact)
    assert counts["priced"] > 3_500
    assert counts["left out"] < len(calls) / 4


@pytest.mark.service
def test_only_calls_are_priced_and_nobody_is_believed(scenario: Scenario) -> None:
    """What is no call goes on as it came, without what its sender says of its cost; what cannot be priced says why."""
    calls = [(SCOPE, attributes) for attributes, _ in _CASES.values()]
    for name, span in zip(_CASES, _Compiled(scenario, *_OPENAI).shown(*calls), strict=True):
        given, expected = _CASES[name]
        assert _cost(span) == expected, name
        kept = {key: value for key, value in given.items() if key not in _CLAIMS}
        assert kept.items() <= span.attributes.items(), name
        assert not {names.COST_TOTAL, "llm.cost.total"} & span.attributes.keys(), name


@pytest.mark.service
def test_a_trusted_sender_is_believed(scenario: Scenario) -> None:
    """Where it names the book that it priced by; other costs are taken off."""
    priced = {**_CALL, "gen_ai.usage.cost": 7.5, "genai_cost.status": "priced"}
    calls = [(SCOPE, {**priced, "genai_cost.book": "b"}), (SCOPE, priced)]
    trusted, other = _Compiled(scenario, "--trust", *_OPENAI).shown(*calls)
    assert _cost(trusted) == ("priced", None, 7.5)
    assert _cost(other) == ("priced", None, _COST)


@pytest.mark.service
def test_after_its_end_a_price_is_none(scenario: Scenario) -> None:
    """And before its beginning neither."""
    rows = [
        (model.name, model.price)
        for model in prices_of(load_book(), _AT_US, ["google"]).models
        if isinstance(model.price, PriceRow) and model.price.from_us > 0
    ]
    name, row = max(rows, key=lambda item: item[1].from_us)
    called = {**_CALL, "gen_ai.provider.name": "gcp.gemini", "gen_ai.request.model": name}
    compiled = _Compiled(scenario, "--provider", "google")
    (request,) = requests_of([(SCOPE, called)])
    message = protobuf_request(request)
    assert message.spans
    now = time.time_ns()
    assert row.from_us * 1_000 < now
    early = request.replace(
        (START_NS + 10**9).to_bytes(8, "little"),
        (row.from_us * 1_000 - 1_000).to_bytes(8, "little"),
    )
    export(compiled.running.at["OTLP_GRPC"], early)
    (span,) = scenario.spans()
    assert _cost(span) == ("unpriced", "out_of_effective_range", None)
