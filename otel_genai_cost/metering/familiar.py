"""Kinds of calls that were metered before: of the next call of a kind only the numbers have to be looked at.

What comes of it is the observation that `meter` would make, in a fraction of the time; a test holds the one against
the other. A span with anything unusual about it is left to `meter`.
"""

from __future__ import annotations

from operator import mul
from typing import Any, Final, Protocol, TypeAlias

from opentelemetry import trace

from otel_genai_cost import attributes as names
from otel_genai_cost.journal import kinds
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.metering.meter import TIME_LIMIT_US
from otel_genai_cost.metering.origin import Source
from otel_genai_cost.metering.recent import Teller
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.cost import Cost
from otel_genai_cost.pricing.rate import Steady, Tariff, steady, tariff_of
from otel_genai_cost.usage.alike import Shape, depends_on_counts, is_exemplary, shape_of
from otel_genai_cost.usage.leaves import QUANTITY_LIMIT
from otel_genai_cost.usage.read import Attributes, Known
from otel_genai_cost.usage.scopes import dialect_of

__all__ = ["Familiar", "Kind", "Numbers"]

_MEMORIES_MAX: Final = 4_096
"""Scopes, shapes, words and kinds that are remembered, all together; with one more, memory begins anew."""

_BETWEEN: Final = "\0"
"""Stands between words that are found as one text: so they are compared as `word` reads them, by their characters, and
not by what a subclass of `str` calls equal."""

_ERROR: Final = trace.StatusCode.ERROR

Numbers: TypeAlias = "tuple[int, int, int, int, int, int, int, tuple[int, ...], int]"
"""The ids of the trace and the span, the trace's flags, start and end (us), the totals of input and output, the
quantities of the leaves, the cost in atto."""


class Kind:
    """What calls of one kind have in common: where they come from, what they say in words, and what reads, rates and
    writes their numbers. Plain attributes, because they are read for every call."""

    __slots__ = (
        "_below",
        "_counts",
        "_from_us",
        "_leaves",
        "_of_input",
        "_rate",
        "_resource",
        "_row",
        "_scale",
        "_to_us",
        "_units",
        "labels",
        "names_tenant",
        "resource_tenant",
        "teller",
        "tenant",
        "written",
    )

    def __init__(
        self,
        example: Observation,
        source: Source,
        shape: Shape,
        rates: Steady,
        tenant: str | None,
    ) -> None:
        self._resource, (*_, process), self.resource_tenant = source
        self.teller = Teller(example.scope, process, "response", example.reading.provider)
        self.tenant, self.labels = tenant, example.reading.labels
        self.names_tenant = bool(
            self.labels or tenant is not None or self.resource_tenant is not None
        )
        _, self._counts, self._leaves, self._of_input = shape
        from_us, to_us, self._below, units, self._scale, self._row = rates
        self._from_us, self._to_us = max(from_us, 1), min(to_us, TIME_LIMIT_US)
        self._units = tuple(units[leaf] for leaf in shape.leaves)
        self._rate = _rate_pair if self._of_input == (True, False) else _rate_parts
        self.written = kinds.Kind(example)

    def numbers(self, span: Any, attributes: Any) -> Numbers | None:
        """What a span of this kind says in numbers: its usage as `partition` would cut it, and rated; None if there is
        more to look at. One function but for the parts, because each more would cost a twentieth of its time."""
        try:  # private names, which may be gone
            trace_id, span_id, _, flags, _, _ = span._context
            start_ns, end_ns = span._start_time, span._end_time
            if (
                span._attributes._dict is not attributes
                or span._resource is not self._resource
                or span._status._status_code is _ERROR
            ):
                return None
            counts = self._counts(attributes)
        except (AttributeError, KeyError, TypeError, ValueError):  # or an attribute that just went
            return None
        input_total, output_total = counts[-2:]
        if (
            type(start_ns) is not int
            or type(end_ns) is not int
            or type(input_total) is not int
            or type(output_total) is not int
        ):
            return None
        start_us, end_us = start_ns // 1000, end_ns // 1000
        if (
            not 0 < start_us < TIME_LIMIT_US
            or not self._from_us <= end_us < self._to_us
            or input_total >= self._below
            or output_total >= QUANTITY_LIMIT
            or not (input_total or output_total)
        ):
            return None
        rated = self._rate(counts, self._units, self._of_input)
        if rated is None:
            return None
        quantities, total = rated
        total *= self._scale
        return (
            trace_id,
            span_id,
            flags,
            start_us,
            end_us,
            input_total,
            output_total,
            quantities,
            total,
        )

    def cost(self, quantities: tuple[int, ...], total: int) -> Cost:
        """The cost of a call, with what its lines are made of."""
        leaves = dict(zip(self._leaves, quantities, strict=True))
        return Cost("priced", None, "book", total, leaves, self._row)


_Rated: TypeAlias = "tuple[tuple[int, ...], int] | None"
"""The quantities of the leaves and what they come to, in units; None where `partition` would have more to say."""


def _rate_pair(counts: Any, units: tuple[int, ...], of_input: tuple[bool, ...]) -> _Rated:
    """A part of the input, then one of the output, as most calls have them: written out, for it takes half the time."""
    first, second, input_total, output_total = counts
    if type(first) is not int or type(second) is not int:
        return None
    input_left, output_left = input_total - first, output_total - second
    if first < 0 or second < 0 or input_left < 0 or output_left < 0:
        return None
    of_first, of_second, of_left_input, of_left_output = units
    return (first, second, input_left, output_left), (
        first * of_first
        + second * of_second
        + input_left * of_left_input
        + output_left * of_left_output
    )


def _rate_parts(counts: Any, units: tuple[int, ...], of_input: tuple[bool, ...]) -> _Rated:
    """Any parts: what `_rate_pair` does, as a loop."""
    *parts, input_left, output_left = counts
    for n, is_input in zip(parts, of_input, strict=True):
        if type(n) is not int or n < 0:
            return None
        if is_input:
            input_left -= n
        else:
            output_left -= n
    if input_left < 0 or output_left < 0:
        return None
    quantities = (*parts, input_left, output_left)
    return quantities, sum(map(mul, quantities, units))


class Scope(Protocol):
    """The scope of an instrumentation, as the SDK has it."""

    @property
    def name(self) -> str: ...


class _Shaped:
    """Spans of one shape: the kinds among them by their words, and the words that came once."""

    __slots__ = ("kinds", "met", "shape")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.kinds: dict[str, Kind] = {}
        self.met: set[str] = set()


class _Place:
    """A scope and its spans by their attributes' names: None for those of no shape. `known` are the facts of one that
    speaks in the words and counts of the conventions; of others nothing is remembered. `latest` is what came last,
    which is sooner compared than looked up."""

    __slots__ = ("known", "latest", "scope", "spans")

    def __init__(self, scope: Scope | None) -> None:
        name: object = None if scope is None else scope.name
        self.scope = scope
        self.known: Known | None = dialect_of(name, "").plain if type(name) is str else None
        self.spans: dict[tuple[str, ...], _Shaped | None] = {}
        self.latest: tuple[tuple[str, ...], _Shaped] | tuple[None, None] = (None, None)


class Familiar:
    """The kinds of calls that were met, as one book rates them. Bounded, and safe for threads: whoever comes later adds
    the same."""

    def __init__(self, book: Book, *, personal: bool) -> None:
        self._book, self._personal = book, personal
        self._places: dict[int, _Place] = {}
        self._memories = 0

    def kind(self, scope: Scope | None, attributes: Attributes) -> Kind | None:
        """The kind of a call; None if it is not familiar."""
        place = self._places.get(id(scope))
        if place is None or place.scope is not scope:
            return None
        present, (latest, spans) = tuple(attributes), place.latest
        if present != latest:
            spans = place.spans.get(present)
            if spans is not None:
                place.latest = (present, spans)
        if spans is None:
            return None
        try:
            return spans.kinds.get(_BETWEEN.join(spans.shape.words(attributes)))
        except (KeyError, TypeError):  # one just went, or is no text
            return None

    def meet(
        self,
        scope: Scope | None,
        attributes: Attributes,
        observation: Observation,
        source: Source,
    ) -> None:
        """Learn from a call that `meter` has read; one that comes twice makes a kind, if all its words are plain texts.
        `attributes` are those before any was added to show a cost.
        """
        place = self._place(scope)
        if place.known is None or not _is_example(observation):
            return
        spans = self._spans(place, tuple(attributes))
        if spans is None:
            return
        found = spans.shape.words(attributes)
        if {*map(type, found)} != {str}:
            return
        words = _BETWEEN.join(found)
        if words.count(_BETWEEN) != len(found) - 1:  # others could make the same text
            return
        if words not in spans.met:
            self._count()
            spans.met.add(words)
            return
        rates = _rates_of(observation, self._book, place.known, spans.shape)
        if rates is not None:
            self._count()
            tenant = attributes.get(names.TENANT_ID, observation.reading.tenant)
            spans.kinds[words] = Kind(observation, source, spans.shape, rates, tenant)

    def _place(self, scope: Scope | None) -> _Place:
        place = self._places.get(id(scope))
        if place is None or place.scope is not scope:
            self._count()
            place = self._places[id(scope)] = _Place(scope)
        return place

    def _spans(self, place: _Place, present: tuple[str, ...]) -> _Shaped | None:
        if present not in place.spans:
            self._count()
            shape = shape_of(present, personal=self._personal)
            place.spans[present] = None if shape is None else _Shaped(shape)
        return place.spans[present]

    def _count(self) -> None:
        """Before anything more is remembered: if that is too much, begin anew. What is at hand is forgotten with it."""
        self._memories += 1
        if self._memories > _MEMORIES_MAX:
            self._places, self._memories = {}, 1


def _is_example(observation: Observation) -> bool:
    """Whether it is a call as most are: with usage that the provider reported, priced in US dollars by the book."""
    cost = observation.cost
    return (
        cost.status == "priced"
        and cost.source == "book"
        and cost.currency == "USD"
        and is_exemplary(observation.reading)
    )


def _rates_of(example: Observation, book: Book, known: Known, shape: Shape) -> Steady | None:
    """What rates all calls with an example's words; None if one with other numbers may be read or rated otherwise."""
    reading = example.reading
    leaves = reading.usage.leaves
    model = reading.model_returned or reading.model_requested
    tariff = tariff_of(book, reading.provider, model, reading.context)
    if not isinstance(tariff, Tariff) or depends_on_counts(known.of(reading.provider)):
        return None
    rates = steady(tariff, example.end_us, reading.context)
    if rates is None or rates.row != example.cost.row or tuple(leaves) != shape.leaves:
        return None
    return rates if rates.units.keys() >= leaves.keys() else None
