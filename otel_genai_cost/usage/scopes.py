"""Which dialect a span is read in: selected by the name of its instrumentation scope, from the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, KeysView, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from otel_genai_cost.usage.conventions import Conventional
from otel_genai_cost.usage.dialects import semconv
from otel_genai_cost.usage.doubts import Unread, doubted, with_doubts
from otel_genai_cost.usage.instrumentations import DIALECTS, Read, Row
from otel_genai_cost.usage.read import (
    Attributes,
    Dialect,
    Facts,
    Known,
    Reading,
    SpanView,
    SpanWords,
    Words,
)
from otel_genai_cost.usage.releases import Releases, releases, version_of
from otel_genai_cost.usage.seen import TOTALS

__all__ = ["dialect_of", "is_genai"]


class _Range(NamedTuple):
    """The dialect of one scope in the releases that it was recorded in."""

    releases: Releases
    dialect: Dialect


def _ranges(rows: Sequence[Row]) -> tuple[_Range, ...]:
    """The rows of one scope by their releases, the oldest first; in each a row for all providers, and those for one."""
    found: list[_Range] = []
    for versions in dict.fromkeys(row.versions for row in rows):
        first, *others = [row for row in rows if row.versions == versions]
        known = Known(first.facts, {row.provider: row.facts for row in others})
        dialect = _dialect(first.label, first.read, known, first.family.reads)
        found.append(_Range(releases(versions), dialect))
    return tuple(sorted(found, key=lambda each: each.releases))


def _dialect(label: str, read: Read, known: Known, names: frozenset[str]) -> Dialect:
    """A dialect whose readings are doubted where the span says more than the dialect reads."""
    unread = Unread(names)

    def bound(span: SpanView) -> Reading | None:
        reading = read(span, known)
        if reading is None:
            return None
        return with_doubts(reading, span.attributes, unread.among(span.attributes))

    def words(span: SpanWords, present: KeysView[str]) -> Words | None:
        found = read.words(span, present, known) if isinstance(read, Conventional) else None
        if found is None:
            return None
        suspects = unread.among(present)
        if not suspects and present.isdisjoint(TOTALS):
            return found  # nothing that could be doubted
        return _then(found, lambda reading, attributes: with_doubts(reading, attributes, suspects))

    return Dialect(label, bound, words)


def _unrecorded(dialect: Dialect, version: str) -> Dialect:
    """A dialect in a release that nobody recorded: what it reads may be another thing by now, or was then."""
    why = f"unrecorded_version:{version}"

    def read(span: SpanView) -> Reading | None:
        reading = dialect.read(span)
        return None if reading is None else doubted(reading, span.attributes, why)

    def words(span: SpanWords, present: KeysView[str]) -> Words | None:
        found = dialect.words(span, present)
        if found is None:
            return None
        return _then(found, lambda reading, attributes: doubted(reading, attributes, why))

    return dialect._replace(read=read, words=words)


def _then(words: Words, judge: Callable[[Reading, Attributes], Reading]) -> Words:
    """Words whose readings are judged by the attributes that they are of."""
    read = words.read

    def judged(attributes: Attributes) -> Reading | None:
        reading = read(attributes)
        return None if reading is None else judge(reading, attributes)

    return words._replace(read=judged)


def _by_scope() -> dict[str, tuple[_Range, ...]]:
    scopes = dict.fromkeys(row.scope for row in DIALECTS)
    return {scope: _ranges([row for row in DIALECTS if row.scope == scope]) for scope in scopes}


_EXACT: Final = _by_scope()
_BELOW: Final = sorted(
    (scope for scope in _EXACT if scope.endswith((".", "-"))), key=len, reverse=True
)
_UNKNOWN: Final = Known(Facts(unproven=True))
_FALLBACK: Final = _dialect(
    "semconv-fallback/1", semconv.read_unknown, _UNKNOWN, semconv.UNKNOWN_READS
)._replace(recognised=False)
_VERSION_LIMIT: Final = 32
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
    found: Sequence[_Range] | None = _EXACT.get(scope_name)
    if found is None:
        below = (scope for scope in _BELOW if scope_name.startswith(scope))
        if (scope := next(below, None)) is None:
            return _FALLBACK
        found = _EXACT[scope]
    for one in found[::-1]:
        if one.releases.holds(scope_version):
            return one.dialect
    return _unrecorded(_nearest(found, scope_version), scope_version[:_VERSION_LIMIT])


def _nearest(found: Sequence[_Range], version: str) -> Dialect:
    """The dialect of the last releases before a version, else of the first ones."""
    at = version_of(version) or ()
    before = [one for one in found if one.releases.first <= at]
    return (before[-1] if before else found[0]).dialect


def is_genai(name: str, attributes: Iterable[str] | None) -> bool:
    """Whether a starting span may be an LLM call: by its attributes, or by the names instrumentations give."""
    if attributes:
        for key in attributes:
            if key.startswith(_GENAI_PREFIXES):
                return True
    return name.startswith(_GENAI_NAMES)
