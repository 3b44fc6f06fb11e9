"""Every defect of a price document, found in one go: what is wrong, where, and what to do.

Entries whose keys or types are wrong are reported and then left out, so that one mistake is one problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations, pairwise
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.errors import Problem
from otel_genai_cost.pricing.clock import CLOCK, WEEKDAYS, Clock, clock_of, minutes
from otel_genai_cost.pricing.compile import conjunctions, threshold
from otel_genai_cost.pricing.fees import FEE_KEYS
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.pricing.shapes import LAYOUT, THRESHOLDS
from otel_genai_cost.pricing.tariff import CONDITIONS, FOREVER_US
from otel_genai_cost.usage.leaves import COUNT_LEAVES, INPUT_LEAVES, OUTPUT_LEAVES

__all__ = ["Places", "check"]

_LEAVES: Final = frozenset((*INPUT_LEAVES, *OUTPUT_LEAVES, *COUNT_LEAVES))
_DIGITS_MAX: Final = 9
"""Published prices have few digits; 1.0399999999999998 is what a float leaves behind."""

Entry = Mapping[str, Any]
Places = dict[int, tuple[str, int]]
"""id() of an entry of the document -> the file and line it was written at."""

_Report = Callable[[Entry, str, str], Problem]


class _Span(NamedTuple):
    """When an entry holds; `to_us` is FOREVER_US while in force."""

    from_us: int
    to_us: int
    entry: Entry
    label: str


def check(document: Mapping[str, Any], places: Places) -> Iterator[Problem]:
    """The problems of a document whose rows have their ids."""

    def problem(entry: Entry, what: str, remedy: str) -> Problem:
        file, line = places.get(id(entry), ("price book", 0))
        return Problem(file, line, what, remedy)

    sound: dict[str, list[Entry]] = {}
    for kind, layout in LAYOUT.items():
        sound[kind] = []
        for entry in document[kind]:
            defects = list(layout.defects(entry))
            yield from (problem(entry, what, remedy) for what, remedy in defects)
            if not defects:
                sound[kind].append(entry)
    yield from _ids(sound, problem)
    yield from _names(sound, problem)
    yield from _references(sound, document, problem)
    yield from _targets(sound, problem)
    for row in sound["prices"]:
        yield from _conditions(row, problem)
        yield from _clock(row, sound["calendars"], problem)
        yield from _rates(row, problem)
        yield from _fees(row, problem)
    yield from _overlaps(sound, problem)


def _ids(sound: Mapping[str, list[Entry]], problem: _Report) -> Iterator[Problem]:
    for kind, entries in sound.items():
        if kind == "aliases":
            continue  # reported with the names
        seen: set[tuple[str, str]] = set()
        for entry in entries:
            key = (entry["provider"] if kind == "models" else "", entry["id"])
            if key in seen:
                yield problem(
                    entry, f"{kind[:-1]} {entry['id']!r} stands twice", "keep one of them"
                )
            seen.add(key)


def _names(sound: Mapping[str, list[Entry]], problem: _Report) -> Iterator[Problem]:
    """A name that means two things at the same time means nothing."""
    for kind in ("providers", "models"):
        meanings: dict[tuple[str, str], list[_Span]] = {}
        for entry in sound[kind]:
            space = entry["provider"] if kind == "models" else ""
            for name in (entry["id"], *entry.get("aliases", ())):
                table: Entry = {"name": name} if isinstance(name, str) else name
                span = _span(table, entry, entry["id"])
                meanings.setdefault((space, table["name"].casefold()), []).append(span)
        for alias in sound["aliases"] if kind == "models" else ():
            span = _span(alias, alias, f"an alias of {alias['model']}")
            meanings.setdefault((alias["provider"], alias["name"].casefold()), []).append(span)
        for (_, name), spans in meanings.items():
            for earlier, later in _meeting(spans):
                if earlier.label != later.label:
                    yield problem(
                        later.entry,
                        f"alias {name!r} is {earlier.label!r}'s already",
                        "keep it in one place, or date both",
                    )


def _references(
    sound: Mapping[str, list[Entry]], document: Mapping[str, Any], problem: _Report
) -> Iterator[Problem]:
    """What an entry names must be listed; an entry that is itself broken counts as listed."""

    def listed(kind: str) -> set[object]:
        return {entry.get("id") for entry in document[kind] if isinstance(entry.get("id"), str)}

    sources, providers = listed("sources"), listed("providers")
    models = {(str(model.get("provider")), str(model.get("id"))) for model in document["models"]}
    for entry in (*sound["prices"], *sound["calendars"]):
        if entry["source"] not in sources:
            yield problem(
                entry,
                f"source {entry['source']!r} is not listed",
                "add a [[source]] with that id",
            )
    rows = {entry["id"]: entry for entry in sound["prices"]}
    for model in sound["models"]:
        if model["provider"] not in providers:
            yield problem(
                model, f"provider {model['provider']!r} is not listed", "add a [[provider]] for it"
            )
    for row in rows.values():
        if (row["provider"], row["model"]) not in models:
            yield problem(
                row, f"model {row['model']!r} is not listed", "add a [[model]] with that id"
            )
        yield from _correction(row, rows, problem)


def _correction(row: Entry, rows: Mapping[str, Entry], problem: _Report) -> Iterator[Problem]:
    """A row may supersede one of the same model that was learned earlier."""
    if (target := row.get("supersedes")) is None:
        return
    gone = rows.get(target)
    if gone is None or (gone["provider"], gone["model"]) != (row["provider"], row["model"]):
        yield problem(row, f"supersedes {target!r}, which is no row of this model", "name its id")
    elif microseconds(gone["recorded_at"]) >= microseconds(row["recorded_at"]):
        yield problem(
            row, f"supersedes {target!r}, which was not recorded earlier", "date it when learned"
        )


def _conditions(row: Entry, problem: _Report) -> Iterator[Problem]:
    when: Entry = row.get("when", {})
    if len(when.keys() & set(THRESHOLDS)) > 1:
        yield problem(row, f"both of {_list(THRESHOLDS)}", "keep one of them")
    for key, value in when.items():
        if key in THRESHOLDS:
            if type(value) is not int or value <= 0:
                yield problem(row, f"{key} is {value!r}", "write a whole number of tokens above 0")
        elif key == "batch":
            if value is not True:
                yield problem(row, f"batch is {value!r}", "write true, or leave it out")
        elif key in CLOCK:
            continue
        elif key not in CONDITIONS:
            known = _list((*CONDITIONS, *THRESHOLDS, *CLOCK))
            yield problem(row, f"unknown condition {key!r}", f"known: {known}")
        elif not _is_words(value):
            yield problem(row, f"{key} is {value!r}", "write a lower-case word, or a list of some")


def _clock(row: Entry, calendars: list[Entry], problem: _Report) -> Iterator[Problem]:
    when: Entry = row.get("when", {})
    if not _are(when.get("hours_utc", ["00:00-24:00"]), _is_window):
        yield problem(
            row, f"hours_utc is {when['hours_utc']!r}", 'write ["01:00-04:00", …], in UTC'
        )
    if not _are(when.get("weekdays", list(WEEKDAYS)), WEEKDAYS.__contains__):
        yield problem(
            row, f"weekdays is {when['weekdays']!r}", f"write some of {', '.join(WEEKDAYS)}"
        )
    named = when.get("except_calendar")
    if named is not None and named not in [calendar["id"] for calendar in calendars]:
        yield problem(row, f"calendar {named!r} is not listed", "add a [[calendar]] with that id")


def _are(value: object, fits: Callable[[Any], bool]) -> bool:
    words = cast("list[object]", value) if isinstance(value, list) else []
    return bool(words) and all(isinstance(word, str) and fits(word) for word in words)


def _is_window(text: str) -> bool:
    try:
        return bool(minutes(text))
    except ValueError:
        return False


def _targets(sound: Mapping[str, list[Entry]], problem: _Report) -> Iterator[Problem]:
    """An alias leads to a model in the end, through other aliases or not."""
    known = {
        (model["provider"], word.casefold())
        for model in sound["models"]
        for alias in (model["id"], *model.get("aliases", ()))
        for word in ([alias] if isinstance(alias, str) else [alias["name"]])
    }
    leads = {
        (alias["provider"], alias["name"].casefold()): alias["model"].casefold()
        for alias in sound["aliases"]
    }
    for alias in sound["aliases"]:
        name, passed = (alias["provider"], alias["model"].casefold()), set[object]()
        while name not in known and name in leads and name not in passed:
            passed.add(name)
            name = (alias["provider"], leads[name])
        if name in passed:
            yield problem(alias, f"alias {alias['name']!r} leads in a circle", "name a model's id")
        elif name not in known:
            yield problem(
                alias,
                f"alias {alias['name']!r} leads to {name[1]!r}, which is not listed",
                "name a model's id or alias",
            )


def _is_words(value: object) -> bool:
    words = cast("list[object]", value) if isinstance(value, list) else [value]
    texts = {word for word in words if isinstance(word, str) and word and word == word.casefold()}
    return len(words) == len(texts) > 0


def _rates(row: Entry, problem: _Report) -> Iterator[Problem]:
    if bool(row["rates"]) == (row.get("refuse") is True):
        yield problem(
            row,
            "needs rates, or refuse = true, not both",
            "say what is charged, or that it is not offered",
        )
    if _is_upside_down(row["rates"]):
        yield problem(row, "cache_read is above input", "mend the one that is wrong")
    for leaf, text in row["rates"].items():
        if leaf not in _LEAVES:
            yield problem(row, f"unknown key {leaf!r} in a price", f"leaves are {_list(_LEAVES)}")
        elif (defect := _rate_defect(text, row.get("free") is True)) is not None:
            yield problem(row, f"{leaf} is {str(text)[:80]!r}: {defect[0]}", defect[1])


def _fees(row: Entry, problem: _Report) -> Iterator[Problem]:
    """What a row says of how its leaves are billed must be about leaves, and about ones that it prices."""
    if row.get("undated") is True and row.get("refuse") is not True:
        yield problem(row, "undated, and not refused", "add refuse = true: no price is known")
    for key in FEE_KEYS:
        for leaf in row.get(key, ()):
            if leaf not in row["rates"]:
                yield problem(row, f"{key} names {leaf!r}, which has no rate", "give it one")
    for leaf, ends in row.get("between", {}).items():
        wrong = [end for end in ends.values() if _rate_defect(end, True) is not None]
        if wrong or leaf not in row["rates"]:
            yield problem(row, f"between has {leaf} at {ends}", "write two published prices")
        elif not _is_within(row["rates"][leaf], ends):
            yield problem(
                row, f"{leaf} is not between {ends['low']} and {ends['high']}", "mend one"
            )


def _is_within(rate: str, ends: Mapping[str, str]) -> bool:
    try:
        return parse_money(ends["low"]) <= parse_money(rate) <= parse_money(ends["high"])
    except ValueError:
        return True  # reported already


def _is_upside_down(rates: Entry) -> bool:
    try:
        return parse_money(rates["cache_read"]) > parse_money(rates["input"]) > 0
    except (KeyError, ValueError):
        return False


def _rate_defect(text: Any, free: bool) -> tuple[str, str] | None:
    if not isinstance(text, str):
        return "not a decimal number", "write one, e.g. 2.50"
    try:
        amount = parse_money(text)
    except ValueError as error:
        return str(error), "write a decimal number, e.g. 2.50"
    if amount < 0:
        return "a price below zero", "a discount belongs in a contract"
    if amount == 0 and not free:
        return "zero", "write free = true if the provider charges nothing, else leave the rate out"
    if len(str(amount).rstrip("0")) > _DIGITS_MAX:
        return "more than 9 significant digits looks like a float", "write the published price"
    return None


def _overlaps(sound: Mapping[str, list[Entry]], problem: _Report) -> Iterator[Problem]:
    """Two rows in force at once for the same model, conditions, threshold and hour contradict each other."""
    gone = {row.get("supersedes") for row in sound["prices"]}
    grouped: dict[tuple[Any, ...], dict[Clock | None, list[_Span]]] = {}
    for row in sound["prices"]:
        if row["id"] in gone or _is_unsound(row, sound["calendars"], problem):
            continue
        when: Entry = row.get("when", {})
        for conditions in conjunctions(when):
            key = (row["provider"], row["model"], conditions, threshold(when))
            spans = grouped.setdefault(key, {}).setdefault(clock_of(when, {}), [])
            spans.append(_span(row, row, row["id"]))
    for clocks in grouped.values():
        scopes = [*clocks.values(), *_at_one_hour(clocks)]
        for earlier, later in (pair for spans in scopes for pair in _meeting(spans)):
            if earlier.label == later.label:
                continue  # a duplicate, which is reported already
            yield problem(
                later.entry,
                f"overlaps {earlier.label!r}",
                "end the earlier row where this one begins, or supersede it",
            )


def _is_unsound(row: Entry, calendars: list[Entry], problem: _Report) -> bool:
    return any(_conditions(row, problem)) or any(_clock(row, calendars, problem))


def _at_one_hour(clocks: Mapping[Clock | None, list[_Span]]) -> Iterator[list[_Span]]:
    """Rows whose hours differ, and meet."""
    timed = [(clock, spans) for clock, spans in clocks.items() if clock is not None]
    for (clock, spans), (other, others) in combinations(timed, 2):
        if clock.meets(other):
            yield from ([one, another] for one in spans for another in others)


def _span(dated: Entry, entry: Entry, label: str) -> _Span:
    from_us = 0 if dated.get("from") is None else microseconds(dated["from"])
    to_us = FOREVER_US if dated.get("to") is None else microseconds(dated["to"])
    return _Span(from_us, to_us, entry, label)


def _meeting(spans: list[_Span]) -> Iterator[tuple[_Span, _Span]]:
    """Neighbours in time that overlap, the earlier first."""
    ordered = sorted(spans, key=lambda span: (span.from_us, span.to_us))
    return (
        (earlier, later) for earlier, later in pairwise(ordered) if earlier.to_us > later.from_us
    )


def _list(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))
