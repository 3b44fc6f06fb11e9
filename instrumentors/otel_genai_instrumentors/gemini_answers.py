"""What answers in Gemini's wire format say, whole or in parts: of models that generate, that embed, and that draw.

A stream's parts each repeat the usage so far: the last one counts. A stream says why it ends with its last text, and
may bring usage after that, so no part is known to be the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast

from otel_genai_cost import attributes as names
from otel_genai_instrumentors.answers import as_object, described
from otel_genai_instrumentors.method import LAST, PART, Attributes

__all__ = [
    "fold_generated",
    "is_to_embed",
    "read_begun",
    "read_drawn",
    "read_embedded",
    "read_generated",
    "read_predicted",
    "text_of",
    "tier_asked",
]

_Object: TypeAlias = Mapping[str, Any]
_USAGE: Final = ("usageMetadata", "usage_metadata")
_LEAVES: Final = (
    names.GEN_AI_USAGE_CACHE_READ,
    names.GEN_AI_USAGE_AUDIO_CACHE_READ,
    names.GEN_AI_USAGE_AUDIO_INPUT,
    names.GEN_AI_USAGE_IMAGE_INPUT,
    names.GEN_AI_USAGE_VIDEO_INPUT,
    names.GEN_AI_USAGE_REASONING,
    names.GEN_AI_USAGE_AUDIO_OUTPUT,
    names.GEN_AI_USAGE_IMAGE_OUTPUT,
)
_NOTHING: Final[_Object] = MappingProxyType({})
_TIER_HEADER: Final = "x-gemini-service-tier"
_DRAWN: Final = ("bytesBase64Encoded", "gcsUri")
_WITHHELD: Final = "raiFilteredReason"


def read_generated(answer: Mapping[str, Any], headers: object = None) -> Attributes:
    """An answer of `generateContent`.

    Args:
        answer: as JSON.
        headers: of the response; Gemini says there which tier served it, where the answer does not.
    """
    found = _served(described(answer), headers)
    reasons = [reason for each in _candidates(answer) if (reason := _reason(each)) is not None]
    if reasons:
        found[names.GEN_AI_RESPONSE_FINISH_REASONS] = reasons
    return found


def fold_generated(found: Attributes, chunk: Mapping[str, Any], headers: object = None) -> int:
    """A part of `streamGenerateContent`.

    Args:
        found: what was found in the parts before, which this one is folded into.
        chunk: as JSON.
        headers: as of `read_generated`.
    """
    news = read_generated(chunk, headers)
    if _is_earlier(found, news):  # parts may be read in another order than they came
        news = {name: value for name, value in news.items() if name not in found}
    elif names.GEN_AI_USAGE_INPUT_TOKENS in news:
        for leaf in _LEAVES:
            found.pop(leaf, None)
    searches = found.get(names.USAGE_WEB_SEARCHES, 0)
    found.update(news)
    if searches > found.get(names.USAGE_WEB_SEARCHES, 0):
        found[names.USAGE_WEB_SEARCHES] = searches
    return LAST if _is_blocked(chunk) else PART


def _is_earlier(found: Attributes, news: Attributes) -> bool:
    """Whether a part counts less than what is known: counts only grow."""
    known, so_far = (each.get(names.GEN_AI_USAGE_OUTPUT_TOKENS) for each in (found, news))
    return type(known) is int and (type(so_far) is not int or so_far < known)


def text_of(chunk: Mapping[str, Any]) -> str | None:
    """The text that a part brings."""
    pieces = [piece for each in _candidates(chunk) for piece in _texts(each)]
    return "".join(pieces) if pieces else None


def tier_asked(body: Mapping[str, Any]) -> str | None:
    """The service tier that a request asks for."""
    tier: Any = body.get("serviceTier")
    return str.__str__(tier) if isinstance(tier, str) else None


def is_to_embed(body: Mapping[str, Any]) -> bool:
    """Whether Vertex's `predict` is asked to embed texts, not to draw what a prompt says."""
    instances = body.get("instances")
    return any("content" in each for each in (as_object(instances), *_objects(instances)))


def read_embedded(answer: Mapping[str, Any]) -> Attributes:
    """An answer of `embedContent` or `batchEmbedContents`. Gemini's API reports no tokens for most models."""
    return described({"usageMetadata": _usage(answer)}) if _usage(answer) else {}


def read_predicted(answer: Mapping[str, Any]) -> Attributes:
    """Vertex's embeddings: each prediction has its own count."""
    counts = [_tokens(each) for each in _objects(answer.get("predictions"))]
    known = [count for count in counts if count is not None]
    if not counts or len(known) != len(counts):
        return {}
    return {names.GEN_AI_USAGE_INPUT_TOKENS: sum(known)}


def read_drawn(answer: Mapping[str, Any]) -> Attributes:
    """Images that were made; what a filter held back is not billed."""
    predictions = _objects(answer.get("predictions"))
    drawn = [each for each in predictions if any(isinstance(each.get(key), str) for key in _DRAWN)]
    withheld = [each for each in predictions if _WITHHELD in each]
    if not predictions or len(drawn) + len(withheld) < len(predictions):
        return {}
    return {names.USAGE_IMAGES: len(drawn)}


def read_begun(answer: Mapping[str, Any]) -> Attributes:
    """An operation that was begun, such as a video: nobody reports what it uses, and it is billed when it is done."""
    name = answer.get("name")
    return {names.GEN_AI_RESPONSE_ID: name} if isinstance(name, str) and name else {}


def _usage(answer: Mapping[str, Any]) -> _Object:
    return next((usage for key in _USAGE if (usage := as_object(answer.get(key)))), _NOTHING)


def _served(found: Attributes, headers: object) -> Attributes:
    if isinstance(headers, Mapping) and names.SERVICE_TIER not in found:
        tier = cast("Mapping[str, Any]", headers).get(_TIER_HEADER)
        if isinstance(tier, str) and tier:
            found[names.SERVICE_TIER] = tier.casefold()
    return found


def _candidates(answer: Mapping[str, Any]) -> Iterable[_Object]:
    return _objects(answer.get("candidates"))


def _reason(candidate: _Object) -> str | None:
    reason = candidate.get("finishReason")
    return reason if isinstance(reason, str) and reason != "FINISH_REASON_UNSPECIFIED" else None


def _is_blocked(chunk: Mapping[str, Any]) -> bool:
    """Whether the question was refused: then there is no answer, and no reason why it ends."""
    return bool(as_object(chunk.get("promptFeedback")).get("blockReason"))


def _texts(candidate: _Object) -> Iterable[str]:
    for part in _objects(as_object(candidate.get("content")).get("parts")):
        text = part.get("text")
        if isinstance(text, str):
            yield text


def _tokens(prediction: _Object) -> int | None:
    statistics = as_object(as_object(prediction.get("embeddings")).get("statistics"))
    count = statistics.get("token_count")
    if isinstance(count, float) and count.is_integer():
        count = int(count)
    return count if type(count) is int else None


def _objects(value: object) -> list[_Object]:
    return (
        [as_object(each) for each in cast("list[object]", value)] if isinstance(value, list) else []
    )
