"""What Amazon Bedrock bills by other units than tokens: guardrails by the text that each policy reads, images one by
one, videos by their length. How many there are is in a guardrail's answer, and in the request for all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_instrumentors.answers import as_object
from otel_genai_instrumentors.bedrock_answers import id_of
from otel_genai_instrumentors.bedrock_requests import asked_of, body
from otel_genai_instrumentors.method import Attributes

__all__ = ["GUARDRAIL", "guarded", "images", "read_guarded", "read_job", "read_nothing", "video"]

GUARDRAIL: Final = "guardrail"
"""The operation, and what stands for the model."""

_UNITS, _TEXT_UNITS = "Units", "textUnits"
_FREE: Final = "FreeUnits"
_UNBILLED: Final = frozenset({"wordPolicyUnits"})
_SIDE: Final = 1_024
_EDITS: Final = frozenset({"INPAINTING", "OUTPAINTING", "BACKGROUND_REMOVAL", "VIRTUAL_TRY_ON"})
"""Tasks whose images are as large as the one that is changed, if the request says nothing else."""

_SECONDS: Final = 6
"""A shot of Nova Reel's."""


def guarded(client: Any, _: Mapping[str, Any], host: str | None) -> Attributes:
    """The attributes of a request that a guardrail looks at a text.

    Args:
        client: botocore's.
        _: what the operation is called with, which says whose policies those are and nothing of their price.
        host: where the client sends it.
    """
    return asked_of(client, GUARDRAIL, host)


def read_guarded(answer: Any) -> Attributes:
    """Its answer: the units that are billed, by policy, of which each has a price of its own. The model that prices go
    by is named after the policies, since what one rate holds for is their combination alone."""
    units = dict(_units_in(as_object(answer.get("usage"))))
    return {
        **id_of(answer),
        names.GEN_AI_RESPONSE_MODEL: "-".join((GUARDRAIL, *units)),
        names.USAGE_REQUESTS: sum(units.values()),
    }


def _units_in(usage: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """What is billed, by policy; inline checks have an object each."""
    for name in sorted(usage):
        n = usage[name] if type(usage[name]) is int else as_object(usage[name]).get(_TEXT_UNITS)
        if type(n) is int and n and not name.endswith(_FREE) and name not in _UNBILLED:
            yield name.removesuffix(_UNITS), n


def images(params: Mapping[str, Any]) -> Attributes:
    """How many images a request asks for, and of which size and quality, where it says so."""
    request = as_object(body(params))
    settings = as_object(request.get("imageGenerationConfig"))
    n: Any = settings.get("numberOfImages") or request.get("samples") or 1
    found: Attributes = {names.USAGE_IMAGES: n if type(n) is int else 1}
    width, height = settings.get("width"), settings.get("height")
    if "taskType" in request and (width or request["taskType"] not in _EDITS):
        quality = settings.get("quality") or "standard"
        found[names.RESOLUTION] = f"{width or _SIDE}x{height or _SIDE} {quality}"
    return found


def video(params: Mapping[str, Any]) -> Attributes:
    """How long a video is asked for, and of which size, where the request says so: what is made of it is never known,
    so that this is an estimate."""
    request = as_object(params.get("modelInput"))
    settings = as_object(request.get("videoGenerationConfig"))
    is_reel = "videoGenerationConfig" in request or "taskType" in request
    seconds: Any = settings.get("durationSeconds") or (_SECONDS if is_reel else None)
    if isinstance(duration := request.get("duration"), str):
        seconds = int(duration.removesuffix("s")) if duration.removesuffix("s").isdigit() else None
    found: Attributes = {names.USAGE_INCOMPLETE: True}
    if type(seconds) is int:
        found[names.USAGE_MEDIA_MS] = seconds * 1_000
    size = settings.get("dimension") or request.get("resolution")
    if isinstance(size, str):
        found[names.RESOLUTION] = size
    return found


def read_job(answer: Any) -> Attributes:
    """The answer to a job that was begun."""
    return {names.GEN_AI_RESPONSE_ID: answer.get("invocationArn")}


def read_nothing(_: Any) -> Attributes:
    """An answer that says nothing beside its head."""
    return {}
