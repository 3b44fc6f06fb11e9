"""An application that makes calls and says of each, once its span has ended, which it was: `python -m
tests.faults.journal_program SAID COUNT [PAUSE_MS]`, under `opentelemetry-instrument`. It knows OpenTelemetry's API and
nothing of ours."""

from __future__ import annotations

import os
import sys
import time
from typing import Final

from opentelemetry import baggage, context, trace
from opentelemetry.util.types import AttributeValue

_CALL: Final[dict[str, AttributeValue]] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
}


def main(place: str, count: int, pause_ms: int) -> None:
    context.attach(baggage.set_baggage("tenant.id", "acme"))
    tracer = trace.get_tracer("shop")
    said = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for n in range(count):
        span = tracer.start_span("chat", kind=trace.SpanKind.CLIENT, attributes=_CALL)
        span.set_attribute("gen_ai.response.id", f"r-{os.getpid()}-{n}")
        span.end()
        os.write(said, b"%016x\n" % span.get_span_context().span_id)
        if pause_ms:
            time.sleep(pause_ms / 1_000)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
