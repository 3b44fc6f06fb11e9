"""Envelopes in Temporal's headers, which go with whatever is sent to a workflow and by it, and stay in its history.

A workflow's code is run again from its history. Nothing here makes a command of it: an envelope is a header of commands
that it makes anyway, and those are not compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry import context

from otel_genai_cost.errors import guarded
from otel_genai_cost.tenancy.carriers import RESERVED_KEY
from otel_genai_cost.tenancy.envelope import reserved
from otel_genai_cost.tenancy.received import received
from otel_genai_cost.tenancy.rolling import Reader, enter_received
from otel_genai_instrumentors.queueing import Call

__all__ = ["HANDLERS", "carrier", "put", "put_both", "take", "with_ours"]

HANDLERS: Final = Reader()
"""What works on a message in a workflow: each does so in a task of its own, which may never end."""

_TRACED: Final = "_tracer-data"
"""Where the interceptors for tracing of all of Temporal's libraries have their context, with its baggage."""

_THEIRS: Final = "__temporal"
"""How names begin under which the library keeps things of its own in OpenTelemetry's context."""


def put(call: Call) -> Call:
    """For `sends`: what is sent has headers. What recurs is nobody's."""
    sent = call.argument(0, "input")
    if not getattr(sent, "cron_schedule", ""):
        sent.headers = _with_envelope(sent.headers or {})
    return call


def put_both(call: Call) -> Call:
    """For `sends`: a workflow is started, with its first update."""
    given = call.argument(0, "input")
    for sent in (given.start_workflow_input, given.update_workflow_input):
        put(Call(None, (sent,), {}))
    return call


def _with_envelope(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    envelope = reserved()
    if RESERVED_KEY in headers or len(envelope) == 1:  # with nothing but its version
        return headers
    written = _payload_type()(
        metadata={"encoding": b"json/plain"}, data=json.dumps(envelope).encode()
    )
    return {**headers, RESERVED_KEY: written}


def _payload_type() -> Any:
    """As a statement imports: a sandbox sees nothing else, and modules would be made anew in it."""
    return __import__("temporalio.api.common.v1", fromlist=["Payload"]).Payload


def carrier(call: Call) -> object:
    """What was received has its envelope in: ours, else what others have traced it by."""
    headers = call.argument(0, "input").headers
    own, traced = headers.get(RESERVED_KEY), headers.get(_TRACED)
    if own is not None:
        return {RESERVED_KEY: own.data}
    return None if traced is None else json.loads(traced.data)


_found = guarded("queue.carrier", default=None)(carrier)


def take(call: Call) -> Call:
    """For `sends`: a workflow works on what was received, until HANDLERS leave. There is no block around it: a workflow
    that is evicted ends wherever garbage is collected."""
    message = received(_found(call))
    within = message.context
    for key, value in context.get_current().items():
        if key.startswith(_THEIRS):
            within = context.set_value(key, value, within)
    enter_received(HANDLERS, message._replace(context=within))
    return call


def with_ours(call: Call) -> Call:
    """For `sends`: a sandbox is made. What workflows import of ours is no copy of it."""
    restrictions = call.argument(0, "restrictions")
    passed = restrictions.with_passthrough_modules("otel_genai_cost")
    return call.replaced(0, "restrictions", passed)
