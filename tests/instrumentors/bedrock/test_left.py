"""However a body is read, and however a stream or a body is left, there is one call, with what is known of it."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import EventStreamError, ReadTimeoutError, ResponseStreamingError
from botocore.response import StreamingBody

from otel_genai_cost.testing.standin import Answer, StandIn, Usage
from otel_genai_instrumentors.open_calls import drain
from tests.instrumentors.bedrock.conftest import ASK, CLAUDE, client_of
from tests.instrumentors.bedrock.test_calls import COUNTED, MESSAGES, USED, counts
from tests.instrumentors.conftest import Recorder

pytestmark = [
    # botocore leaves the socket of a stream that is dropped, or that ends in an error, to the collector of garbage
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

HEADERS = {
    "gen_ai.usage.input_tokens": 2041,
    "gen_ai.usage.output_tokens": 997,
    "gen_ai.usage.cache_read.input_tokens": 1823,
    "gen_ai.usage.cache_write.input_tokens": 157,
}
"""What the headers say of USED."""


def _piece_by_piece(body: Any) -> bytes:
    pieces: list[bytes] = []
    while piece := body.read(7):
        pieces.append(piece)
    return b"".join(pieces)


def _as_raw(body: Any) -> bytes:
    with body as raw:
        found: bytes = raw.read()
    return found


def _into_a_buffer(body: Any) -> bytes:
    return io.BufferedReader(body, 16).read()


READ: dict[str, Callable[[Any], bytes]] = {
    "read": lambda body: body.read(),
    "pieces": _piece_by_piece,
    "iterated": lambda body: b"".join(body),
    "chunks": lambda body: b"".join(body.iter_chunks(10)),
    "lines": lambda body: b"".join(body.iter_lines(10)),
    "readlines": lambda body: b"".join(body.readlines()),
    "as raw": _as_raw,
    "buffered": _into_a_buffer,
    "json": lambda body: json.dumps(json.load(body)).encode(),
}


def _invoked(client: Any) -> Any:
    return client.invoke_model(modelId=CLAUDE, body=json.dumps(MESSAGES))


@pytest.mark.parametrize("how", READ)
def test_a_body_is_read_in_any_way(
    client: Any, recorder: Recorder, bedrock: StandIn, how: str
) -> None:
    bedrock.script.next(Answer(usage=USED))
    body = _invoked(client)["body"]
    assert type(body) is StreamingBody
    said = json.loads(READ[how](body))
    assert said["usage"]["output_tokens"] == 997
    assert counts(recorder.only) == COUNTED
    assert recorder.only["gen_ai.response.id"] == said["id"]


@pytest.mark.parametrize("n", [0, 5])
def test_of_a_body_that_is_closed_half_way_the_headers_say_all_that_counts(
    client: Any, recorder: Recorder, bedrock: StandIn, n: int
) -> None:
    bedrock.script.next(Answer(usage=USED))
    body = _invoked(client)["body"]
    assert len(body.read(n)) == n
    body.close()
    found = recorder.only
    assert counts(found) == HEADERS
    assert "genai_cost.unfinished" not in found


def test_of_a_body_that_nobody_reads_too(client: Any, recorder: Recorder, bedrock: StandIn) -> None:
    bedrock.script.next(Answer(usage=USED))
    answer = _invoked(client)
    request_id = answer["ResponseMetadata"]["RequestId"]
    del answer
    _forget()
    assert counts(recorder.only) == HEADERS
    assert recorder.only["gen_ai.response.id"] == request_id


def test_a_body_that_does_not_come_is_billed_all_the_same(
    recorder: Recorder, bedrock: StandIn
) -> None:
    client = client_of(bedrock.url, read_timeout=0.3)
    bedrock.script.next(Answer(usage=USED, cuts_after=1))
    with pytest.raises((ResponseStreamingError, ReadTimeoutError)):
        _invoked(client)["body"].read()
    found = recorder.only
    assert counts(found) == HEADERS
    assert found["error.type"] == "urllib3.ProtocolError"


def _close(stream: Any) -> None:
    for event in stream:
        if "contentBlockDelta" in event:
            break
    stream.close()


def _drop(stream: Any) -> None:
    next(iter(stream))
    del stream


def _raise_inside(stream: Any) -> None:
    with contextlib.suppress(ZeroDivisionError), contextlib.closing(stream):
        for event in stream:
            if "contentBlockDelta" in event:
                raise ZeroDivisionError


def _forget() -> None:
    gc.collect()
    drain()


LEFT = {"close": _close, "garbage": _drop, "error of the reader": _raise_inside}


@pytest.mark.parametrize("how", LEFT)
def test_a_stream_that_is_left_has_bounds(
    client: Any, recorder: Recorder, bedrock: StandIn, how: str
) -> None:
    bedrock.script.next(Answer(usage=USED, text="some words that come one by one"))
    limit: Any = {"maxTokens": 64}
    LEFT[how](client.converse_stream(modelId=CLAUDE, messages=ASK, inferenceConfig=limit)["stream"])
    _forget()
    found = recorder.only
    assert found["genai_cost.unfinished"] is True
    least, likely, most = found["genai_cost.estimate.output_tokens"]
    arrived = 0 if how == "garbage" else 1
    assert (least, most) == (arrived, 64)
    assert least <= likely <= most
    assert found["genai_cost.estimate.input_tokens"][0] == 1, "what was asked had been read"
    assert counts(found) == {}


def test_an_invoked_stream_that_is_left_keeps_what_its_events_said(
    client: Any, recorder: Recorder, bedrock: StandIn
) -> None:
    bedrock.script.next(Answer(usage=USED))
    body = json.dumps(MESSAGES)
    stream = client.invoke_model_with_response_stream(modelId=CLAUDE, body=body)["body"]
    for event in stream:
        if b"content_block_delta" in event["chunk"]["bytes"]:
            break
    stream.close()
    stream.close()
    found = recorder.only
    assert found["genai_cost.unfinished"] is True
    assert found["gen_ai.usage.input_tokens"] == 2041
    assert "gen_ai.usage.output_tokens" not in found
    assert found["gen_ai.response.id"].startswith("msg_bdrk_")
    assert found["genai_cost.estimate.output_tokens"] == (1, 1, 64)


@pytest.mark.parametrize("kind", ["modelStreamErrorException", "throttlingException"])
def test_an_error_in_a_stream_is_the_caller_s_and_ends_the_call(
    client: Any, recorder: Recorder, bedrock: StandIn, kind: str
) -> None:
    options = {"exception": kind, "exception_after": 3}
    bedrock.script.next(Answer(usage=USED, options=options))
    with pytest.raises(EventStreamError) as raised:
        list(client.converse_stream(modelId=CLAUDE, messages=ASK)["stream"])
    assert raised.value.response["Error"]["Code"] == kind
    found = recorder.only
    assert found["error.type"] == f"botocore.EventStreamError.{kind}"
    assert found["genai_cost.unfinished"] is True
    assert found["genai_cost.estimate.output_tokens"] == (1, 4)
    (span,) = recorder.spans
    assert not span.status.is_ok


def test_a_stream_that_breaks_off_is_unfinished(
    client: Any, recorder: Recorder, bedrock: StandIn
) -> None:
    bedrock.script.next(Answer(usage=USED, cuts_after=2))
    with pytest.raises(Exception, match=r"Connection broken|IncompleteRead|ended prematurely"):
        list(client.converse_stream(modelId=CLAUDE, messages=ASK)["stream"])
    assert recorder.only["genai_cost.unfinished"] is True


def test_a_stream_that_ends_early_without_a_word_is_unfinished(
    client: Any, recorder: Recorder, bedrock: StandIn
) -> None:
    bedrock.script.next(Answer(usage=USED, ends_after=3))
    assert len(list(client.converse_stream(modelId=CLAUDE, messages=ASK)["stream"])) == 3
    assert recorder.only["genai_cost.unfinished"] is True


def test_of_a_long_stream_every_word_counts_if_it_is_left(
    client: Any, recorder: Recorder, bedrock: StandIn
) -> None:
    words = 5_000
    bedrock.script.next(Answer(usage=Usage(9, 9), text="word " * words, ends_after=words + 1))
    started_s = time.monotonic()
    assert list(client.converse_stream(modelId=CLAUDE, messages=ASK)["stream"])
    assert time.monotonic() - started_s < 60
    assert recorder.only["genai_cost.estimate.output_tokens"][1] == 5 * words // 4
