"""From the names on a span to the models of the book: exact ids and listed aliases, never a guess.

Order: exact, case-folded, a known path prefix stripped, a fine-tune's base snapshot. No prefix or substring
matching: `claude-opus-4-10` is not `claude-opus-4-1`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from otel_genai_cost.pricing.cost import Cost, unpriced

__all__ = ["NAME_LIMIT", "Meaning", "Names", "Refusal", "candidates"]

NAME_LIMIT: Final = 256
"""Characters of a provider or model name; a longer one is hostile or broken, and unknown."""

_PATH_PREFIXES: Final = ("models/",)


class Refusal(NamedTuple):
    """Why there is no price: a reason of the vocabulary, the names that were asked for, and the answer to give.

    `cost` is made once, so that a repeated unknown model costs no more than a known one.
    """

    reason: str
    provider: str | None = None
    model: str | None = None
    cost: Cost = unpriced("unknown_model")


class Meaning(NamedTuple):
    """What a name stands for, and in which half-open span of time; None is unbounded."""

    model: str
    from_us: int | None = None
    to_us: int | None = None


class Names(NamedTuple):
    """The names a book knows, case-folded: provider or alias -> id, and (provider, model or alias) -> meanings."""

    providers: Mapping[str, str]
    models: Mapping[tuple[str, str], tuple[Meaning, ...]]

    def resolve(
        self, provider: str | None, model: str | None
    ) -> tuple[str, tuple[Meaning, ...]] | Refusal:
        """The provider's id and what the model's name means, or why not."""
        if not model or len(model) > NAME_LIMIT:
            return Refusal("unknown_model" if model else "missing_model", provider, model)
        known = self.providers.get(provider.casefold()) if provider else None
        if known is None:
            return Refusal("unknown_provider", provider, model)
        for name in candidates(model):
            if (found := self.models.get((known, name))) is not None:
                return known, found
        return Refusal("unknown_model", provider, model)


def candidates(model: str) -> Iterator[str]:
    """The spellings under which `model` may be listed, most literal first."""
    folded = model.casefold()
    yield folded
    for prefix in _PATH_PREFIXES:
        if folded.startswith(prefix):
            yield folded[len(prefix) :]
    if folded.startswith("ft:"):
        # ft:<base snapshot>:<organisation>:<name>:<id>; a fine-tune never has its base model's price.
        yield ":".join(folded.split(":", 2)[:2])
