"""Real calls of the real client become exact charges, whatever the sampler says."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from otel_genai_cost.journal.observation import Observation
from tests.e2e.rig import Rig, mtok

_MINI_INPUT, _MINI_CACHED, _MINI_OUTPUT = "0.15", "0.075", "0.60"
_EMBEDDING = "0.02"


def _by_the_bill(rig: Rig) -> Counter[tuple[str, int]]:
    """What the provider answered, priced by hand at OpenAI's published rates."""
    bill = [json.loads(line) for line in (rig.folder / "provider.jsonl").read_text().splitlines()]
    return Counter((line["response_id"] or "", _price(line["usage"])) for line in bill)


def _price(usage: dict[str, int]) -> int:
    if not usage["output_tokens"]:
        return mtok((usage["input_tokens"], _EMBEDDING))
    cached = usage["cache_read_tokens"]
    return mtok(
        (usage["input_tokens"] - cached, _MINI_INPUT),
        (cached, _MINI_CACHED),
        (usage["output_tokens"], _MINI_OUTPUT),
    )


def _charged(observations: list[Observation]) -> Counter[tuple[str, int]]:
    return Counter((each.reading.response_id or "", each.cost.total or 0) for each in observations)


@pytest.mark.parametrize("scenario", ["sync_calls", "async_calls"])
def test_every_kind_of_call_is_charged_exactly(rig: Rig, scenario: str) -> None:
    assert rig.run(scenario).code == 0
    found = rig.observations()
    assert [each.reading.operation for each in found] == ["chat", "embeddings", "chat"]
    assert {each.attribution.tenant for each in found} == {"acme"}
    assert {each.cost.status for each in found} == {"priced"}
    assert _charged(found) == _by_the_bill(rig)


def test_a_stream_without_usage_is_asked_for_it_and_the_caller_sees_no_difference(rig: Rig) -> None:
    ended = rig.run("stream_without_usage")
    assert "without choices 0" in ended.output and "with usage 0" in ended.output
    assert _charged(rig.observations()) == _by_the_bill(rig)
    plain = rig.run(
        "stream_without_usage", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="genai_cost_openai"
    )
    assert _chunks(plain.output) == _chunks(ended.output) > 0


def _chunks(output: str) -> int:
    [line] = [line for line in output.splitlines() if line.startswith("chunks ")]
    return int(line.split()[1])


def test_a_failed_call_costs_nothing_and_a_retried_one_is_charged_once(rig: Rig) -> None:
    ended = rig.run("failing")
    assert "the caller sees 500" in ended.output
    failed, retried = rig.observations()
    assert (failed.cost.status, failed.cost.reason, failed.cost.total) == (
        "priced",
        "not_billed",
        0,
    )
    assert (retried.cost.status, retried.cost.total or 0) > ("priced", 0)


@pytest.mark.parametrize(
    ("sampler", "argument"),
    [
        ("always_on", ""),
        ("traceidratio", "0.01"),
        ("parentbased_traceidratio", "0.01"),
        ("traceidratio", "0.0"),
        ("always_off", ""),
    ],
)
def test_charges_do_not_depend_on_the_sampler(rig: Rig, sampler: str, argument: str) -> None:
    ended = rig.run(
        "many", "12", OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=argument or "1"
    )
    assert ended.code == 0
    found = rig.observations()
    assert len(found) == 12
    assert _charged(found) == _by_the_bill(rig)
    assert {each.attribution.tenant for each in found} == {"acme"}
    booked = Counter((each.attribution.tenant, each.amount, each.calls) for each in rig.charged())
    assert booked == Counter(("acme", each.cost.total, 1) for each in found)
    if not argument:
        assert {each.sampled for each in found} == {sampler == "always_on"}


def test_two_tenants_at_once_never_cross(rig: Rig) -> None:
    assert rig.run("two_tenants", "20").code == 0
    bill = [json.loads(line) for line in (rig.folder / "provider.jsonl").read_text().splitlines()]
    named = {line["response_id"]: line["tenant"] for line in bill}
    charged = {each.reading.response_id: each.attribution.tenant for each in rig.observations()}
    assert charged == named
    assert Counter(named.values()) == {"acme": 40, "globex": 40}


def test_the_provider_receives_no_baggage(rig: Rig) -> None:
    assert rig.run("sync_calls").code == 0
    headers = [name.lower() for call in rig.stand_in.received for name in call.headers]
    assert "authorization" in headers
    assert "baggage" not in headers


def test_the_teams_own_gateway_may_receive_baggage(rig: Rig) -> None:
    assert rig.run("sync_calls", OTEL_GENAI_COST_EGRESS_HOSTS="127.0.0.1").code == 0
    for call in rig.stand_in.received:
        headers = {name.lower(): value for name, value in call.headers.items()}
        assert headers["baggage"] == "tenant.id=acme"
