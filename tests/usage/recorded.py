"""Spans as they were recorded (OTLP JSON), for the meter to read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.usage.read import Attributes, Origin

__all__ = ["CORPUS", "RecordedCase", "RecordedSpan", "cases", "span_with"]

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


class RecordedCase(NamedTuple):
    """What a real client call left behind, and what the provider really billed for it."""

    case_id: str
    billable: list[Mapping[str, int]]
    spans: list[RecordedSpan]


def span_with(
    attributes: Attributes, *, scope: str = "opentelemetry.instrumentation.genai.openai"
) -> RecordedSpan:
    return RecordedSpan("chat gpt-4o-mini", scope, "1.3b0", attributes)


def cases(name: str) -> Iterator[RecordedCase]:
    for line in (CORPUS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        yield RecordedCase(case["case_id"], case["billable"], [_span(s) for s in case["spans"]])


def _span(span: Mapping[str, Any]) -> RecordedSpan:
    return RecordedSpan(
        span["name"],
        span["scope"]["name"],
        span["scope"].get("version", ""),
        {each["key"]: _value(each["value"]) for each in span["attributes"]},
        int(span["traceId"], 16),
        int(span["spanId"], 16),
        (int(span["parentSpanId"], 16),) if span["parentSpanId"] else (),
        int(span["startTimeUnixNano"]),
        int(span["endTimeUnixNano"]),
        span["status"].get("code") == 2,
    )


def _value(value: Mapping[str, Any]) -> object:
    [(kind, told)] = value.items()
    if kind == "intValue":
        return int(told)
    if kind == "arrayValue":
        return tuple(_value(each) for each in told["values"])
    return told
