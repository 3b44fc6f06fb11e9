"""From the names on a span to the models of the book: exact ids and listed aliases, never a guess.

Order: exact, case-folded, a known path stripped (`models/…`, `publishers/…/models/…`, an ARN's last part), a
fine-tune's base snapshot; then the same without the provider's own name before it (`openai/gpt-4o` asked of OpenAI). No
other prefix or substring matching: `claude-opus-4-10` is not `claude-opus-4-1`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from otel_genai_cost.pricing.cost import Cost, unpriced
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.vocabulary import Reason

__all__ = [
    "NAME_LIMIT",
    "Meaning",
    "Meanings",
    "Names",
    "Refusal",
    "candidates",
    "names_of",
    "resolve",
]

NAME_LIMIT: Final = 256
"""Characters of a provider or model name; a longer one is hostile or broken, and unknown."""

_PATH: Final = re.compile(
    r"(?:(?:projects/[^/]+/)?(?:locations/[^/]+/)?publishers/[^/]+/)?models/(?P<model>[^/]+)"
    r"|arn:aws[a-z-]*:bedrock:[a-z0-9-]*:\d*:(?:foundation-model|inference-profile)/(?P<arn>[^/]+)"
)
"""Google's resource names, and the ARNs of what Amazon names itself. What a customer names (an application inference
profile, provisioned throughput, an imported model) says nothing of its model: it needs an alias."""


_OWN_NAME: Final = re.compile(r"(?P<word>[^/:]+)[/:](?=.)")
_APIS: Final = frozenset({"converse", "converse_like", "invoke", "responses", "chat"})
"""Words between a provider's name and a model's (`bedrock/converse/…`, `azure/responses/…`) that change no price."""

_NO_PROVIDERS: Final[Mapping[str, str]] = {}


class Refusal(NamedTuple):
    """Why there is no price: a reason of the vocabulary, the names that were asked for, and the answer to give.

    `cost` is made once, so that a repeated unknown model costs no more than a known one.
    """

    reason: Reason
    provider: str | None = None
    model: str | None = None
    cost: Cost = unpriced("unknown_model")


class Meaning(NamedTuple):
    """What a name stands for, and in which half-open span of time; None is unbounded."""

    model: str
    from_us: int | None = None
    to_us: int | None = None


class Names(NamedTuple):
    """The names a book knows, case-folded: provider or alias -> id, and (provider id, model or alias) -> meanings."""

    providers: Mapping[str, str]
    models: Mapping[tuple[str, str], tuple[Meaning, ...]]


Meanings = Mapping[str, tuple[Meaning, ...]]


def resolve(
    known: str | None,
    names: Meanings,
    provider: str | None,
    model: str | None,
    providers: Mapping[str, str] = _NO_PROVIDERS,
) -> tuple[Meaning, ...] | Refusal:
    """What a model's name means.

    Args:
        known: the provider's id in the book; None if its name is unknown.
        names: what each name of a model means there.
        provider: as the call named it, for the refusal.
        model: as the call named it.
        providers: from every name of a provider, case-folded, to its id: a name may have one before a slash.

    Returns:
        The meanings, each for a stretch of time, or why there are none.
    """
    if not model or len(model) > NAME_LIMIT:
        return Refusal("unknown_model" if model else "missing_model", provider, model)
    if known is None:
        return Refusal("unknown_provider", provider, model)
    for spelled in (model, *_without_own_name(model, known, providers)):
        for name in candidates(spelled):
            if (found := names.get(name)) is not None:
                return found
    return Refusal("unknown_model", provider, model)


def _without_own_name(model: str, known: str, providers: Mapping[str, str]) -> Iterator[str]:
    """The name without the provider's own before it, and without the API that LiteLLM names after that."""
    while (found := _OWN_NAME.match(model)) is not None:
        word = found["word"].casefold()
        if word not in _APIS and providers.get(word) != known:
            return
        model = model[found.end() :]
        yield model


def names_of(models: Iterable[Mapping[str, Any]], aliases: Iterable[Mapping[str, Any]]) -> Meanings:
    """The names of a provider's models, and what each means; checked entries."""
    names: dict[str, tuple[Meaning, ...]] = {}
    for model in models:
        for name in (model["id"], *model.get("aliases", ())):
            dated = {"name": name} if isinstance(name, str) else name
            _add(names, dated["name"], _within((Meaning(model["id"]),), dated))
    waiting = {(alias["name"].casefold(), alias.get("from")): alias for alias in aliases}
    while waiting:
        ready = [key for key, alias in waiting.items() if alias["model"].casefold() in names]
        if not ready:
            break
        for key in ready:
            alias = waiting.pop(key)
            _add(names, alias["name"], _within(names[alias["model"].casefold()], alias))
    return names


def _add(names: dict[str, tuple[Meaning, ...]], name: str, meanings: Iterable[Meaning]) -> None:
    word = name.casefold()
    every = dict.fromkeys((*names.get(word, ()), *meanings))
    names[word] = tuple(sorted(every, key=lambda meaning: meaning.from_us or 0))


def _within(meanings: Iterable[Meaning], dated: Mapping[str, Any]) -> Iterator[Meaning]:
    """The meanings, no longer than the name itself is good for."""
    from_us, to_us = (
        None if dated.get(key) is None else microseconds(dated[key]) for key in ("from", "to")
    )
    for meaning in meanings:
        begins = [us for us in (from_us, meaning.from_us) if us is not None]
        ends = [us for us in (to_us, meaning.to_us) if us is not None]
        clipped = Meaning(meaning.model, max(begins, default=None), min(ends, default=None))
        if clipped.from_us is None or clipped.to_us is None or clipped.from_us < clipped.to_us:
            yield clipped


def candidates(model: str) -> Iterator[str]:
    """The spellings under which `model` may be listed, most literal first."""
    folded = model.casefold()
    yield folded
    if "/" in folded and (path := _PATH.fullmatch(folded)) is not None:
        yield path["model"] or path["arn"]
    if folded.startswith("ft:"):
        # ft:<base snapshot>:<organisation>:<name>:<id>; a fine-tune never has its base model's price.
        yield ":".join(folded.split(":", 2)[:2])
