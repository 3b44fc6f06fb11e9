"""What calls of Amazon Bedrock ask for, and what only they say of what is billed: how much is to be reranked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from otel_genai_cost import attributes as names
from otel_genai_cost.hosts import place_of
from otel_genai_instrumentors.method import Attributes

__all__ = [
    "asked_of",
    "body",
    "conversation",
    "is_guarded",
    "nothing",
    "operation_of",
    "request",
    "reranked",
    "searches",
    "searches_of_body",
    "streamed",
]

_PROVIDER: Final = "aws.bedrock"
_READ_BY_MODEL: Final = (
    "messages",
    "system",
    "toolConfig",
    "inferenceConfig",
    "additionalModelRequestFields",
    "outputConfig",
)
_OPERATIONS: Final = {
    "embed": "embeddings",
    "rerank": "rerank",
    **dict.fromkeys(("canvas", "image", "stability."), "image_generation"),
}
"""What a model is for that has this in its name; the first that is there."""

_DOCUMENTS_MAX: Final = 100
"""A search unit is a query with as many documents."""

_CHUNK_TOKENS: Final = 500
"""A document is cut into as long ones, the query included. A token is at least one byte."""


def request(client: Any, params: Mapping[str, Any], host: str | None) -> Attributes:
    """The attributes of a request to a model.

    Args:
        client: botocore's.
        params: what the operation is called with.
        host: where the client sends it.
    """
    tier = _object(params, "serviceTier").get("type") or params.get("serviceTier")
    latency = params.get("performanceConfigLatency") or _object(params, "performanceConfig").get(
        "latency"
    )
    return {
        **asked_of(client, params.get("modelId"), host),
        names.SERVICE_TIER: tier,
        names.SPEED: latency,
    }


def streamed(client: Any, params: Mapping[str, Any], host: str | None) -> Attributes:
    """The attributes of a request whose answer is a stream.

    Args:
        client: botocore's.
        params: what the operation is called with.
        host: where the client sends it.
    """
    return {**request(client, params, host), names.GEN_AI_REQUEST_STREAM: True}


def reranked(client: Any, params: Mapping[str, Any], host: str | None) -> Attributes:
    """The attributes of a request of `Rerank`, which names its model by an ARN.

    Args:
        client: botocore's.
        params: what the operation is called with.
        host: where the client sends it.
    """
    configuration = _object(
        _object(params, "rerankingConfiguration"), "bedrockRerankingConfiguration"
    )
    return asked_of(client, _object(configuration, "modelConfiguration").get("modelArn"), host)


def conversation(params: Mapping[str, Any]) -> Any:
    """What Converse gives a model to read."""
    return {name: params[name] for name in _READ_BY_MODEL if name in params}


def body(params: Mapping[str, Any]) -> Any:
    """What InvokeModel gives a model to read; bytes where that is no JSON."""
    content: Any = params.get("body")
    try:
        return json.loads(content)
    except (TypeError, ValueError):
        return b""


def nothing(_: Mapping[str, Any]) -> Any:
    """Where no answer is billed by its tokens there are none to estimate."""
    return None


def operation_of(params: Mapping[str, Any]) -> str:
    """What InvokeModel is for, by the name of the model."""
    model = str(params.get("modelId"))
    return next((operation for word, operation in _OPERATIONS.items() if word in model), "chat")


def is_guarded(params: Mapping[str, Any]) -> bool:
    """Whether a guardrail looks at the call, and bills that."""
    return "guardrailConfig" in params or "guardrailIdentifier" in params


def searches(params: Mapping[str, Any]) -> Attributes:
    """The search units of `Rerank`."""
    queries = [
        str(_object(each, "textQuery").get("text") or "") for each in _objects(params, "queries")
    ]
    sources = (_object(each, "inlineDocumentSource") for each in _objects(params, "sources"))
    texts = [
        str(_object(each, "textDocument").get("text") or each.get("jsonDocument") or "")
        for each in sources
    ]
    return _searched("".join(queries), texts)


def searches_of_body(params: Mapping[str, Any]) -> Attributes:
    """The search units of a model that reranks and is invoked."""
    content: Any = body(params)
    if not isinstance(content, dict):
        return {}
    fields = cast("dict[str, Any]", content)
    documents: Any = fields.get("documents")
    texts = [
        each if isinstance(each, str) else json.dumps(each, default=str) for each in documents or ()
    ]
    return _searched(str(fields.get("query") or ""), texts)


def _searched(query: str, documents: Iterable[str]) -> Attributes:
    """Search units: at least by the number of documents, more if long ones are cut. Where these may make a difference,
    what is counted is the least."""
    room = _CHUNK_TOKENS - len(query.encode()) if len(query.encode()) < _CHUNK_TOKENS else 1
    sizes = [len(text.encode()) for text in documents]
    least = _units(len(sizes))
    most = _units(sum(max(1, -(-size // room)) for size in sizes))
    found: Attributes = {names.USAGE_REQUESTS: least}
    return found if least == most else {**found, names.USAGE_INCOMPLETE: True}


def _units(documents: int) -> int:
    return max(1, -(-documents // _DOCUMENTS_MAX))


def asked_of(client: Any, model: Any, host: str | None) -> Attributes:
    """The attributes of any request.

    Args:
        client: botocore's.
        model: its name; anything else is none.
        host: where the client sends it.
    """
    is_placed = place_of(host or "").region is not None
    return {
        names.GEN_AI_PROVIDER_NAME: _PROVIDER,
        names.GEN_AI_REQUEST_MODEL: model if isinstance(model, str) else None,
        names.REGION: None if is_placed else client.meta.region_name,
    }


def _object(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value: Any = holder.get(key)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _objects(holder: Mapping[str, Any], key: str) -> Iterable[Mapping[str, Any]]:
    values: Any = holder.get(key)
    items = cast("list[Any]", values) if isinstance(values, (list, tuple)) else []
    return (cast("dict[str, Any]", each) for each in items if isinstance(each, dict))
