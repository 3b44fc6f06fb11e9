"""Every defect of a price document, found in one go: what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from otel_genai_cost.errors import Problem
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.pricing.rate import CONDITIONS
from otel_genai_cost.pricing.source import Places
from otel_genai_cost.usage.leaves import COUNT_LEAVES, INPUT_LEAVES, OUTPUT_LEAVES

__all__ = ["check"]

_LEAVES: Final = frozenset((*INPUT_LEAVES, *OUTPUT_LEAVES, *COUNT_LEAVES))
_THRESHOLDS: Final = ("input_tokens_gt", "input_tokens_gte")
_DIGITS_MAX: Final = 9
"""Published prices have few digits; 1.0399999999999998 is what a float leaves behind."""

_KEYS: Final[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    "sources": (frozenset({"id", "name", "url", "seen_at"}), frozenset()),
    "providers": (frozenset({"id"}), frozenset({"aliases", "standard_tiers"})),
    "models": (frozenset({"id", "provider"}), frozenset({"aliases"})),
    "prices": (
        frozenset(
            {"id", "provider", "model", "from", "recorded_at", "source", "currency", "rates"}
        ),
        frozenset({"to", "when", "supersedes", "free", "refuse"}),
    ),
}

_Tell = Callable[[Mapping[str, Any], str, str], Problem]


def check(document: Mapping[str, Any], places: Places) -> Iterator[Problem]:
    """The problems of a document whose rows have their ids."""

    def tell(entry: Mapping[str, Any], what: str, remedy: str) -> Problem:
        file, line = places.get(id(entry), ("price book", 0))
        return Problem(file, line, what, remedy)

    sound: dict[str, list[Mapping[str, Any]]] = {}
    for kind in _KEYS:
        sound[kind] = []
        for entry in document[kind]:
            problems = list(_keys(kind, entry, tell))
            yield from problems
            if not problems:
                sound[kind].append(entry)
    yield from _ids(sound, tell)
    yield from _names(sound, tell)
    sources = {entry["id"] for entry in sound["sources"]}
    models = {(entry["provider"], entry["id"]) for entry in sound["models"]}
    for row in sound["prices"]:
        yield from _row(row, sources, models, tell)
    yield from _overlaps(sound["prices"], tell)


def _keys(kind: str, entry: Mapping[str, Any], tell: _Tell) -> Iterator[Problem]:
    required, optional = _KEYS[kind]
    for key in sorted(required - entry.keys()):
        yield tell(entry, f"{kind[:-1]} without {key!r}", f"add {key}")
    for key in sorted(entry.keys() - required - optional):
        yield tell(
            entry, f"unknown key {key!r} in a {kind[:-1]}", f"known: {_list(required | optional)}"
        )
    for key in ("id", "provider", "model", "source", "currency"):
        if key in entry and not (isinstance(entry[key], str) and entry[key]):
            yield tell(entry, f"{key} is {entry[key]!r}", "write a non-empty string")


def _ids(sound: Mapping[str, list[Mapping[str, Any]]], tell: _Tell) -> Iterator[Problem]:
    for kind, entries in sound.items():
        seen: set[tuple[str, str]] = set()
        for entry in entries:
            key = (entry["provider"] if kind == "models" else "", entry["id"])
            if key in seen:
                yield tell(entry, f"{kind[:-1]} {entry['id']!r} stands twice", "keep one of them")
            seen.add(key)


def _names(sound: Mapping[str, list[Mapping[str, Any]]], tell: _Tell) -> Iterator[Problem]:
    """A name that means two things means nothing."""
    for kind in ("providers", "models"):
        owners: dict[tuple[str, str], str] = {}
        for entry in sound[kind]:
            space = entry["provider"] if kind == "models" else ""
            for name in (entry["id"], *entry.get("aliases", ())):
                owner = owners.setdefault((space, str(name).casefold()), entry["id"])
                if owner != entry["id"]:
                    yield tell(
                        entry, f"alias {name!r} is {owner!r}'s already", "keep it in one place"
                    )


def _row(
    row: Mapping[str, Any], sources: set[str], models: set[tuple[str, str]], tell: _Tell
) -> Iterator[Problem]:
    if row["source"] not in sources:
        yield tell(row, f"source {row['source']!r} is not listed", "add a [[source]] with that id")
    if (row["provider"], row["model"]) not in models:
        yield tell(row, f"model {row['model']!r} is not listed", "add a [[model]] with that id")
    yield from _times(row, tell)
    yield from _conditions(row, tell)
    if bool(row["rates"]) == bool(row.get("refuse")):
        yield tell(
            row,
            "needs rates, or refuse = true, not both",
            "say what is charged, or that it is not offered",
        )
    for leaf, text in row["rates"].items():
        if leaf not in _LEAVES:
            yield tell(row, f"unknown key {leaf!r} in a price", f"leaves are {_list(_LEAVES)}")
        elif (defect := _rate_defect(text, bool(row.get("free")))) is not None:
            yield tell(row, f"{leaf} is {text!r}: {defect[0]}", defect[1])


def _times(row: Mapping[str, Any], tell: _Tell) -> Iterator[Problem]:
    instants: list[int] = []
    for key in ("from", "to", "recorded_at"):
        if row.get(key) is None:
            continue
        try:
            instants.append(microseconds(row[key]))
        except (ValueError, AttributeError):
            yield tell(
                row,
                f"{key} is {row[key]!r}",
                "write an instant with an offset, 2026-03-05T00:00:00Z",
            )
            return
    if row.get("to") is not None and instants[0] >= instants[1]:
        yield tell(
            row, f"valid from {row['from']} to {row['to']}", "the end must be after the start"
        )


def _conditions(row: Mapping[str, Any], tell: _Tell) -> Iterator[Problem]:
    for key, value in row.get("when", {}).items():
        if key in _THRESHOLDS:
            if type(value) is not int or value <= 0:
                yield tell(row, f"{key} is {value!r}", "write a whole number of tokens above 0")
        elif key == "batch":
            if value is not True:
                yield tell(row, f"batch is {value!r}", "write true, or leave it out")
        elif key not in CONDITIONS:
            yield tell(
                row, f"unknown condition {key!r}", f"known: {_list((*CONDITIONS, *_THRESHOLDS))}"
            )
        elif not isinstance(value, str) or value != value.casefold() or not value:
            yield tell(row, f"{key} is {value!r}", "write one lower-case word")


def _rate_defect(text: Any, free: bool) -> tuple[str, str] | None:
    try:
        amount = parse_money(text)
    except ValueError as error:
        return str(error), "write a decimal number, e.g. 2.50"
    if amount < 0:
        return "a price below zero", "a discount belongs in a contract"
    if amount == 0 and not free:
        return "zero", "write free = true if the provider charges nothing, else leave the rate out"
    digits = str(text).replace(".", "").strip("0")
    if len(digits) > _DIGITS_MAX:
        return "more than 9 significant digits looks like a float", "write the published price"
    return None


def _overlaps(rows: list[Mapping[str, Any]], tell: _Tell) -> Iterator[Problem]:
    """Two rows in force at once for the same model, conditions and threshold contradict each other."""
    gone = {row.get("supersedes") for row in rows}
    grouped: dict[tuple[Any, ...], list[tuple[str, Mapping[str, Any]]]] = {}
    for row in rows:
        if row["id"] not in gone:
            when = tuple(sorted((key, str(value)) for key, value in row.get("when", {}).items()))
            grouped.setdefault((row["provider"], row["model"], when), []).append(
                (str(row["from"]), row)
            )
    for members in grouped.values():
        ordered = [row for _, row in sorted(members, key=lambda member: member[0])]
        for earlier, later in pairwise(ordered):
            if earlier.get("to") is None or str(earlier["to"]) > str(later["from"]):
                yield tell(
                    later,
                    f"overlaps {earlier['id']!r}",
                    "end the earlier row where this one begins, or supersede it",
                )


def _list(words: Any) -> str:
    return ", ".join(sorted(words))
