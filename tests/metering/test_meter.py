"""THE path as a function: what a span tells becomes one observation, priced and attributed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final

import pytest

from otel_genai_cost.journal.codec import decode, encode
from otel_genai_cost.journal.observation import Observation, observation_id
from otel_genai_cost.journal.record import completed, from_record, line_of, to_record
from otel_genai_cost.metering.call_profile import CallProfiles
from otel_genai_cost.metering.meter import meter
from otel_genai_cost.pricing.book import NO_BOOK
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.usage.read import Reading
from tests.usage.recorded import RecordedSpan, recordings, span_with

_BOOK: Final = load_book()
_PROFILES: Final = CallProfiles(_BOOK)
_CALL: Final[Mapping[str, Any]] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
}
_USAGE: Final = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}


def _nobody(reading: Reading) -> Attribution:
    return Attribution()


def _only(span: RecordedSpan, book: Any = _BOOK) -> Observation:
    [observation] = meter(span, CallProfiles(book), _nobody)
    return observation


def _told(**attributes: Any) -> Observation:
    return _only(span_with({**_CALL, **attributes}))


def _failed(error: str | None, **attributes: Any) -> Observation:
    told = {} if error is None else {"error.type": error}
    return _only(span_with({**_CALL, **told, **attributes})._replace(is_error=True))


def test_it_is_pure() -> None:
    """Neither OpenTelemetry nor a clock, a file or a thread is within its reach."""
    code = (
        "import sys; import otel_genai_cost.metering.meter\n"
        "print([name for name in sys.modules if name.split('.')[0] in"
        " ('opentelemetry', 'sqlite3', 'duckdb', 'typer', 'openai')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_same_span_gives_the_same_observation() -> None:
    span = span_with({**_CALL, **_USAGE, "gen_ai.response.id": "r"})
    assert meter(span, _PROFILES, _nobody) == meter(span, CallProfiles(load_book()), _nobody)
    assert dict(span.attributes) == {**_CALL, **_USAGE, "gen_ai.response.id": "r"}


def test_every_recorded_span_survives_the_journal() -> None:
    metered = 0
    for case in recordings():
        for span in case.spans:
            for observation in meter(span, _PROFILES, _nobody):
                read = from_record(to_record(observation))
                again = observation._replace(words_json=b"")
                assert read._replace(cost=observation.cost) == again
                facts = {
                    "origin": list(observation.origin),
                    "book": _BOOK.digest,
                    "scope_version": "1.3b0",
                }
                whole = encode(to_record(observation))
                assert encode(completed(decode(line_of(observation)), {})) == whole
                for one in (observation, again):
                    line = line_of(one, {**facts, "origin": observation.origin})
                    assert encode(completed(decode(line), facts)) == whole
                metered += 1
    assert metered > 1_000


def test_a_span_that_tells_nothing_is_no_observation() -> None:
    assert meter(span_with({"http.route": "/"}), _PROFILES, _nobody) == ()
    assert meter(span_with({}), _PROFILES, _nobody) == ()


def test_a_span_that_only_names_a_tenant_is_context() -> None:
    observation = _only(span_with({"tenant.id": "acme"}))
    assert (observation.reading.role, observation.reading.tenant) == ("context", "acme")
    assert (observation.cost.status, observation.cost.reason) == ("unpriced", "missing_usage")


@pytest.mark.parametrize("operation", ["invoke_agent", "create_agent", "execute_tool"])
def test_a_wrapper_is_an_aggregate_with_usage_and_context_without(operation: str) -> None:
    assert _told(**{"gen_ai.operation.name": operation, **_USAGE}).reading.role == "aggregate"
    without = _told(**{"gen_ai.operation.name": operation})
    assert (without.reading.role, without.cost.total) == ("context", None)


def test_attribution_is_asked_with_what_was_read() -> None:
    asked: list[Reading] = []

    def attribute(reading: Reading) -> Attribution:
        asked.append(reading)
        return Attribution("acme", "edge", None)

    span = span_with({**_CALL, **_USAGE, "gen_ai.agent.name": "planner"})
    [observation] = meter(span, _PROFILES, attribute)
    assert observation.attribution.tenant == "acme"
    assert asked == [observation.reading]
    assert asked[0].labels == {"agent": "planner"}


def test_the_model_that_answered_is_priced_before_the_one_asked_for() -> None:
    """https://openai.com/api/pricing: gpt-4o is 2.50 and 10.00 dollars a million, gpt-4o-mini 0.15 and 0.60."""
    both = _told(**_USAGE, **{"gen_ai.response.model": "gpt-4o-2024-08-06"})
    assert both.cost.total_text == "0.0035"
    assert both.cost.model_resolved == "openai/gpt-4o-2024-08-06"
    assert _told(**_USAGE).cost.total_text == "0.00021"
    unknown = _told(**_USAGE, **{"gen_ai.response.model": "gpt-99"})
    assert (unknown.cost.total, unknown.cost.reason) == (None, "unknown_model")


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "start_us", "end_us"),
    [
        (1_795_000_000_000_000_000, 1_795_000_000_000_000_999, 1795000000000000, 1795000000000000),
        (1_795_000_000_000_001_999, 1_795_000_000_000_002_000, 1795000000000001, 1795000000000002),
    ],
)
def test_times_are_whole_microseconds_rounded_down(
    start_ns: int, end_ns: int, start_us: int, end_us: int
) -> None:
    span = span_with({**_CALL, **_USAGE})._replace(start_ns=start_ns, end_ns=end_ns)
    observation = _only(span)
    assert (observation.start_us, observation.end_us) == (start_us, end_us)
    assert observation.id == observation_id(span.trace_id, span.span_id, start_us)


def test_the_price_is_that_of_the_spans_end() -> None:
    """In 2001 there was no price yet."""
    early = span_with({**_CALL, **_USAGE})._replace(start_ns=10**18, end_ns=10**18 + 1)
    observation = _only(early)
    assert (observation.cost.status, observation.cost.reason) == (
        "unpriced",
        "out_of_effective_range",
    )


def test_a_clock_that_was_set_back_during_the_call_is_priced() -> None:
    span = span_with({**_CALL, **_USAGE})
    assert _only(span._replace(end_ns=span.start_ns - 5_000)).cost.total_text == "0.00021"


@pytest.mark.parametrize(
    "error",
    [
        "BadRequestError",
        "openai.RateLimitError",
        "AuthenticationError",
        "PermissionDeniedError",
        "NotFoundError",
        "InternalServerError",
        "anthropic.OverloadedError",
        "400",
        "429",
        "500",
        "503",
    ],
)
def test_an_error_reply_is_known_to_cost_nothing(error: str) -> None:
    cost = _failed(error).cost
    assert (cost.status, cost.reason, cost.total) == ("priced", "not_billed", 0)


@pytest.mark.parametrize(
    "error",
    [
        "APITimeoutError",
        "openai.APITimeoutError",
        "ReadTimeout",
        "TimeoutError",
        "APIConnectionError",
        "CancelledError",
        "GeneratorExit",
        "ValueError",
        "RateLimitErrorLookalike",
        "408",
        "499",
        "504",
        "522",
        "524",
        "200",
        "600",
        "4290",
        "",
        None,
    ],
)
def test_an_error_after_which_the_provider_may_bill_is_unknown_never_zero(
    error: str | None,
) -> None:
    observation = _failed(error)
    assert (observation.cost.status, observation.cost.total) == ("unpriced", None)
    assert observation.cost.reason == "missing_usage"
    assert observation.reading.usage.quality == "unknown"


def test_an_error_with_usage_is_charged_for_it() -> None:
    assert _failed("RateLimitError", **_USAGE).cost.total_text == "0.00021"


def test_a_call_that_reports_no_usage_is_unknown_never_zero() -> None:
    cost = _told().cost
    assert (cost.status, cost.reason, cost.total) == ("unpriced", "missing_usage", None)
    zero = _told(**{"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}).cost
    assert (zero.status, zero.reason, zero.total) == ("unpriced", "untrusted_usage", None)


def test_a_poll_is_never_a_call_of_its_own() -> None:
    poll = _told(**{"gen_ai.operation.name": "fetch_response"})
    assert (poll.reading.role, poll.cost.reason) == ("poll", "poll_without_call")


def test_without_a_price_book_everything_is_unpriced_and_says_so() -> None:
    cost = _only(span_with({**_CALL, **_USAGE}), NO_BOOK).cost
    assert (cost.status, cost.reason, cost.total) == ("unpriced", "no_price_book", None)


def test_an_unknown_scope_is_read_by_the_conventions() -> None:
    observation = _only(span_with({**_CALL, **_USAGE}, scope="my.own.scope"))
    assert (observation.dialect, observation.cost.total_text) == ("semconv-fallback/1", "0.00021")


def _openrouter(cost: str) -> Observation:
    usage = f'{{"prompt_tokens": 1000, "completion_tokens": 100, "cost": {cost}}}'
    told = {"gen_ai.provider.name": "openrouter", "gen_ai.usage.raw": usage}
    return _only(span_with({**_CALL, **told}, scope="logfire.openai"))


def test_what_the_provider_itself_billed_goes_before_the_book() -> None:
    cost = _openrouter("0.0123").cost
    assert (cost.status, cost.source, cost.total_text, cost.price_id) == (
        "priced",
        "provider",
        "0.0123",
        None,
    )
    [line] = cost.lines
    assert (line.kind, line.quantity, line.amount) == ("provider", 1, cost.total)
    observation = _openrouter("6.824999999999999e-05")
    assert observation.cost.total_text == "0.00006825"  # half-even at 1e-18
    again = from_record(to_record(observation))
    assert (again.cost.total, again.cost.source, again.cost.lines) == (
        observation.cost.total,
        "provider",
        observation.cost.lines,
    )


@pytest.mark.parametrize("cost", ["-1", "1e12", "NaN", "Infinity", '"0.5"', "true", "{}", "1e-400"])
def test_a_providers_figure_that_is_no_amount_is_not_taken(cost: str) -> None:
    priced = _openrouter(cost).cost
    assert priced.source == "book" or priced.total == 0


def test_a_cost_that_another_library_computed_is_never_ours() -> None:
    observation = _told(**{**_USAGE, "gen_ai.usage.cost": 99.0})
    assert observation.reading.foreign_cost == "99.0"
    assert observation.cost == _told(**_USAGE).cost


def test_ids_of_persons_are_kept_only_where_they_are_asked_for() -> None:
    told = {**_CALL, **_USAGE, "user.id": "u-1", "session.id": "s-1", "genai_cost.feature": "chat"}
    [observation] = meter(span_with(told), _PROFILES, _nobody)
    assert observation.reading.labels == {"feature": "chat"}
    [observation] = meter(span_with(told), _PROFILES, _nobody, personal=True)
    assert observation.reading.labels == {"feature": "chat", "user": "u-1", "session": "s-1"}


@pytest.mark.parametrize(
    ("model", "tokens", "status", "total"),
    [
        ("deepseek/deepseek-r1:free", 100, "priced", "0"),
        ("anthropic/claude-opus-5", 100, "priced", "0.003"),
        ("nobody/knows-this", 100, "unpriced", None),
    ],
)
def test_a_bill_of_nothing_is_believed_where_it_can_be_one(
    model: str, tokens: int, status: str, total: str | None
) -> None:
    usage = (
        f'{{"prompt_tokens": {tokens}, "completion_tokens": {tokens}, "cost": 0, "is_byok": false}}'
    )
    call = {**_CALL, "gen_ai.provider.name": "openrouter", "gen_ai.request.model": model}
    span = span_with({**call, "gen_ai.usage.raw": usage})._replace(scope_name="logfire.openai")
    cost = _only(span).cost
    assert (cost.status, cost.total_text) == (status, total)
