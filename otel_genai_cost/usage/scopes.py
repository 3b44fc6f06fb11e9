"""Which dialect a span is read in: selected by the name of its instrumentation scope, from the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final

from otel_genai_cost.usage.dialects import semconv
from otel_genai_cost.usage.instrumentations import DIALECTS, Read, Row
from otel_genai_cost.usage.read import Dialect, Facts, Known, Reading, SpanView

__all__ = ["dialect_of", "is_genai"]


def _dialect(rows: Sequence[Row]) -> Dialect:
    """The dialect of one scope: the row for all providers, and those for one."""
    first = rows[0]
    known = Known(first.facts, {row.provider: row.facts for row in rows if row.provider})
    return Dialect(first.label, _bound(first.read, known))


def _bound(read: Read, known: Known) -> Callable[[SpanView], Reading | None]:
    def bound(span: SpanView) -> Reading | None:
        return read(span, known)

    return bound


def _by_scope() -> dict[str, Dialect]:
    scopes = dict.fromkeys(row.scope for row in DIALECTS)
    return {scope: _dialect([row for row in DIALECTS if row.scope == scope]) for scope in scopes}


_EXACT: Final = _by_scope()
_BELOW: Final = sorted(
    (scope for scope in _EXACT if scope.endswith((".", "-"))), key=len, reverse=True
)
_UNKNOWN: Final = Known(Facts(unproven=True))
_FALLBACK: Final = Dialect("semconv-fallback/1", _bound(semconv.read, _UNKNOWN), recognised=False)
_GENAI_PREFIXES: Final = (
    "gen_ai.",
    "llm.",
    "openinference.",
    "ai.",
    "langfuse.observation.",
    "mlflow.",
)
_GENAI_NAMES: Final = (
    "openai.",
    "anthropic.",
    "chat ",
    "embeddings ",
    "text_completion ",
    "generate_content ",
    "ChatCompletion",
    "Response",
    "CreateEmbeddings",
)


@lru_cache(maxsize=1024)
def dialect_of(scope_name: str, scope_version: str) -> Dialect:
    """The dialect of an instrumentation; an unknown one is read by the conventions and marked as not recognised."""
    found = _EXACT.get(scope_name)
    if found is not None:
        return found
    for scope in _BELOW:
        if scope_name.startswith(scope):
            return _EXACT[scope]
    return _FALLBACK


def is_genai(name: str, attributes: Iterable[str] | None) -> bool:
    """Whether a starting span may be an LLM call: by its attributes, or by the names instrumentations give."""
    if attributes:
        for key in attributes:
            if key.startswith(_GENAI_PREFIXES):
                return True
    return name.startswith(_GENAI_NAMES)
