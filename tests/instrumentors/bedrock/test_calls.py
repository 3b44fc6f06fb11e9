"""The real `boto3` against the stand-in: every way of calling a model is one call, with what it was billed."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import Any

import pytest
from botocore.eventstream import EventStream
from opentelemetry import trace

from otel_genai_cost import errors
from otel_genai_cost.testing.standin import Answer, StandIn, Usage
from otel_genai_instrumentors.bedrock_answers import read_converse
from otel_genai_instrumentors.clients.botocore import BotocoreInstrumentor
from tests.instrumentors.bedrock.conftest import ASK, CLAUDE, client_of
from tests.instrumentors.conftest import Recorder

USED = Usage(2041, 997, cache_read_tokens=1823, cache_write_5m_tokens=100, cache_write_1h_tokens=57)
COUNTED = {
    "gen_ai.usage.input_tokens": 2041,
    "gen_ai.usage.output_tokens": 997,
    "gen_ai.usage.cache_read.input_tokens": 1823,
    "gen_ai.usage.cache_write.input_tokens": 157,
    "genai_cost.usage.cache_write_5m": 100,
    "genai_cost.usage.cache_write_1h": 57,
}
MESSAGES = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "what does this cost?"}],
}
BODIES: dict[str, dict[str, Any]] = {
    CLAUDE: MESSAGES,
    "amazon.nova-pro-v1:0": {"messages": ASK},
    "amazon.titan-text-express-v1": {"inputText": "what?"},
    "meta.llama3-70b-instruct-v1:0": {"prompt": "what?"},
    "mistral.mistral-large-2402-v1:0": {"prompt": "what?"},
    "cohere.command-r-v1:0": {"message": "what?"},
    "openai.gpt-oss-20b-1:0": {"messages": [{"role": "user", "content": "what?"}]},
    "deepseek.r1-v1:0": {"prompt": "what?"},
    "ai21.jamba-1-5-mini-v1:0": {"messages": [{"role": "user", "content": "what?"}]},
}
"""Model -> a request in its maker's words."""

CACHED = ("anthropic", "nova", "openai")
"""Makers whose models cache."""


def used_by(model: str) -> Usage:
    """What is scripted for a model."""
    cached = any(maker in model for maker in CACHED)
    return Usage(2041, 997, cache_read_tokens=1823 if cached else 0)


def counts(attributes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if ".usage." in key}


def test_converse(client: Any, recorder: Recorder, bedrock: StandIn) -> None:
    bedrock.script.next(Answer(usage=USED, context={"service_tier": "flex"}))
    answer = client.converse(modelId=CLAUDE, messages=ASK)
    assert answer["output"]["message"]["content"] == [{"text": "A stand-in's answer."}]
    assert recorder.only == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.model": CLAUDE,
        "genai_cost.region": "us-east-1",
        "server.address": "127.0.0.1",
        "server.port": bedrock.port,
        "gen_ai.response.id": answer["ResponseMetadata"]["RequestId"],
        "gen_ai.response.finish_reasons": ("end_turn",),
        "genai_cost.service_tier": "flex",
        **COUNTED,
    }
    (span,) = recorder.spans
    assert (span.name, span.kind) == (f"chat {CLAUDE}", trace.SpanKind.CLIENT)


def test_converse_stream(client: Any, recorder: Recorder, bedrock: StandIn) -> None:
    bedrock.script.next(Answer(usage=USED))
    answer = client.converse_stream(modelId=CLAUDE, messages=ASK)
    assert type(answer["stream"]) is EventStream
    events = [next(iter(event)) for event in answer["stream"]]
    assert (events[0], events[-1]) == ("messageStart", "metadata")
    found = recorder.only
    assert counts(found) == COUNTED
    assert found["gen_ai.response.id"] == answer["ResponseMetadata"]["RequestId"]
    assert found["gen_ai.response.finish_reasons"] == ("end_turn",)
    assert found["gen_ai.request.stream"] is True


def test_a_stream_ends_with_its_usage_not_with_what_its_reader_does_next(
    client: Any, recorder: Recorder
) -> None:
    for model, answer in (
        ("metadata", client.converse_stream(modelId=CLAUDE, messages=ASK)["stream"]),
        ("chunk", _streamed(client, CLAUDE)["body"]),
    ):
        recorder.exporter.clear()
        with contextlib.closing(answer):
            for event in answer:
                if model == "chunk" and b"invocationMetrics" not in event["chunk"]["bytes"]:
                    assert recorder.spans == ()
                elif model in event:
                    break
            assert recorder.only["gen_ai.usage.input_tokens"] > 0


def _streamed(client: Any, model: str) -> Any:
    body = json.dumps(BODIES[model])
    return client.invoke_model_with_response_stream(modelId=model, body=body)


@pytest.mark.parametrize("model", BODIES)
def test_invoke_model(client: Any, recorder: Recorder, bedrock: StandIn, model: str) -> None:
    bedrock.script.next(Answer(usage=used_by(model)))
    answer = client.invoke_model(modelId=model, body=json.dumps(BODIES[model]))
    assert recorder.spans == ()
    assert json.loads(answer["body"].read())
    _is_as_billed(recorder, bedrock)


@pytest.mark.parametrize("model", BODIES)
def test_invoke_model_with_a_stream(
    client: Any, recorder: Recorder, bedrock: StandIn, model: str
) -> None:
    bedrock.script.next(Answer(usage=used_by(model)))
    answer = _streamed(client, model)
    assert type(answer["body"]) is EventStream
    assert all("chunk" in event for event in answer["body"])
    _is_as_billed(recorder, bedrock)


def test_lifetimes_of_cache_writes_are_in_the_body_only(
    client: Any, recorder: Recorder, bedrock: StandIn
) -> None:
    bedrock.script.always(Answer(usage=USED))
    client.invoke_model(modelId=CLAUDE, body=json.dumps(MESSAGES))["body"].read()
    assert list(_streamed(client, CLAUDE)["body"])
    assert [counts(dict(span.attributes or {})) for span in recorder.spans] == [COUNTED] * 2


def _is_as_billed(recorder: Recorder, bedrock: StandIn) -> None:
    found, [bill] = recorder.only, bedrock.bills
    assert found["gen_ai.usage.input_tokens"] == bill["usage"]["input_tokens"]
    assert found["gen_ai.usage.output_tokens"] == bill["usage"]["output_tokens"]
    cached = found.get("gen_ai.usage.cache_read.input_tokens", 0)
    assert cached == bill["usage"]["cache_read_tokens"]
    assert found["gen_ai.response.id"] == bill["response_id"]
    assert found["gen_ai.response.finish_reasons"]
    assert "gen_ai.response.model" not in found
    assert "genai_cost.unfinished" not in found


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("amazon.titan-embed-text-v2:0", {"inputText": "x"}),
        ("cohere.embed-english-v3", {"texts": ["x"], "input_type": "search_query"}),
    ],
)
def test_embeddings(
    client: Any, recorder: Recorder, bedrock: StandIn, model: str, body: Any
) -> None:
    bedrock.script.next(Answer(usage=Usage(309)))
    client.invoke_model(modelId=model, body=json.dumps(body))["body"].read()
    found = recorder.only
    assert found["gen_ai.operation.name"] == "embeddings"
    assert counts(found) == {"gen_ai.usage.input_tokens": 309}
    assert not [name for name in found if "estimate" in name]


def _ranked(url: str, documents: list[str]) -> None:
    sources: list[Any] = [
        {
            "type": "INLINE",
            "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": document}},
        }
        for document in documents
    ]
    arn = "arn:aws:bedrock:us-east-1::foundation-model/cohere.rerank-v3-5:0"
    client_of(url, "bedrock-agent-runtime").rerank(
        queries=[{"type": "TEXT", "textQuery": {"text": "what?"}}],
        sources=sources,
        rerankingConfiguration={
            "type": "BEDROCK_RERANKING_MODEL",
            "bedrockRerankingConfiguration": {"modelConfiguration": {"modelArn": arn}},
        },
    )


@pytest.mark.parametrize(
    ("documents", "units", "is_least"),
    [(["short"] * 100, 1, False), (["short"] * 101, 2, False), (["long" * 250] * 90, 1, True)],
)
def test_reranking_is_billed_by_the_hundred_documents(
    client: Any,
    recorder: Recorder,
    bedrock: StandIn,
    documents: list[str],
    units: int,
    is_least: bool,
) -> None:
    _ranked(bedrock.url, documents)
    body = {"query": "what?", "documents": documents, "api_version": 2}
    client.invoke_model(modelId="cohere.rerank-v3-5:0", body=json.dumps(body))["body"].read()
    for span in recorder.spans:
        found = dict(span.attributes or {})
        assert found["gen_ai.operation.name"] == "rerank"
        expected: dict[str, Any] = {"genai_cost.usage.requests": units}
        assert counts(found) == expected | (
            {"genai_cost.usage.incomplete": True} if is_least else {}
        )
        assert not [name for name in found if "estimate" in name]
    assert len(recorder.spans) == 2


def test_what_a_guardrail_bills_is_not_in_the_counts(client: Any, recorder: Recorder) -> None:
    guardrail = {"guardrailIdentifier": "g", "guardrailVersion": "1"}
    client.converse(modelId=CLAUDE, messages=ASK, guardrailConfig=guardrail)
    body = json.dumps(MESSAGES)
    client.invoke_model(modelId=CLAUDE, body=body, **guardrail)["body"].read()
    stream = client.converse_stream(modelId=CLAUDE, messages=ASK, guardrailConfig=guardrail)
    assert list(stream["stream"])
    found = [dict(span.attributes or {}) for span in recorder.spans]
    assert [each["genai_cost.usage.incomplete"] for each in found] == [True] * 3


def test_speed_and_tier_are_those_that_served_it(
    client: Any, recorder: Recorder, bedrock: StandIn
) -> None:
    bedrock.script.always(Answer(context={"service_tier": "default", "speed": "standard"}))
    asked: dict[str, Any] = {"performanceConfig": {"latency": "optimized"}}
    client.converse(modelId=CLAUDE, messages=ASK, serviceTier={"type": "priority"}, **asked)
    more = {"performanceConfigLatency": "optimized", "serviceTier": "priority"}
    client.invoke_model(modelId=CLAUDE, body=json.dumps(MESSAGES), **more)["body"].read()
    for span in recorder.spans:
        found = dict(span.attributes or {})
        assert found["genai_cost.service_tier"] == "default"
        assert found["genai_cost.speed"] == "standard"


def test_a_router_s_choice_is_the_model_that_answered(
    client: Any, recorder: Recorder, bedrock: StandIn
) -> None:
    chosen = "arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-pro-v1:0"
    router = "arn:aws:bedrock:us-east-1:1:default-prompt-router/amazon.nova:1"
    bedrock.script.next(Answer(model=chosen))
    client.converse(modelId=router, messages=ASK)
    assert recorder.only["gen_ai.request.model"] == router
    assert recorder.only["gen_ai.response.model"] == chosen


def test_the_region_is_in_the_host_where_that_is_amazon_s(
    recorder: Recorder, bedrock: StandIn
) -> None:
    client = client_of("https://bedrock-runtime.us-east-1.amazonaws.com")
    client.meta.events.register("before-send.bedrock-runtime.*", _answer_of(bedrock))
    client.converse(modelId=CLAUDE, messages=ASK)
    assert recorder.only["server.address"] == "bedrock-runtime.us-east-1.amazonaws.com"
    assert "genai_cost.region" not in recorder.only


def _answer_of(bedrock: StandIn) -> Any:
    """What answers in place of the host: the stand-in."""

    def send(request: Any, **_: Any) -> Any:
        import botocore.awsrequest
        import urllib3

        url = bedrock.url + "/" + request.url.split("/", 3)[3]
        raw = urllib3.PoolManager().request(
            "POST", url, body=request.body, headers=dict(request.headers), preload_content=False
        )
        return botocore.awsrequest.AWSResponse(url, raw.status, raw.headers, raw)

    return send


def test_nothing_else_is_traced(client: Any, recorder: Recorder, bedrock: StandIn) -> None:
    asked: Any = {"converse": {"messages": ASK}}
    assert client.count_tokens(modelId=CLAUDE, input=asked)["inputTokens"] > 0
    buckets = client_of(bedrock.url, "s3")
    with pytest.raises(buckets.exceptions.ClientError):
        buckets.get_object(Bucket="bucket", Key="key")
    assert recorder.spans == ()


def test_a_client_that_was_there_before_is_traced_and_left_alone_afterwards(
    bedrock: StandIn,
) -> None:
    client = client_of(bedrock.url)
    recorder, instrumentor = Recorder(), BotocoreInstrumentor()
    client.converse(modelId=CLAUDE, messages=ASK)
    instrumentor.instrument(tracer_provider=recorder.provider)
    try:
        client.converse(modelId=CLAUDE, messages=ASK)
    finally:
        instrumentor.uninstrument()
    client.converse(modelId=CLAUDE, messages=ASK)
    assert len(recorder.spans) == 1


def test_threads_share_a_client(client: Any, recorder: Recorder, bedrock: StandIn) -> None:
    def call() -> None:
        client.converse(modelId=CLAUDE, messages=ASK)
        assert list(client.converse_stream(modelId=CLAUDE, messages=ASK)["stream"])

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = {str(dict(span.attributes or {})["gen_ai.response.id"]) for span in recorder.spans}
    assert ids == {bill["response_id"] for bill in bedrock.bills}
    assert len(ids) == 8


def test_a_fault_of_ours_is_counted_and_changes_nothing(
    client: Any, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otel_genai_instrumentors.bedrock_answers.described", lambda *_: 1 / 0)
    before = dict(errors.failures)
    assert client.converse(modelId=CLAUDE, messages=ASK)["stopReason"] == "end_turn"
    assert list(client.converse_stream(modelId=CLAUDE, messages=ASK)["stream"])
    answer = client.invoke_model(modelId=CLAUDE, body=json.dumps(MESSAGES))
    assert json.loads(answer["body"].read())["type"] == "message"
    assert errors.failures != before


def test_of_a_cache_that_an_old_botocore_does_not_know_the_total_shows_that_it_was_used() -> None:
    usage: dict[str, Any] = {"inputTokens": 61, "outputTokens": 9, "totalTokens": 1893}
    found = read_converse({"usage": usage})
    assert found["genai_cost.usage.incomplete"] is True
    assert "genai_cost.usage.incomplete" not in read_converse(
        {"usage": {**usage, "totalTokens": 70}}
    )
    headers = {
        "x-amzn-bedrock-input-token-count": "61",
        "x-amzn-bedrock-cache-read-input-token-count": "1823",
    }
    found = read_converse({"usage": usage, "ResponseMetadata": {"HTTPHeaders": headers}})
    assert found["gen_ai.usage.input_tokens"] == 1884
    assert "genai_cost.usage.incomplete" not in found
