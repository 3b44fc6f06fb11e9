"""The parents of spans are remembered within a bound."""

from __future__ import annotations

from otel_genai_cost.collector.lineage import Lineage, latest
from otel_genai_cost.otlp.ancestry import span_key
from otel_genai_cost.otlp.json_request import json_request
from otel_genai_cost.otlp.span import WireSpan
from tests.replay.otlp import chat, request, span


def _call() -> WireSpan:
    (call,) = json_request(request(span(1, chat(), parent=2))).spans
    return call


def test_the_path_goes_as_far_up_as_parents_are_known() -> None:
    lineage, call = Lineage(), _call()
    above = call.parent_id
    lineage.note(latest([(span_key(call.trace_id, above), 33), (span_key(call.trace_id, 33), 44)]))
    lineage.note(latest([(span_key(call.trace_id + 1, 44), 55)]))
    assert lineage.path(call) == (above, 33, 44)


def test_what_is_remembered_has_a_bound_however_much_comes_at_once() -> None:
    lineage, call = Lineage(), _call()
    lineage.note(latest([(span_key(call.trace_id, call.parent_id), 33)]))
    for _ in range(3):
        lineage.note(latest((n, n) for n in range(300_000)))
    assert len(lineage._young) + len(lineage._old) < 140_000
    assert lineage.path(call) == (call.parent_id,)
