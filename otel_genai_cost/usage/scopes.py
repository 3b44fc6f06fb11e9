"""Which instrumentation writes which dialect: the table. Adding a dialect is a file and a row."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from otel_genai_cost.usage.dialects import semconv
from otel_genai_cost.usage.read import Dialect

__all__ = ["DIALECTS", "Row", "dialect_of", "is_genai"]

OUR_SCOPES: Final = "otel_genai_instrumentors."


class Row(NamedTuple):
    """One instrumentation: its scope name (a trailing dot means all below), versions, dialect, and what to know."""

    scope: str
    versions: str
    dialect: Dialect
    input_includes_cache: bool
    note: str


_SEMCONV: Final = Dialect("semconv/1", semconv.read)
_TOTALS: Final = Dialect("semconv-totals/1", semconv.read_totals)
_FALLBACK: Final = Dialect("semconv-fallback/1", semconv.read, recognised=False)

DIALECTS: Final = (
    Row(OUR_SCOPES, "all", _SEMCONV, True, "the instrumentors of this library"),
    Row(
        "opentelemetry.instrumentation.genai.openai",
        ">= 1.0",
        _SEMCONV,
        True,
        "zero sub-counts are left out; images and transcription are not traced",
    ),
    Row(
        "opentelemetry.instrumentation.openai_v2",
        ">= 2.0",
        _TOTALS,
        True,
        "drops cached and reasoning tokens: charged by the totals, marked `estimated`",
    ),
    Row(
        "opentelemetry.util.genai.handler",
        "0.x",
        _TOTALS,
        True,
        "openai-v2 in its experimental mode; as above",
    ),
)

_EXACT: Final = {row.scope: row.dialect for row in DIALECTS if not row.scope.endswith(".")}
_BELOW: Final = tuple((row.scope, row.dialect) for row in DIALECTS if row.scope.endswith("."))
_GENAI_PREFIXES: Final = ("gen_ai.", "llm.", "openinference.")
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
    for prefix, dialect in _BELOW:
        if scope_name.startswith(prefix):
            return dialect
    return _FALLBACK


def is_genai(name: str, attributes: Iterable[str] | None) -> bool:
    """Whether a starting span may be an LLM call: by its attributes, or by the names instrumentations give."""
    if attributes:
        for key in attributes:
            if key.startswith(_GENAI_PREFIXES):
                return True
    return name.startswith(_GENAI_NAMES)
