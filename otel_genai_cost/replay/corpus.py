"""Recordings for the corpus: spans of real calls beside what the provider billed, without what was said in them.

Names, ids and numbers stay, since dialects read them; text does not: a value that looks like prose, in JSON too, is
`redacted`. Of the resource only the SDK, the service and a digest of the process stay.
"""

from __future__ import annotations

import json
import re
from ast import literal_eval
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final, cast

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.otlp.span import WireSpan
from otel_genai_cost.usage.payload import payload_of

__all__ = ["billed_by", "case_of", "redacted"]

_CASE: Final = re.compile(r"[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*")
_NAME: Final = re.compile(r"[\w./:@+=-]{0,512}", re.ASCII)
"""A model, an id, an enum: no white space, not long. Anything else may be what somebody said."""

_NOTATION_LIMIT: Final = 65_536
_SAID: Final = re.compile(
    r"content|text|prompt|completion|message|arguments|instruction|query", re.I
)
_COUNTED: Final = re.compile(r"token|usage|count|cost", re.I)
_REDACTED: Final = "redacted"
_KEPT: Final = ("telemetry.sdk.language", "telemetry.sdk.name", "telemetry.sdk.version")
_BILLED: Final = {
    "cache_read": "cache_read",
    "cache_write": "cache_write",
    "cache_write_5m": "cache_write_5m",
    "cache_write_1h": "cache_write_1h",
    "reasoning": "reasoning",
    "input_audio": "audio_in",
    "output_audio": "audio_out",
    "web_searches": "web_search_requests",
}
_WRITES: Final = ("cache_write_5m", "cache_write_1h")


def case_of(
    case_id: str,
    spans: Iterable[WireSpan],
    billable: list[dict[str, Any]],
    *,
    keep_text: bool = False,
) -> dict[str, Any]:
    """A line of the corpus.

    Args:
        case_id: `<instrumentation>/<case>`.
        spans: what the instrumentation made of the calls.
        billable: what the provider reported for each reply.
        keep_text: keep prompts and answers, for synthetic calls only.

    Raises:
        ConfigurationError: for another form of `case_id`.
    """
    if not _CASE.fullmatch(case_id):
        raise ConfigurationError(
            "not a case", value=case_id, remedy="name it <instrumentation>/<provider>-<case>"
        )
    groups: dict[tuple[str, str, str], list[WireSpan]] = {}
    for span in spans:
        groups.setdefault((span.origin.process, span.scope_name, span.scope_version), []).append(
            span
        )
    blocks = [
        _block(scope, version, found, keep_text) for (_, scope, version), found in groups.items()
    ]
    return {
        "case_id": case_id,
        "expected": {"billable": billable},
        "otlp": {"resourceSpans": blocks},
    }


def billed_by(usage: Mapping[str, Any]) -> dict[str, Any]:
    """What a provider billed, as the corpus has it.

    Args:
        usage: the provider's usage object, or a whole response with one; what is already in the corpus' form stays.

    Raises:
        ConfigurationError: if it is no usage object.
    """
    if "input_total" in usage or "search_units" in usage:
        return dict(usage)
    inner = usage.get("usage") or usage.get("usageMetadata") or usage
    counts = payload_of(cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}).counts
    if counts.input_total is None:
        raise ConfigurationError(
            "no usage object of a provider",
            value=json.dumps(usage)[:80],
            remedy="give the `usage` of the response, as the provider sent it",
        )
    found = {"input_total": counts.input_total, "output_total": counts.output_total or 0}
    found.update({_BILLED[leaf]: n for leaf, n in counts.parts.items() if leaf in _BILLED})
    if any(leaf in found for leaf in _WRITES):
        found["cache_write"] = sum(found.get(leaf, 0) for leaf in _WRITES)
    return found


def redacted(value: object, name: str = "") -> object:
    """A value without what was said; JSON within text is looked into."""
    if isinstance(value, str):
        return _redacted_text(value, name)
    if isinstance(value, dict):
        held = cast("dict[object, object]", value)
        return {key: redacted(part, str(key)) for key, part in held.items()}
    if isinstance(value, (list, tuple)):
        return [redacted(part, name) for part in cast("list[object]", value)]
    return _REDACTED if isinstance(value, bytes) else value


def _redacted_text(text: str, name: str) -> str:
    if text[:1] in ("{", "[", '"'):
        try:
            return json.dumps(redacted(json.loads(text), name))
        except (ValueError, RecursionError):  # LiteLLM writes Python's notation
            return _redacted_notation(text, name)
    is_said = _SAID.search(name.rsplit(".", 1)[-1]) and not _COUNTED.search(name)
    return _REDACTED if is_said or not _NAME.fullmatch(text) else text


def _redacted_notation(text: str, name: str) -> str:
    try:
        return (
            repr(redacted(literal_eval(text), name)) if len(text) <= _NOTATION_LIMIT else _REDACTED
        )
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return _REDACTED


def _block(scope: str, version: str, spans: list[WireSpan], keep_text: bool) -> dict[str, Any]:
    resource = spans[0].resource
    process = blake2b(spans[0].origin.process.encode(), digest_size=16).hexdigest()
    kept = {key: resource[key] for key in _KEPT if key in resource}
    kept.update({"service.name": "recorded", "service.instance.id": process})
    return {
        "resource": {"attributes": _pairs(kept)},
        "scopeSpans": [
            {
                "scope": {"name": scope, "version": version},
                "spans": [_span(span, keep_text) for span in spans],
            }
        ],
    }


def _span(span: WireSpan, keep_text: bool) -> dict[str, Any]:
    part = span.attributes
    if not keep_text:
        part = {key: redacted(value, key) for key, value in part.items()}
    return {
        "name": span.name,
        "traceId": f"{span.trace_id:032x}",
        "spanId": f"{span.span_id:016x}",
        "parentSpanId": f"{span.parent_id:016x}" if span.parent_id else "",
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _pairs(part),
        "status": {"code": 2} if span.is_error else {},
    }


def _pairs(attributes: Mapping[str, object]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(held)} for key, held in attributes.items()]


def _value(value: object) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [_value(one) for one in cast("list[object]", value)]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": _pairs(cast("dict[str, object]", value))}}
    return {} if value is None else {"stringValue": str(value)}
