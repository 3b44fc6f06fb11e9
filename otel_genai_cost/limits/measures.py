"""Measures, found by what a call is about. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from otel_genai_cost.limits.budget import ANY, Dimensions, Measure

__all__ = ["Measures"]


_OfOneScope = Sequence[tuple[Measure, str]]
"""Measures with their series; they have one key."""


class Measures:
    """Some measures.

    Those that name a value are looked up by it: a budget for each of many tenants costs a call no more than one.

    Args:
        measures: in any order; the same may come again.

    Attributes:
        currencies: of each, by its series.
    """

    def __init__(self, measures: Iterable[Measure]) -> None:
        self._by_series = distinct = {measure.series: measure for measure in measures}
        self.currencies = {series: one.currency for series, one in distinct.items()}
        scopes: dict[tuple[tuple[str, str], ...], list[tuple[Measure, str]]] = {}
        for series, one in distinct.items():
            scopes.setdefault(one.scope, []).append((one, series))
        self._everywhere: list[_OfOneScope] = []
        self._by_value: dict[str, dict[str, list[_OfOneScope]]] = {}
        for scope, members in scopes.items():
            named = [(dimension, value) for dimension, value in scope if value != ANY]
            if named:
                dimension, value = named[-1]
                self._by_value.setdefault(dimension, {}).setdefault(value, []).append(members)
            else:
                self._everywhere.append(members)

    def __bool__(self) -> bool:
        return bool(self._by_series)

    def knows(self, series: str) -> bool:
        """Whether it is one of these.

        Args:
            series: a measure's.
        """
        return series in self._by_series

    def of(self, series: str) -> Measure:
        """The measure of a series that is known."""
        return self._by_series[series]

    def matching(self, dimensions: Dimensions) -> Iterator[tuple[Measure, str, str]]:
        """Those that count a call, each with its series and the call's key."""
        yield from _keyed(self._everywhere, dimensions)
        for dimension, by_value in self._by_value.items():
            found = by_value.get(dimensions.get(dimension) or "")
            if found is not None:
                yield from _keyed(found, dimensions)


def _keyed(
    groups: Iterable[_OfOneScope], dimensions: Dimensions
) -> Iterator[tuple[Measure, str, str]]:
    for members in groups:
        key = members[0][0].key(dimensions)
        if key is not None:
            for one, series in members:
                yield one, series, key
