"""Runs the Python examples of docs/tenancy.md, each in a context of its own: `python -m tests.docs.tenancy_examples`.

`llm()` makes a call as an instrumented client does, and reads from the journal whom it is charged to.
"""

from __future__ import annotations

import re
import sys
import tempfile
from contextvars import Context
from pathlib import Path
from typing import Final

from opentelemetry import trace
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
from opentelemetry.sdk.trace import TracerProvider

from otel_genai_cost import attach
from otel_genai_instrumentors.queues.multiprocessing import MultiprocessingInstrumentor
from tests.e2e.rig import observations_in

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "tenancy.md"
_CALL: Final[dict[str, str | int]] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 1_000,
    "gen_ai.usage.output_tokens": 100,
}


def _examples() -> list[tuple[int, str]]:
    """Each with the line that it begins on, so that an error names it."""
    text = PAGE.read_text("utf-8")
    return [
        (text.count("\n", 0, found.start(1)), found[1])
        for found in re.finditer(r"```python\n(.*?)```", text, re.DOTALL)
    ]


def main(folder: Path) -> int:
    """Run them all; how many there were."""
    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    attach(provider, journal=str(folder))
    ThreadingInstrumentor().instrument()
    MultiprocessingInstrumentor().instrument()
    tracer = trace.get_tracer("app")

    def llm() -> str | dict[str, int]:
        with tracer.start_as_current_span("chat gpt-4o-mini", attributes=_CALL) as span:
            span_id = f"{span.get_span_context().span_id:016x}"
        (found,) = [one.attribution for one in observations_in(folder) if one.span_id == span_id]
        if found.shares:
            return dict(found.shares)
        return found.tenant or str(found.absent)

    examples = _examples()
    for line, source in examples:
        code = compile("\n" * line + source, str(PAGE), "exec")
        Context().run(exec, code, {"__name__": "example", "llm": llm})
    return len(examples)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as journal:
        sys.stdout.write(f"{main(Path(journal))} examples\n")
