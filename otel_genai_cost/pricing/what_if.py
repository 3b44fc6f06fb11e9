"""A book in which some models cost what others do: what would the same usage of another model have cost?"""

from __future__ import annotations

from collections.abc import Mapping

from otel_genai_cost.pricing.book import Book, Refusal, Tariff

__all__ = ["Model", "WhatIf"]

Model = tuple[str | None, str]
"""Provider and model, by any of their names; without a provider: that of the call."""


class WhatIf(Book):
    """The book, with some models' prices replaced by those of others.

    Args:
        book: what everything else costs.
        instead: for a model, the one whose prices are taken. A model is meant by any of its names, or, if the book
            doesn't know it, as the call names it.
    """

    def __init__(self, book: Book, instead: Mapping[Model, Model]) -> None:
        super().__init__(book.document, book.lock, book.digest)
        self._book, self._instead = book, instead

    def tariff(self, provider: str | None, model: str | None) -> Tariff | Refusal:
        """The compiled rows of the model that is taken instead, else of the model itself."""
        taken = self.taken_instead(provider, model)
        return self._book.tariff(*((provider, model) if taken is None else taken))

    def taken_instead(self, provider: str | None, model: str | None) -> Model | None:
        """The model whose prices a call has; None if its own."""
        for (owner, name), (other_owner, other) in self._instead.items():
            if self._is_same((provider, model), (owner or provider, name)):
                return other_owner or provider, other
        return None

    def _is_same(self, one: tuple[str | None, str | None], other: tuple[str | None, str]) -> bool:
        if one == other:
            return True
        tariffs = self._book.tariff(*one), self._book.tariff(*other)
        names = [None if isinstance(each, Refusal) else each.model for each in tariffs]
        return names[0] is not None and names[0] == names[1]
