"""Streams that are left, errors and retries of the real `anthropic` client: nothing that was billed is missed."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any, Final

import anthropic
import pytest

from otel_genai_cost.testing.standin import Answer, StandIn
from otel_genai_instrumentors.open_calls import drain
from tests.instrumentors.anthropic_client.calls import (
    ANSWER,
    ASK,
    INPUT,
    check_bill,
    run_async,
    stream,
    used,
)
from tests.instrumentors.conftest import Recorder


def _first_text(stream: Any) -> None:
    next(event for event in stream if event.type == "content_block_delta")


def _closed(client: anthropic.Anthropic) -> None:
    stream = client.messages.create(**ASK, stream=True)
    _first_text(stream)
    stream.close()
    stream.close()


def _dropped(client: anthropic.Anthropic) -> None:
    stream = client.messages.create(**ASK, stream=True)
    _first_text(stream)
    del stream
    gc.collect()


def _raised(client: anthropic.Anthropic) -> None:
    with pytest.raises(KeyError), client.messages.stream(**ASK) as stream:
        _first_text(stream)
        raise KeyError


def _left_bytes(client: anthropic.Anthropic) -> None:
    with client.messages.with_streaming_response.create(**ASK, stream=True) as response:
        next(line for line in response.iter_lines() if "text_delta" in line)


_LEAVES: Final = {"closed": _closed, "dropped": _dropped, "raised": _raised, "bytes": _left_bytes}


@pytest.mark.parametrize("leave", _LEAVES.values(), ids=_LEAVES)
def test_a_stream_that_is_left(
    client: anthropic.Anthropic, recorder: Recorder, standin: StandIn, leave: Callable[[Any], None]
) -> None:
    standin.script.always(ANSWER)
    leave(client)
    _is_estimated(recorder, standin)


def _is_estimated(recorder: Recorder, standin: StandIn) -> None:
    """One call with the input that was billed, and the output that arrived as an estimate within bounds."""
    drain()
    call = recorder.only
    (bill,) = standin.bills
    expected = {key: bill["usage"][key] for key in INPUT}
    assert used(call) == {**expected, "web_searches": 2}
    assert call["genai_cost.unfinished"] is True
    low, likely, high = call["genai_cost.estimate.output_tokens"]
    assert 0 < low <= likely < high == 500


def test_a_cancelled_stream(recorder: Recorder, standin: StandIn) -> None:
    standin.script.always(ANSWER._replace(stalls_after=8))

    async def cancelled(client: anthropic.AsyncAnthropic) -> None:
        arrived = asyncio.Event()

        async def read() -> None:
            async for event in await client.messages.create(**ASK, stream=True):
                if event.type == "content_block_delta":
                    arrived.set()

        task = asyncio.create_task(read())
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_async(standin, cancelled)
    _is_estimated(recorder, standin)


def test_an_error_in_the_middle_of_a_stream(
    client: anthropic.Anthropic, recorder: Recorder, standin: StandIn
) -> None:
    standin.script.always(ANSWER._replace(options={"breaks_after": 6}))
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        stream(client)
    _is_estimated(recorder, standin)
    assert recorder.only["error.type"] == "anthropic.APIStatusError"


def test_an_error_in_place_of_a_stream(
    client: anthropic.Anthropic, recorder: Recorder, standin: StandIn
) -> None:
    standin.script.always(ANSWER._replace(options={"breaks_after": 0}, is_billed=False))
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        stream(client)
    assert recorder.only["error.type"] == "anthropic.APIStatusError"
    assert not [name for name in recorder.only if "usage" in name or "estimate" in name]
    assert "genai_cost.unfinished" not in recorder.only


def test_attempts_are_counted_with_their_statuses(
    client: anthropic.Anthropic, recorder: Recorder, standin: StandIn
) -> None:
    refused = [Answer(status=status, retry_after_s=0.01) for status in (529, 500)]
    standin.script.next(*refused, ANSWER)
    client.messages.create(**ASK)
    check_bill(recorder, standin)
    assert recorder.only["genai_cost.attempts"] == 3
    assert recorder.only["genai_cost.attempt_statuses"] == (529, 500, 200)
    assert "genai_cost.attempts_unanswered" not in recorder.only


def test_an_attempt_that_a_gateway_gave_up_on_may_bebilled(
    client: anthropic.Anthropic, recorder: Recorder, standin: StandIn
) -> None:
    standin.script.next(Answer(status=504, retry_after_s=0.01), ANSWER)
    client.messages.create(**ASK)
    assert recorder.only["genai_cost.attempts_unanswered"] == 1


@pytest.mark.parametrize("status", [429, 500, 529])
def test_a_refusal_says_its_status_and_no_usage(
    client: anthropic.Anthropic, recorder: Recorder, standin: StandIn, status: int
) -> None:
    standin.script.always(Answer(status=status, retry_after_s=0.01))
    with pytest.raises(anthropic.APIStatusError):
        client.messages.create(**ASK)
    assert recorder.only["http.response.status_code"] == status
    assert recorder.only["genai_cost.attempt_statuses"] == (status,) * 3
    assert used(recorder.only) == {}


def test_after_a_time_out_the_usage_is_unknown_within_bounds(
    client: anthropic.Anthropic, recorder: Recorder, standin: StandIn
) -> None:
    standin.script.always(ANSWER._replace(hangs=True))
    with pytest.raises(anthropic.APITimeoutError):
        client.with_options(max_retries=0, timeout=0.2).messages.create(**ASK)
    assert used(recorder.only) == {}
    assert recorder.only["genai_cost.estimate.output_tokens"] == (0, 0, 500)
    assert "genai_cost.unfinished" not in recorder.only
