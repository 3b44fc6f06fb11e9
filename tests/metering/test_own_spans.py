"""What our own instrumentors tell of a call's requests, and what that makes of its price."""

from __future__ import annotations

from typing import Any

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import from_record, to_record
from otel_genai_cost.metering.call_profile import CallProfiles
from otel_genai_cost.metering.meter import meter
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.reports.endings import ending_record, ending_text
from otel_genai_cost.tenancy.attribution import Attribution
from tests.usage.recorded import span_with

_CALL: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
}
_USAGE = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}


def _metered(attributes: dict[str, Any]) -> tuple[Observation, ...]:
    span = span_with({**_CALL, **attributes}, scope="otel_genai_instrumentors.openai")
    return meter(span, CallProfiles(load_book()), lambda _: Attribution())


def _told(**attributes: Any) -> tuple[str, str | None, str, int]:
    [found] = _metered({name.replace("__", "."): value for name, value in attributes.items()})
    return found.cost.status, found.cost.reason, found.reading.usage.quality, found.reading.attempts


@pytest.mark.parametrize("error", ["TypeError", "openai.APIConnectionError"])
def test_what_never_left_is_no_call(error: str) -> None:
    assert _metered({"error.type": error, "genai_cost.request.sent": False}) == ()
    assert len(_metered({"error.type": error})) == 1


def test_an_unfinished_answer_is_never_a_plain_price() -> None:
    assert _told(genai_cost__unfinished=True) == ("unpriced", "unfinished", "unknown", 1)
    [partly] = _metered({**_USAGE, "genai_cost.unfinished": True})
    assert (partly.cost.status, partly.reading.usage.quality) == ("priced", "estimated")
    assert partly.reading.raw and partly.reading.error == "unfinished"


def test_an_unfinished_answer_keeps_the_error_that_broke_it() -> None:
    [broken] = _metered({"genai_cost.unfinished": True, "error.type": "openai.APIConnectionError"})
    assert broken.reading.error == "openai.APIConnectionError"
    assert (broken.cost.status, broken.cost.reason) == ("unpriced", "missing_usage")


def test_a_time_out_that_was_tried_again_is_a_mark_on_the_price() -> None:
    tries = {"genai_cost.attempts": 3, "genai_cost.attempts_unanswered": 1}
    [answered] = _metered({**_USAGE, **tries})
    assert (answered.cost.status, answered.reading.usage.quality) == ("priced", "estimated")
    assert answered.reading.attempts == 3
    [refused] = _metered({"error.type": "openai.RateLimitError", **tries})
    assert (refused.cost.status, refused.cost.total) == ("unpriced", None)
    assert refused.reading.usage.quality == "unknown"


def test_of_an_answer_that_was_left_before_any_of_it_came_only_the_input_is_likely() -> None:
    asked, came = "genai_cost.estimate.input_tokens", "genai_cost.estimate.output_tokens"
    left: dict[str, Any] = {"genai_cost.unfinished": True, came: [0, 0, 50]}
    [found] = _metered({**left, asked: [1, 7, 1_177]})
    usage = found.reading.usage
    assert (dict(usage.leaves), usage.quality) == ({"input": 7}, "estimated")
    assert (usage.low, usage.high) == (
        {"input": 1, "output": 0},
        {"input": 1_177, "output": 50},
    )
    [unknown] = _metered(left)
    assert (unknown.cost.status, unknown.cost.reason) == ("unpriced", "unfinished")
    assert unknown.reading.usage.high == {"output": 50}


def test_what_came_of_an_answer_is_the_least_where_its_input_is_not_known() -> None:
    left = {"genai_cost.unfinished": True, "genai_cost.estimate.output_tokens": [1, 10, 50]}
    [found] = _metered(left)
    assert (found.cost.status, found.cost.reason) == ("partial", "unfinished")
    assert (found.cost.total, dict(found.cost.quantities)) == (None, {"output": 10})


def test_the_model_that_was_asked_for_first_is_kept_and_names_no_price() -> None:
    [fell_back] = _metered({**_USAGE, "genai_cost.request.model_asked": "openai/gpt-5-pro"})
    [plain] = _metered(_USAGE)
    assert fell_back.cost == plain.cost and fell_back.reading.model_requested == "gpt-4o-mini"
    assert from_record(to_record(fell_back)).reading.model_asked == "openai/gpt-5-pro"
    assert ending_record(fell_back, lambda _: None)["model_asked"] == "openai/gpt-5-pro"
    assert dict(ending_text(fell_back, lambda _: None)) == {
        "fall-back": "from openai/gpt-5-pro, which was asked for"
    }
    assert plain.reading.model_asked is None and "model_asked" not in to_record(plain)


def test_a_refusal_that_was_tried_again_is_plain() -> None:
    [answered] = _metered({**_USAGE, "genai_cost.attempts": 2})
    assert (answered.reading.usage.quality, answered.reading.attempts) == ("reported", 2)
    [refused] = _metered({"error.type": "openai.RateLimitError", "genai_cost.attempts": 2})
    assert (refused.cost.status, refused.cost.reason) == ("priced", "not_billed")


def test_an_answer_that_is_no_use_is_billed() -> None:
    [told] = _metered({**_USAGE, "error.type": "openai.LengthFinishReasonError"})
    assert (told.cost.status, told.reading.usage.quality) == ("priced", "reported")
