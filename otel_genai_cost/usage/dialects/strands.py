"""Strands Agents: every count under two names, the framework where the provider belongs, and an agent's span that sums
up all that the agent has ever used.

The event loop's cycles and the agent are wrappers; only `chat` is a call.
"""

from __future__ import annotations

from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.carried import carriers
from otel_genai_cost.usage.conventions import SPELLING, conventional
from otel_genai_cost.usage.read import PROVIDERS_OWN, Known, Reading, SpanView

__all__ = ["read"]

_SPELLING: Final = SPELLING._replace(
    parts={
        **SPELLING.parts,
        "gen_ai.usage.cache_read_input_tokens": "cache_read",
        "gen_ai.usage.cache_write_input_tokens": "cache_write",
    }
)
_CACHE: Final = frozenset(
    name for name, leaf in _SPELLING.parts.items() if leaf in ("cache_read", "cache_write")
)
"""A release that reports one of these reports both, where there is something to report."""

_WHERE: Final = carriers("")
"""`trace_attributes` stand on every span under the names they were given."""


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says."""
    facts = PROVIDERS_OWN if _CACHE & span.attributes.keys() else None
    reading = conventional(span, known, spelling=_SPELLING, where=_WHERE, facts=facts)
    if reading is None or reading.operation == "chat":
        return reading
    if names.GEN_AI_USAGE_INPUT_TOKENS not in span.attributes:
        return reading._replace(role="context")
    return reading._replace(role="cumulative")
