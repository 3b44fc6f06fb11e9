"""Spans as they were recorded (OTLP JSON), for the meter to read."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.usage.read import Attributes, Origin
from otel_genai_cost.usage.releases import version_of

__all__ = [
    "CORPUS",
    "RecordedCase",
    "RecordedSpan",
    "billable_of",
    "recorded_version",
    "recordings",
    "span_with",
]

_GROUNDED: Final = "/gemini-websearch"
CORPUS: Final = Path(__file__).resolve().parents[1] / "corpus"


class RecordedSpan(NamedTuple):
    """One span of a recording, or of a test's own making."""

    name: str
    scope_name: str
    scope_version: str
    attributes: Attributes
    trace_id: int = 0x0AF7651916CD43DD8448EB211C80319C
    span_id: int = 0xB7AD6B7169203331
    path: tuple[int, ...] = ()
    start_ns: int = 1_795_322_557_000_000_000
    end_ns: int = 1_795_322_558_000_000_000
    is_error: bool = False
    sampled: bool = True
    origin: Origin = Origin("service")
    threshold: str | None = None


class RecordedCase(NamedTuple):
    """What a real client call left behind, and what the provider really billed for it."""

    case_id: str
    billable: list[Mapping[str, int]]
    spans: list[RecordedSpan]

    @property
    def instrumentation(self) -> str:
        return self.case_id.partition("/")[0]


def span_with(
    attributes: Attributes,
    *,
    scope: str = "opentelemetry.instrumentation.genai.openai",
    name: str = "chat gpt-4o-mini",
) -> RecordedSpan:
    return RecordedSpan(name, scope, recorded_version(scope), attributes)


def recorded_version(scope: str) -> str:
    """The newest release of an instrumentation that was recorded; any, where none was."""
    return _newest_versions().get(scope, "1.3b0")


@lru_cache(maxsize=1)
def _newest_versions() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for span in (span for case in recordings() for span in case.spans):
        known = found.get(span.scope_name, "")
        if (version_of(span.scope_version) or ()) >= (version_of(known) or ()):
            found[span.scope_name] = span.scope_version
    return found


@lru_cache(maxsize=1)
def recordings() -> tuple[RecordedCase, ...]:
    """Every recording of the corpus: the packed ones, those of other languages, and those that were added since."""
    packed = [lzma.decompress((CORPUS / "recordings.jsonl.xz").read_bytes())]
    packed += [gzip.decompress(path.read_bytes()) for path in sorted(CORPUS.glob("*/*.jsonl.gz"))]
    packed += [path.read_bytes() for path in sorted(CORPUS.glob("recordings-*.jsonl"))]
    return tuple(_recording(json.loads(line)) for lines in packed for line in lines.splitlines())


def _recording(case: Mapping[str, Any]) -> RecordedCase:
    spans = [
        _span(span, scoped["scope"])
        for resource in case["otlp"].get("resourceSpans", ())
        for scoped in resource["scopeSpans"]
        for span in scoped["spans"]
    ]
    return RecordedCase(case["case_id"], billable_of(case), spans)


def billable_of(case: Mapping[str, Any]) -> list[Mapping[str, int]]:
    """What the provider billed, reply by reply. Gemini bills of its searches what they are told by, and the recordings
    count no tokens of: before version 3 the prompt, once."""
    billable: list[Mapping[str, int]] = case["expected"]["billable"]
    if case["case_id"].endswith(_GROUNDED):
        return [{**each, "web_search_requests": 1} for each in billable]
    return billable


def _span(span: Mapping[str, Any], scope: Mapping[str, Any]) -> RecordedSpan:
    return RecordedSpan(
        span["name"],
        scope.get("name", ""),
        scope.get("version", ""),
        {each["key"]: _value(each["value"]) for each in span.get("attributes", ())},
        int(span["traceId"], 16),
        int(span["spanId"], 16),
        (int(span["parentSpanId"], 16),) if span.get("parentSpanId") else (),
        int(span["startTimeUnixNano"]),
        int(span["endTimeUnixNano"]),
        span.get("status", {}).get("code") == 2,
    )


def _value(value: Mapping[str, Any]) -> object:
    if not value:
        return None
    [(kind, told)] = value.items()
    if kind == "intValue":
        return int(told)
    if kind == "arrayValue":
        return tuple(_value(each) for each in told.get("values", ()))
    return told
