"""One trace as a tree, from OTLP JSON Lines as a receiver wrote them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Span", "read_spans", "traces", "tree"]

_NAME_WIDTH = 52
_SERVICE_WIDTH = 10


class Span(NamedTuple):
    """What the tree shows of a span. Times are unix nanoseconds; values are as OTLP JSON has them."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    service: str
    scope: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, str]


def read_spans(path: Path) -> list[Span]:
    """All spans of a file of ExportTraceServiceRequests, one a line."""
    with path.open(encoding="utf-8") as lines:
        return [span for line in lines for span in _spans(line)]


def _spans(line: str) -> Iterator[Span]:
    for resource_spans in json.loads(line).get("resourceSpans", ()):
        service = _attributes(resource_spans.get("resource", {})).get("service.name", "")
        for scope_spans in resource_spans.get("scopeSpans", ()):
            scope = scope_spans.get("scope", {}).get("name", "")
            for span in scope_spans.get("spans", ()):
                yield _span(span, service, scope)


def _span(span: Mapping[str, Any], service: str, scope: str) -> Span:
    return Span(
        span["traceId"],
        span["spanId"],
        span.get("parentSpanId", ""),
        span["name"],
        service,
        scope,
        int(span["startTimeUnixNano"]),
        int(span["endTimeUnixNano"]),
        _attributes(span),
    )


def _attributes(carrier: Mapping[str, Any]) -> dict[str, str]:
    """Attributes with their values as text; an array value keeps its JSON."""
    return {
        attribute["key"]: str(next(iter(attribute["value"].values()), ""))
        for attribute in carrier.get("attributes", ())
    }


def traces(spans: Iterable[Span]) -> dict[str, list[Span]]:
    """The spans of each trace, earliest first."""
    found: dict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: span.start_ns):
        found[span.trace_id].append(span)
    return dict(found)


def tree(spans: Iterable[Span]) -> list[str]:
    """The lines of one trace's tree, with tenant and cost. ASGI's send and receive spans are left out."""
    shown = [span for span in spans if "asgi.event.type" not in span.attributes]
    known = {span.span_id for span in shown}
    below: dict[str, list[Span]] = defaultdict(list)
    for span in shown:
        below[span.parent_id if span.parent_id in known else ""].append(span)
    return list(_lines(below, "", ""))


def _lines(below: Mapping[str, list[Span]], parent_id: str, indent: str) -> Iterator[str]:
    siblings = below.get(parent_id, [])
    for span in siblings:
        last = span is siblings[-1]
        branch, deeper = ("└─ ", "   ") if last else ("├─ ", "│  ")
        if not parent_id:
            branch = deeper = ""
        yield _line(indent + branch, span)
        yield from _lines(below, span.span_id, indent + deeper)


def _line(branch: str, span: Span) -> str:
    took_ms = (span.end_ns - span.start_ns) / 1_000_000
    name = (branch + span.name)[:_NAME_WIDTH].ljust(_NAME_WIDTH)
    line = f"{name} {span.service:<{_SERVICE_WIDTH}} {took_ms:7.1f} ms  {_cost(span.attributes)}"
    return line.rstrip()


def _cost(attributes: Mapping[str, str]) -> str:
    """Tenant and cost, where the span has them; a price that is not known says why."""
    tenant = attributes.get("tenant.id", "")
    status = attributes.get("genai_cost.status", "")
    if status == "priced":
        return f"{tenant or 'unattributed':<12} ${attributes['genai_cost.total']}"
    if status:
        reason = attributes.get("genai_cost.reason", "")
        return f"{tenant or 'unattributed':<12} {' '.join(filter(None, (status, reason)))}"
    return tenant
