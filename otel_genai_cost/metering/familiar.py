"""Kinds of calls that were metered before: of the next call of a kind only the numbers have to be looked at.

What comes of it is the observation that `meter` would make, in a fraction of the time; a test holds the one against
the other. A span with anything unusual about it is left to `meter`.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import mul
from typing import Any, Final, NamedTuple

from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_genai_cost.journal import kinds
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.metering.origin import Source
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.cost import Cost
from otel_genai_cost.pricing.rate import Steady, Tariff, steady, tariff_of
from otel_genai_cost.usage.alike import Shape, depends_on_counts, is_exemplary, quantities, shape_of
from otel_genai_cost.usage.read import Attributes, Known
from otel_genai_cost.usage.scopes import dialect_of

__all__ = ["Familiar", "Kind", "Rated"]

_SCOPES_MAX: Final = 256
_SHAPES_MAX: Final = 64
_KINDS_MAX: Final = 512
"""Scopes, shapes of a scope and kinds of a shape that are remembered; with one more, that memory begins anew."""

_new_cost: Callable[..., Cost] = tuple.__new__  # pyright: ignore -- tuple's own type has no parameter here

Rated = tuple[int, int, tuple[int, ...], int]
"""The totals of input and output, the quantities of the leaves, and the cost in atto."""


class Kind(NamedTuple):
    """What calls of one kind have in common: an example, and what reads, rates and writes them."""

    source: Source
    shape: Shape
    example: Observation
    steady: Steady
    units: tuple[int, ...]
    written: kinds.Kind

    def rated(self, attributes: Attributes, end_us: int) -> Rated | None:
        """What a call used and costs; None if `meter` has to look at it."""
        _, shape, _, (from_us, to_us, below, _, scale, _), units, _ = self
        counts = shape.counts(attributes)
        found = quantities(counts, shape.of_input)
        if found is None or counts[0] >= below or not from_us <= end_us < to_us:
            return None
        return counts[0], counts[1], found, sum(map(mul, found, units)) * scale

    def cost(self, found: tuple[int, ...], total: int) -> Cost:
        """The cost of such a call."""
        leaves = dict(zip(self.shape.leaves, found, strict=True))
        return _new_cost(Cost, ("priced", None, "book", total, leaves, self.steady.row))


class _Shaped:
    """Spans of one shape: the kinds among them by their words, and the words that came once."""

    __slots__ = ("kinds", "met", "shape")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.kinds: dict[tuple[Any, ...], Kind] = {}
        self.met: set[tuple[Any, ...]] = set()


class _Place:
    """A scope and its spans by their attributes' names: None for those of no shape. `known` are the facts of one that
    speaks in the words and counts of the conventions; of others nothing is remembered."""

    __slots__ = ("known", "scope", "spans")

    def __init__(self, scope: InstrumentationScope | None) -> None:
        name: object = None if scope is None else scope.name
        self.scope = scope
        self.known: Known | None = dialect_of(name, "").plain if type(name) is str else None
        self.spans: dict[tuple[str, ...], _Shaped | None] = {}


class Familiar:
    """The kinds of calls that were met, as one book rates them. Bounded, and safe for threads: whoever comes later adds
    the same."""

    def __init__(self, book: Book, *, personal: bool) -> None:
        self._book, self._personal = book, personal
        self._places: dict[int, _Place] = {}

    def kind(self, scope: InstrumentationScope | None, attributes: Attributes) -> Kind | None:
        """The kind of a call; None if it is not familiar."""
        place = self._places.get(id(scope))
        if place is None or place.scope is not scope:
            return None
        spans = place.spans.get(tuple(attributes))
        if spans is None:
            return None
        try:
            return spans.kinds.get(spans.shape.words(attributes))
        except TypeError:  # a foreign value that cannot be hashed
            return None

    def meet(
        self,
        scope: InstrumentationScope | None,
        present: tuple[str, ...],
        attributes: Attributes,
        observation: Observation,
        source: Source,
    ) -> None:
        """Learn from a call that `meter` has read; one that comes twice makes a kind. `present` are the names of the
        attributes before any was added to show a cost.
        """
        place = self._place(scope)
        if place.known is None or not _is_example(observation):
            return
        spans = self._spans(place, present)
        if spans is None:
            return
        words = spans.shape.words(attributes)
        if not all([type(word) is str for word in words]):
            return
        if words not in spans.met:
            if len(spans.met) >= _KINDS_MAX:
                spans.met.clear()
            spans.met.add(words)
            return
        kind = _kind_of(observation, self._book, place.known, spans.shape, source)
        if kind is not None:
            if len(spans.kinds) >= _KINDS_MAX:
                spans.kinds.clear()
            spans.kinds[words] = kind

    def _place(self, scope: InstrumentationScope | None) -> _Place:
        place = self._places.get(id(scope))
        if place is None or place.scope is not scope:
            if len(self._places) >= _SCOPES_MAX:
                self._places.clear()
            place = self._places[id(scope)] = _Place(scope)
        return place

    def _spans(self, place: _Place, present: tuple[str, ...]) -> _Shaped | None:
        if present not in place.spans:
            if len(place.spans) >= _SHAPES_MAX:
                place.spans.clear()
            shape = shape_of(present, personal=self._personal)
            place.spans[present] = None if shape is None else _Shaped(shape)
        return place.spans.get(present)


def _is_example(observation: Observation) -> bool:
    cost = observation.cost
    return cost.status == "priced" and cost.source == "book" and is_exemplary(observation.reading)


def _kind_of(
    example: Observation, book: Book, known: Known, shape: Shape, source: Source
) -> Kind | None:
    """The kind of an observation; None if others of equal words may be read or rated otherwise."""
    reading = example.reading
    leaves = reading.usage.leaves
    model = reading.model_returned or reading.model_requested
    tariff = tariff_of(book, reading.provider, model, reading.context)
    if not isinstance(tariff, Tariff) or depends_on_counts(known.of(reading.provider)):
        return None
    rates = steady(tariff, example.end_us, reading.context)
    if rates is None or tuple(leaves) != shape.leaves or not rates.units.keys() >= leaves.keys():
        return None
    units = tuple(rates.units[leaf] for leaf in shape.leaves)
    return Kind(source, shape, example, rates, units, kinds.Kind(example))
