"""Small programs in processes of their own: what is set once in a process can be set anew in each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.reader import is_finished, read, segments
from otel_genai_cost.journal.record import from_record

__all__ = ["FUNCTION", "PRELUDE", "Ran", "run"]

PRELUDE = """
import json, logging, os, sys
from opentelemetry import metrics, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from otel_genai_cost import attach, install, tenant
from otel_genai_cost.metering.activation import pre_instrument

CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
}

def call(provider=None, **attributes):
    tracer = (provider or trace).get_tracer("app")
    tracer.start_span("chat gpt-4o-mini", attributes={**CALL, **attributes}).end()

def say(value):
    print(json.dumps(value), flush=True)

"""


FUNCTION = """
trace.set_tracer_provider(TracerProvider())
install()
from otel_genai_cost import flushed

class Context:
    def get_remaining_time_in_millis(self): return 60_000

@flushed
def handler(event, context):
    call()
    return event

for line in sys.stdin:
    say(handler(json.loads(line), Context()))
"""
"""What follows PRELUDE in a function: it answers each line of its input once the call that it took is durable."""


class Ran(NamedTuple):
    """What a program said on stdout, a JSON value a line, its stderr, and what it journalled."""

    code: int
    said: list[Any]
    stderr: str
    journalled: list[Observation]

    @property
    def costs(self) -> list[str | None]:
        """The exact costs of its calls."""
        return [each.cost.total_text for each in self.journalled]

    @property
    def error_lines(self) -> list[str]:
        """Lines that speak of an environment variable of ours."""
        return [line for line in self.stderr.splitlines() if "OTEL_GENAI_COST_" in line]


def run(
    program: str, folder: Path, environment: Mapping[str, str] | None = None, *, before: str = ""
) -> Ran:
    """Run `program` with `folder/journal` as its journal; `call()` makes a call and `say()` tells us something.
    `before` runs before anything is imported."""
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "OTEL_GENAI_COST_REGISTRY": str(folder / "registry"),
        "OTEL_GENAI_COST_JOURNAL": str(folder / "journal"),
        **(environment or {}),
    }
    done = subprocess.run(
        [sys.executable, "-c", before + PRELUDE + program],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    found = [
        from_record(record)
        for segment in segments(folder / "journal")
        for record in read(segment, finished=is_finished(segment)).records
        if "type" not in record
    ]
    said = [json.loads(line) for line in done.stdout.splitlines()]
    return Ran(done.returncode, said, done.stderr, found)
