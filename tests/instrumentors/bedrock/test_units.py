"""What Bedrock bills by other units than tokens: every call is seen, and nothing of it is taken for what it is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_genai_cost.metering.call_profile import CallProfiles
from otel_genai_cost.metering.meter import meter
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.testing.standin import Answer, StandIn
from tests.instrumentors.conftest import Recorder
from tests.usage.recorded import span_with

_TEXT: list[Any] = [{"text": {"text": "is this fine?"}}]
_REEL = "amazon.nova-reel-v1:1"
_TO: dict[str, Any] = {"s3OutputDataConfig": {"s3Uri": "s3://bucket"}}


def _used(attributes: dict[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in attributes.items() if ".usage." in key}
    return {key.rpartition(".")[2]: value for key, value in found.items()}


def _status(attributes: dict[str, Any]) -> tuple[str, str | None, str | None]:
    """What our own span of it is charged."""
    span = span_with(attributes, scope="otel_genai_instrumentors.botocore")
    [found] = meter(span, CallProfiles(load_book()), lambda _: Attribution())
    return found.cost.status, found.cost.reason, found.cost.total_text


def test_a_guardrail_is_a_call_with_the_units_that_are_billed(
    client: Any, recorder: Recorder, bedrock: StandIn
) -> None:
    units = {
        "topicPolicyUnits": 3,
        "contentPolicyUnits": 3,
        "wordPolicyUnits": 3,
        "sensitiveInformationPolicyUnits": 0,
        "sensitiveInformationPolicyFreeUnits": 3,
        "contextualGroundingPolicyUnits": 0,
    }
    bedrock.script.next(Answer(options={"units": units}))
    client.apply_guardrail(
        guardrailIdentifier="g", guardrailVersion="1", source="INPUT", content=_TEXT
    )
    found = recorder.only
    assert found["gen_ai.response.model"] == "guardrail-contentPolicy-topicPolicy"
    assert found["gen_ai.request.model"] == found["gen_ai.operation.name"] == "guardrail"
    assert found["gen_ai.response.id"]
    assert _used(found) == {"requests": 6}
    assert _status(found) == ("unpriced", "unknown_model", None)


def test_so_are_checks_without_a_guardrail_of_the_teams(
    client: Any, recorder: Recorder, bedrock: StandIn
) -> None:
    units = {"promptAttack": {"textUnits": 2}, "sensitiveInformation": {"textUnits": 0}}
    bedrock.script.next(Answer(options={"units": units}))
    client.invoke_guardrail_checks(
        messages=[{"role": "user", "content": [{"text": "hi"}]}],
        checks={"promptAttack": {"categories": [{"category": "JAILBREAK"}]}},
    )
    assert recorder.only["gen_ai.response.model"] == "guardrail-promptAttack"
    assert _used(recorder.only) == {"requests": 2}


@pytest.mark.parametrize(
    ("model", "asked", "used", "size"),
    [
        (_REEL, {"taskType": "TEXT_VIDEO"}, {"media_ms": 6_000}, None),
        (
            _REEL,
            {"videoGenerationConfig": {"durationSeconds": 12, "dimension": "1280x720"}},
            {"media_ms": 12_000},
            "1280x720",
        ),
        ("luma.ray-v2:0", {"duration": "5s", "resolution": "540p"}, {"media_ms": 5_000}, "540p"),
        ("twelvelabs.marengo-embed-2-7-v1:0", {"inputType": "video"}, {}, None),
    ],
)
def test_a_job_that_is_begun_is_an_estimate_of_what_was_asked_for(
    client: Any,
    recorder: Recorder,
    model: str,
    asked: dict[str, Any],
    used: dict[str, int],
    size: str | None,
) -> None:
    client.start_async_invoke(modelId=model, modelInput=asked, outputDataConfig=_TO)
    found = recorder.only
    assert (found["gen_ai.request.model"], found.get("genai_cost.resolution")) == (model, size)
    assert found["gen_ai.response.id"].startswith("arn:")
    assert _used(found) == {**used, "incomplete": True}
    assert _status(found)[0] == "unpriced"


@pytest.mark.parametrize(
    ("model", "asked", "n", "size"),
    [
        ("amazon.nova-canvas-v1:0", {"taskType": "TEXT_IMAGE"}, 1, "1024x1024 standard"),
        (
            "us.amazon.nova-canvas-v1:0",
            {
                "taskType": "TEXT_IMAGE",
                "imageGenerationConfig": {
                    "numberOfImages": 3,
                    "width": 2048,
                    "height": 1024,
                    "quality": "premium",
                },
            },
            3,
            "2048x1024 premium",
        ),
        ("amazon.titan-image-generator-v2:0", {"taskType": "INPAINTING"}, 1, None),
        ("stability.stable-image-core-v1:1", {"prompt": "a cat"}, 1, None),
    ],
)
def test_images_are_counted_with_their_size_and_quality(
    client: Any, recorder: Recorder, bedrock: StandIn, model: str, asked: Any, n: int, size: str
) -> None:
    answer = client.invoke_model(modelId=model, body=json.dumps(asked))
    assert len(json.loads(answer["body"].read())["images"]) == n
    found = recorder.only
    assert found["gen_ai.operation.name"] == "image_generation"
    assert (_used(found), found.get("genai_cost.resolution")) == ({"images": n}, size)
    assert found["gen_ai.response.id"] == bedrock.bills[0]["response_id"]
    is_flat = model.startswith("stability.")
    priced = ("priced", None, "0.04") if is_flat else ("unpriced", "unpriced_tier", None)
    assert _status(found) == priced
