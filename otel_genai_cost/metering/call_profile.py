"""What follows from a call's words alone: dialect, provider, models, price conditions, tariff. Pure.

A process makes calls of few kinds, over and over. What their words say is worked out once for each kind and kept, so
that of the next call only the counts are read. A profile is built from the very words that it is kept by, and of the
other attributes from nothing but their names: it cannot know more than that, so whoever has the same words has the
same profile, kept or not.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from otel_genai_cost.journal.record import words_json
from otel_genai_cost.pricing.rate import TariffSource, tariff_of
from otel_genai_cost.pricing.resolve import Refusal
from otel_genai_cost.pricing.tariff import Tariff
from otel_genai_cost.usage.conventions import WORDS
from otel_genai_cost.usage.read import Attributes, Reading, SpanView, Words
from otel_genai_cost.usage.scopes import dialect_of

__all__ = ["KEPT_MAX", "CallProfile", "CallProfiles"]

KEPT_MAX: Final = 512
_LENGTH_LIMIT: Final = 8_192
"""Characters of all names and words of a span whose profile is kept; more is hostile or broken."""

_SCOPE_LIMIT: Final = 256
_TEXT: Final = frozenset({str, type(None)})

_Key: TypeAlias = "tuple[str, str, bool, tuple[str, ...], tuple[str | None, ...]]"


class CallProfile(NamedTuple):
    """What follows from a call's words. `words` reads the rest from the span's attributes; `tariff` is what the book
    has for the model that answered, or why it has nothing; `words_json` is its part of a journal's line, if it is kept.
    """

    scope: str
    scope_version: str
    dialect: str
    words: Words
    tariff: Tariff | Refusal
    words_json: bytes = b""


class _SpanWords(NamedTuple):
    """What a profile may be built from, beside the names of attributes."""

    name: str
    is_error: bool
    attributes: Attributes


class CallProfiles:
    """Profiles under one price book, each built once, at most KEPT_MAX of them kept. With another book comes another
    of these.

    Safe for threads, and for a span that ends in a finalizer while another is looked up: it takes no lock, and each
    step is one operation of a dict.
    """

    def __init__(self, book: TariffSource) -> None:
        self._book = book
        self._kept: dict[_Key, CallProfile] = {}

    def of(self, span: SpanView) -> CallProfile | None:
        """The profile of a span; None if no dialect reads it."""
        attributes = span.attributes
        key: _Key = (
            span.scope_name[:_SCOPE_LIMIT],
            span.scope_version[:_SCOPE_LIMIT],
            span.is_error,
            tuple(attributes),
            (span.name, *map(attributes.get, WORDS)),
        )
        if not _TEXT.issuperset(
            map(type, key[-1])
        ):  # what is no text may be equal and not the same
            return self._built_whole(span)
        return self._kept.get(key) or self._built(span, key)

    def _built(self, span: SpanView, key: _Key) -> CallProfile | None:
        """A new profile: of a span's words, where its dialect can separate them from the counts."""
        scope, version, is_error, present, (name, *texts) = key
        said = {word: text for word, text in zip(WORDS, texts, strict=True) if text is not None}
        dialect = dialect_of(scope, version)
        words = dialect.words(_SpanWords(name or "", is_error, said), span.attributes.keys())
        if words is None:
            return self._built_whole(span)
        profile = self._profile(scope, version, dialect.label, words)
        profile = profile._replace(words_json=words_json(scope, dialect.label, words.call))
        if sum(map(len, (*present, *said.values(), name or ""))) <= _LENGTH_LIMIT:
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            self._kept[key] = profile
        return profile

    def _built_whole(self, span: SpanView) -> CallProfile | None:
        """The profile of one span alone, read whole."""
        scope, version = span.scope_name[:_SCOPE_LIMIT], span.scope_version[:_SCOPE_LIMIT]
        dialect = dialect_of(scope, version)
        reading = dialect.read(span)
        if reading is None:
            return None

        def read(attributes: Attributes) -> Reading:
            return reading  # it has been

        return self._profile(scope, version, dialect.label, Words(reading, read))

    def _profile(self, scope: str, version: str, dialect: str, words: Words) -> CallProfile:
        call = words.call
        model = call.model_returned or call.model_requested
        tariff = tariff_of(self._book, call.provider, model, call.context)
        return CallProfile(scope, version, dialect, words, tariff)
