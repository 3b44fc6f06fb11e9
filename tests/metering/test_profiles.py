"""What each profile writes on a span, attribute by attribute."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import combinations
from typing import Any, Final

import pytest

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.metering.profiles import PROFILES, decorator
from otel_genai_cost.pricing.cost import Cost, unpriced
from otel_genai_cost.tenancy.attribution import Attribution
from tests.ledger.build import observe

_CALL: Final = observe(
    1, tokens=(1_000, 100), parts={"cache_read": 400, "reasoning": 30}, model="gpt-4o-2024-08-06"
)
"""600 x 2.50 + 400 x 1.25 + 100 x 10.00 dollars a million: https://openai.com/api/pricing, gpt-4o."""

_BASE: Final = {
    "genai_cost.status": "priced",
    "genai_cost.charge_id": _CALL.id,
    "genai_cost.total": "0.003",
    "tenant.id": "acme",
}
_PLAIN: Final = {**_BASE, "gen_ai.usage.cost": 0.003}
EXTRA: Final[Mapping[str, Mapping[str, Any]]] = {
    "default": _PLAIN,
    "full": {
        **_PLAIN,
        "genai_cost.input": "0.002",
        "genai_cost.output": "0.001",
        "genai_cost.price_id": _CALL.cost.price_id,
        "genai_cost.book": _CALL.cost.book,
    },
    "mlflow": {
        **_PLAIN,
        "mlflow.llm.cost": {"input_cost": 0.002, "output_cost": 0.001, "total_cost": 0.003},
    },
    "openinference": {
        **_PLAIN,
        "llm.cost.prompt": 0.002,
        "llm.cost.completion": 0.001,
        "llm.cost.total": 0.003,
    },
    "langfuse": {
        **_PLAIN,
        "langfuse.observation.cost_details": {
            "cache_read": 0.0005,
            "reasoning": 0.0003,
            "input": 0.0015,
            "output": 0.0007,
            "total": 0.003,
        },
    },
    "logfire": {**_PLAIN, "operation.cost": 0.003},
    "sentry": {
        **_PLAIN,
        "gen_ai.cost.input_tokens": 0.002,
        "gen_ai.cost.output_tokens": 0.001,
        "gen_ai.cost.total_tokens": 0.003,
    },
    "semconv-draft": {
        **_BASE,
        "gen_ai.usage.cost.amount": 0.003,
        "gen_ai.usage.cost.currency": "USD",
        "gen_ai.usage.cost.source": "local",
    },
}


def _shown(observation: Observation, *profiles: str) -> dict[str, Any]:
    decorate = decorator(profiles)
    assert decorate is not None
    shown = decorate(
        observation.id,
        observation.duplicate_of,
        observation.cost,
        observation.attribution.tenant,
        observation.reading.foreign_cost,
    )
    return {
        key: json.loads(value) if isinstance(value, str) and value.startswith("{") else value
        for key, value in shown.items()
    }


def _with_cost(**changes: Any) -> Observation:
    return _CALL._replace(cost=_CALL.cost._replace(**changes))


def _in_currency(currency: str) -> Observation:
    return _with_cost(row=_CALL.cost.row._replace(currency=currency))


def test_every_profile_is_tested() -> None:
    assert set(EXTRA) == set(PROFILES)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_writes_exactly_this(profile: str) -> None:
    assert _shown(_CALL, profile) == EXTRA[profile]


def test_profiles_add_up() -> None:
    assert _shown(_CALL, "mlflow", "full") == {**EXTRA["mlflow"], **EXTRA["full"]}
    assert _shown(_CALL) == EXTRA["default"]


@pytest.mark.parametrize("chosen", [*combinations(PROFILES, 2), tuple(PROFILES)])
def test_leaf_and_namespace_never_stand_on_one_span(chosen: tuple[str, ...]) -> None:
    for profiles in (chosen, chosen[::-1]):
        shown = _shown(_CALL, *profiles)
        leaf = "gen_ai.usage.cost" in shown
        below = any(key.startswith("gen_ai.usage.cost.") for key in shown)
        assert leaf != below
        assert below == ("semconv-draft" in profiles)


@pytest.mark.parametrize(
    "values", [_CALL, _with_cost(total=1), _with_cost(total=12_345_678_901_234_567_890_123)]
)
def test_the_exact_total_and_its_double_agree(values: Observation) -> None:
    shown = _shown(values)
    assert float(shown["genai_cost.total"]) == shown["gen_ai.usage.cost"]
    assert shown["genai_cost.total"] == values.cost.total_text


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "cost",
    [
        unpriced("unknown_model"),
        Cost("partial", "unpriced_component", quantities=_CALL.cost.quantities, row=_CALL.cost.row),
    ],
    ids=lambda cost: cost.status,
)
def test_what_has_no_price_shows_a_reason_and_no_number(profile: str, cost: Cost) -> None:
    assert _shown(_CALL._replace(cost=cost), profile) == {
        "genai_cost.status": cost.status,
        "genai_cost.charge_id": _CALL.id,
        "genai_cost.reason": cost.reason,
        "tenant.id": "acme",
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_a_duplicate_shows_whose_and_no_number(profile: str) -> None:
    assert _shown(_CALL._replace(duplicate_of="f" * 32), profile) == {
        "genai_cost.status": "duplicate",
        "genai_cost.charge_id": "f" * 32,
        "tenant.id": "acme",
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_another_currency_is_named_and_never_shown_as_dollars(profile: str) -> None:
    shown = _shown(_in_currency("EUR"), profile)
    extra = {
        key: value
        for key, value in EXTRA[profile].items()
        if profile in ("full", "semconv-draft") and key not in _PLAIN
    }
    if profile == "semconv-draft":
        extra["gen_ai.usage.cost.currency"] = "EUR"
    assert shown == {**_BASE, "genai_cost.currency": "EUR", **extra}


def test_an_error_that_is_not_billed_costs_nothing_and_names_no_price() -> None:
    failed = observe(1, tokens=None, error="RateLimitError")
    assert _shown(failed, "full") == {
        "genai_cost.status": "priced",
        "genai_cost.charge_id": failed.id,
        "genai_cost.total": "0",
        "genai_cost.reason": "not_billed",
        "tenant.id": "acme",
        "gen_ai.usage.cost": 0.0,
        "genai_cost.input": "0",
        "genai_cost.output": "0",
    }


def test_nobodys_call_shows_no_tenant() -> None:
    assert "tenant.id" not in _shown(_CALL._replace(attribution=Attribution()))


def test_the_providers_own_figure_is_marked_so() -> None:
    shown = _shown(_with_cost(source="provider"), "semconv-draft")
    assert shown["gen_ai.usage.cost.source"] == "provider"


@pytest.mark.parametrize("profiles", [("off",), ("off", "full"), ("default", "off")])
def test_off_writes_nothing(profiles: tuple[str, ...]) -> None:
    assert decorator(profiles) is None


@pytest.mark.parametrize("profiles", [("sparkling",), ("off", "sparkling"), ("",)])
def test_an_unknown_profile_is_refused_with_the_known_ones(profiles: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match=r"default, full.*off"):
        decorator(profiles)
