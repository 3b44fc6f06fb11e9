"""Programs whose streams are open as they end, and what they run in."""

from __future__ import annotations

import os
from pathlib import Path

from tests.metering.conftest import CALL

__all__ = ["ASKED", "PRELUDE", "STREAM", "USAGE", "environment"]

ASKED = {key: value for key, value in CALL.items() if ".usage." not in key}
STREAM = {**ASKED, "gen_ai.request.stream": True}
USAGE = {key: value for key, value in CALL.items() if ".usage." in key}

PRELUDE = """
import multiprocessing, os, signal, sys, time
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from otel_genai_cost import install, tenant
ASKED, USAGE = eval(os.environ["ASKED"]), eval(os.environ["USAGE"])
def begin():
    return trace.get_tracer("opentelemetry.instrumentation.genai.openai").start_span(
        "chat gpt-4o-mini", attributes=ASKED)
def whole():
    span = begin(); span.set_attributes(USAGE); span.end()
def meter():
    trace.set_tracer_provider(TracerProvider()); install(quiet=True)
"""


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "ASKED": repr(STREAM),
        "USAGE": repr(USAGE),
        "OTEL_GENAI_COST_JOURNAL": str(folder / "journal"),
    }
