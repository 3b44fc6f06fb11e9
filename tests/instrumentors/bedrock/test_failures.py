"""What becomes of each request of a call: refused, made anew, given up on, never sent."""

from __future__ import annotations

import socket
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.stub import Stubber

from otel_genai_cost.testing.standin import Answer, StandIn
from tests.instrumentors.bedrock.conftest import ASK, CLAUDE, client_of
from tests.instrumentors.conftest import Recorder

MODES = ("legacy", "standard", "adaptive")


def _retrying(mode: str, attempts: int, **config: Any) -> dict[str, Any]:
    return {"retries": {"mode": mode, "total_max_attempts": attempts}, **config}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


@pytest.mark.parametrize("mode", MODES)
def test_each_request_is_seen(recorder: Recorder, bedrock: StandIn, mode: str) -> None:
    bedrock.script.next(Answer(status=429), Answer(status=503))
    client = client_of(bedrock.url, **_retrying(mode, 4))
    answer = client.converse(modelId=CLAUDE, messages=ASK)
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    found = recorder.only
    assert found["genai_cost.attempts"] == 3
    assert found["genai_cost.attempt_statuses"] == (429, 503, 200)
    assert "genai_cost.attempts_unanswered" not in found
    assert found["gen_ai.usage.input_tokens"] > 0


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
def test_a_refusal_is_one_call_without_usage(
    client: Any, recorder: Recorder, bedrock: StandIn, status: int, name: str
) -> None:
    bedrock.script.next(Answer(status=status, message="no"))
    with pytest.raises(client.exceptions.ClientError, match="no") as raised:
        client.converse(modelId=CLAUDE, messages=ASK)
    assert type(raised.value).__name__ == name
    found = recorder.only
    assert found["error.type"] == f"botocore.{name}"
    assert found["http.response.status_code"] == status
    assert not [key for key in found if ".usage." in key or "estimate" in key]


def test_a_refusal_of_the_last_attempt_tells_of_all(recorder: Recorder, bedrock: StandIn) -> None:
    bedrock.script.always(Answer(status=500))
    client = client_of(bedrock.url, **_retrying("standard", 3))
    with pytest.raises(client.exceptions.InternalServerException):
        client.converse(modelId=CLAUDE, messages=ASK)
    assert recorder.only["genai_cost.attempt_statuses"] == (500, 500, 500)


def test_a_time_out_of_the_model_may_be_billed(
    client: Any, recorder: Recorder, bedrock: StandIn
) -> None:
    bedrock.script.next(Answer(status=408))
    with pytest.raises(client.exceptions.ModelTimeoutException):
        client.converse(modelId=CLAUDE, messages=ASK, inferenceConfig={"maxTokens": 64})
    assert recorder.only["genai_cost.estimate.output_tokens"] == (0, 0, 64)


def test_a_time_out_may_be_billed_and_so_may_what_was_given_up_on(
    recorder: Recorder, bedrock: StandIn
) -> None:
    bedrock.script.next(Answer(hangs=True), Answer())
    client = client_of(bedrock.url, **_retrying("standard", 2, read_timeout=0.3))
    client.converse(modelId=CLAUDE, messages=ASK)
    found = recorder.only
    assert found["genai_cost.attempts"] == 2
    assert found["genai_cost.attempt_statuses"] == (0, 200)
    assert found["genai_cost.attempts_unanswered"] == 1
    recorder.exporter.clear()
    bedrock.script.next(Answer(hangs=True))
    with pytest.raises(ReadTimeoutError):
        client_of(bedrock.url, read_timeout=0.3).converse(modelId=CLAUDE, messages=ASK)
    found = recorder.only
    assert found["error.type"] == "botocore.ReadTimeoutError"
    assert found["genai_cost.estimate.input_tokens"][0] == 0
    assert "genai_cost.request.sent" not in found


def _closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_what_never_left_is_no_call(client: Any, recorder: Recorder, bedrock: StandIn) -> None:
    with pytest.raises((EndpointConnectionError, ConnectTimeoutError)):
        client_of(_closed_port()).converse(modelId=CLAUDE, messages=ASK)
    with pytest.raises(ParamValidationError):
        client.converse(modelId=CLAUDE, messages="hello")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.credentials.CredentialResolver.load_credentials", lambda _: None)
        anonymous = boto3.Session(region_name="us-east-1").client(
            "bedrock-runtime", endpoint_url=bedrock.url
        )
        with pytest.raises(NoCredentialsError):
            anonymous.converse(modelId=CLAUDE, messages=ASK)
    found = [dict(span.attributes or {}) for span in recorder.spans]
    assert [each["genai_cost.request.sent"] for each in found] == [False] * 3
    assert bedrock.bills == []


def test_a_stub_s_answers_pass(client: Any, recorder: Recorder) -> None:
    answer: Any = {
        "output": {"message": {"role": "assistant", "content": [{"text": "stubbed"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
        "metrics": {"latencyMs": 1},
    }
    with Stubber(client) as stub:
        stub.add_response("converse", answer)
        stub.add_response("converse_stream", {"stream": {"messageStart": {"role": "assistant"}}})
        stub.add_client_error("converse", "ThrottlingException", http_status_code=429)
        assert client.converse(modelId=CLAUDE, messages=ASK)["usage"]["outputTokens"] == 2
        stream = client.converse_stream(modelId=CLAUDE, messages=ASK)["stream"]
        assert stream == {"messageStart": {"role": "assistant"}}
        with pytest.raises(client.exceptions.ThrottlingException):
            client.converse(modelId=CLAUDE, messages=ASK)
    assert len(recorder.spans) == 3
