"""The words of a bill and those of the ledger made the same: models by the price book, leaves by what the bill tells
apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final

from otel_genai_cost.reconciliation.bill import Cell

__all__ = ["Words", "counts_requests", "words_of"]

_PARTS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "reasoning": ("output",),
    "output_image": ("output",),
    "input_image": ("input",),
    "input_video": ("input",),
    "cache_read_audio": ("cache_read",),
    "cache_write": ("cache_write_5m", "cache_write_1h"),
    "cache_write_5m": ("cache_write",),
    "cache_write_1h": ("cache_write",),
    "cache_write_12h": ("cache_write",),
}
"""Leaves that a bill may have in another one: reasoning is billed as output."""


class Words:
    """A bill's words for what the ledger has.

    Args:
        models: every name that the bill has; None stands for lines without one.
        leaves: the leaves that the bill has.
        whole: models that the bill does not cut by leaf.
        resolve: what a model's name stands for; None if nobody knows.
    """

    def __init__(
        self,
        models: Collection[str | None],
        leaves: Collection[str],
        whole: Collection[str | None],
        resolve: Callable[[str], str | None],
    ) -> None:
        self._models, self._leaves, self._whole, self._resolve = models, leaves, whole, resolve
        named = sorted(one for one in models if one is not None)
        self._spelled = {one.casefold(): one for one in reversed(named)}
        self._meant = {meant: one for one in reversed(named) if (meant := resolve(one))}
        self._by_words = {_words(one): one for one in reversed(named)}
        self._known: dict[str | None, str | None] = {}

    def model(self, name: str | None) -> str | None:
        """The bill's name of a model of ours; ours, if the bill has none for it."""
        if name not in self._known:
            self._known[name] = self._model(name)
        return self._known[name]

    def _model(self, name: str | None) -> str | None:
        if not self._spelled:
            return None if self._models else name
        if name is None or name.casefold() in self._spelled:
            return None if name is None else self._spelled[name.casefold()]
        found = self._meant.get(self._resolve(name) or "")
        return found or next(filter(None, map(self._by_words.get, _spellings(name))), name)

    def leaf(self, model: str | None, leaf: str) -> str | None:
        """The leaf that a bill has it in; None if it does not cut the model by leaf.

        Args:
            model: by the bill's name.
            leaf: of ours.
        """
        if model in self._whole:
            return None
        if leaf in self._leaves:
            return leaf
        return next((one for one in _PARTS_OF.get(leaf, ()) if one in self._leaves), leaf)


_VENDOR: Final = re.compile(
    r"^(?:(?:us|eu|apac|jp|au|ca|global|us-gov)\.)?[a-z0-9]+\.(?=[a-z])|^.*/"
)
_VERSION: Final = re.compile(r"-v\d+(?::\d+)?$|@[\w-]+$")
_BEFORE_VERSION: Final = re.compile(r"-20\d{6}(?=-v\d)")
_DATE: Final = re.compile(r"-?(20\d\d)-?(\d\d)-?(\d\d)$")
_PIECE: Final = re.compile(r"[a-z]+|\d+")


def _words(name: str) -> tuple[str, ...]:
    """What a name is made of, in any order: `Claude3.5Sonnet` and `claude-3-5-sonnet` are one."""
    folded = re.sub(r"(?<=\d)[.-](?=\d)", "", name.casefold())
    return tuple(sorted(_PIECE.findall(folded)))


def _spellings(name: str) -> Iterator[tuple[str, ...]]:
    """The spellings under which a meter may have a model of ours: without vendor and version, with its date or a part
    of it or without. Only what is equal then is one model: no beginning of a name stands for the whole."""
    bare = _VERSION.sub("", _VENDOR.sub("", name.casefold()))
    for spelled in (name, _versioned(name), bare, _DATE.sub(r"-\2\3", bare), _DATE.sub("", bare)):
        yield _words(spelled)
        yield tuple(word for word in _words(spelled) if word != "gpt")


def counts_requests(cells: Iterable[Cell]) -> bool:
    """Whether requests are all that a bill counts.

    Args:
        cells: of it.
    """
    return {cell.token_type for cell in cells if cell.kind == "usage"} == {"requests"}


def _versioned(name: str) -> str:
    """A name with its version and without the date before it, which tells two models of one name apart."""
    return _BEFORE_VERSION.sub("", _VENDOR.sub("", name.casefold())).partition(":")[0]


def words_of(cells: Iterable[Cell], resolve: Callable[[str], str | None]) -> Words:
    """The words of a bill.

    Args:
        cells: of it.
        resolve: what a model's name stands for; None if nobody knows.
    """
    usage = [cell for cell in cells if cell.kind == "usage" and not cell.what]
    cut = {cell.model for cell in usage if cell.token_type is not None}
    return Words(
        {cell.model for cell in usage},
        {cell.token_type for cell in usage if cell.token_type is not None},
        {cell.model for cell in usage} - cut,
        resolve,
    )
