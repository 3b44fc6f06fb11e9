"""Invoices made from a ledger, in the formats of providers, with defects of every class at places that are known."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.pricing.rate import price as price_of
from tests.cli.homes import home_of, seconds_of
from tests.ledger.build import BOOK, observe, tenant

__all__ = ["DEFECTS", "Invoice", "Sold", "as_csv", "as_openai", "invoice", "ledger_of", "seeded"]

MODELS: Final = (
    "gpt-4o-2024-08-06",
    "gpt-4o-mini-2024-07-18",
    "gpt-4.1-2025-04-14",
    "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano-2025-04-14",
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DAY_US: Final = 86_400_000_000
_HOUR_US: Final = 3_600_000_000
_HALF_HOUR_US: Final = 1_800_000_000


class Sold(NamedTuple):
    """A line of an invoice; money in atto."""

    day: str
    model: str | None
    leaf: str | None
    key: str | None
    tier: str
    quantity: int | None
    amount: int
    kind: str = "usage"
    list_amount: int | None = None

    @property
    def place(self) -> tuple[str | None, ...]:
        """By what its cell is found again."""
        return self.day, self.model, self.leaf, self.key, self.kind, self.tier or None


class Invoice(NamedTuple):
    """Lines, and the class of each cell with a defect."""

    lines: list[Sold]
    expected: dict[tuple[str | None, ...], str]


def ledger_of(
    folder: Path,
    provider: str = "openai",
    models: Sequence[str] = MODELS,
    batches: float = 0.2,
    days: int = 31,
    calls: int = 8,
    seed: int = 1,
    hours: int = 0,
) -> Path:
    """A ledger of October 2026: each day some calls of each model, a share of them in batches, some near midnight, of
    which that of UTC is so many hours before."""
    dice, found = random.Random(seed), list[Observation]()
    first = seconds_of("2026-10-01T00:00:00Z") + hours * 3_600
    for day in range(days):
        for model in models:
            for call in range(calls):
                within = dice.randrange(3_600, 82_000)
                if call < 2:
                    within = (60 + dice.randrange(1_500), 86_400 - 60 - dice.randrange(1_500))[call]
                at_s = first + day * 86_400 + within
                n = len(found) + 1
                tokens = (dice.randrange(800, 60_000), dice.randrange(50, 3_000))
                found.append(
                    observe(
                        n,
                        trace=n,
                        start_s=at_s - 1,
                        end_s=at_s,
                        tokens=tokens,
                        parts={"cache_read": dice.randrange(tokens[0])},
                        model=model,
                        batch=call > 1 and dice.random() < batches,
                        attribution=tenant(f"t{dice.randrange(9)}"),
                        response_id=f"r{n}",
                    )
                )
    return home_of(folder, [_of_provider(one, provider) for one in found])


def _of_provider(one: Observation, provider: str) -> Observation:
    """The same call of another provider, at its price."""
    if provider == "openai":
        return one
    reading = one.reading._replace(provider=provider, model_requested=one.reading.model_returned)
    cost = price_of(
        BOOK, provider, reading.model_returned, reading.usage, one.end_us, reading.context
    )
    return one._replace(reading=reading, cost=cost)


class _Call(NamedTuple):
    day: str
    at_us: int
    model: str
    leaf: str
    quantity: int
    amount: int


@lru_cache(maxsize=2)
def _calls(home: Path, hours: int) -> list[_Call]:
    """In the provider's time."""
    ledger = Ledger(home / "ledger.sqlite", readonly=True)
    found = [
        _Call(_day(at_us), at_us, str(entry.model), line.leaf, line.quantity, line.amount)
        for entry in ledger.entries
        for at_us in (entry.occurred_us - hours * _HOUR_US,)
        for line in entry.lines
        if line.side == "cost"
    ]
    ledger.close()
    return found


def _day(us: int) -> str:
    return (_EPOCH + timedelta(microseconds=us)).date().isoformat()


def invoice(home: Path, key: str | None = None, hours: int = 0) -> list[Sold]:
    """What a provider would bill that counts as we do: a line a day, model, leaf and price."""
    sums: dict[tuple[str, str, str, float], list[int]] = {}
    for call in _calls(home, hours):
        at = (call.day, call.model, call.leaf, call.amount / call.quantity)
        each = sums.setdefault(at, [0, 0])
        each[0] += call.quantity
        each[1] += call.amount
    dearest: dict[tuple[str, str], float] = {}
    for _, model, leaf, price in sums:
        dearest[model, leaf] = max(price, dearest.get((model, leaf), 0))
    return [
        Sold(
            day,
            model,
            leaf,
            key,
            "" if price == dearest[model, leaf] else "batch",
            quantity,
            amount,
        )
        for at in sorted(sums)
        for (day, model, leaf, price), (quantity, amount) in ((at, sums[at]),)
    ]


def seeded(
    home: Path,
    count: int,
    seed: int,
    kinds: Sequence[str] = (),
    key: str | None = None,
    hours: int = 0,
) -> Invoice:
    """An invoice with that many defects, each in a cell of its own."""
    dice = random.Random(seed)
    lines = dict(enumerate(invoice(home, key, hours)))
    names = list(kinds or DEFECTS)
    expected: dict[tuple[str | None, ...], str] = {}
    used, made, extra = set[tuple[str | None, ...]](), 0, list[Sold]()
    crowded = _crowded(lines.values())
    while made < count:
        name = names[made % len(names)]
        at = dice.choice(sorted(lines))
        line = lines[at]
        touched = {line.place, *_neighbours(line)} if name == "midnight" else {line.place}
        if used & touched or (name == "batch" and line.place in crowded):
            continue
        found = DEFECTS[name](dice, _calls(home, hours), lines, at)
        if found is None:
            continue
        more, classes = found
        used |= touched | set(classes)
        extra += more
        expected |= classes
        made += 1
    every = [*lines.values(), *extra]
    dice.shuffle(every)
    return Invoice(every, expected)


def _crowded(lines: Iterable[Sold]) -> set[tuple[str | None, ...]]:
    """Places of models and leaves that have a line for each of two tiers."""
    seen: dict[tuple[str | None, ...], list[tuple[str | None, ...]]] = {}
    for line in lines:
        seen.setdefault(line.place[:-1], []).append(line.place)
    return {place for places in seen.values() if len(places) > 1 for place in places}


def _neighbours(line: Sold) -> Iterable[tuple[str | None, ...]]:
    day = datetime.fromisoformat(line.day)
    for by in (-1, 1):
        yield line._replace(day=(day + timedelta(days=by)).date().isoformat()).place


def _wrong_price(dice: random.Random, calls: list[_Call], lines: dict[int, Sold], at: int) -> Any:
    line = lines[at]
    lines[at] = line._replace(amount=line.amount * dice.choice((80, 110, 120, 150, 200)) // 100)
    return [], {line.place: "rate"}


def _missing_calls(dice: random.Random, calls: list[_Call], lines: dict[int, Sold], at: int) -> Any:
    line = lines[at]
    assert line.quantity
    more = dice.randrange(1, line.quantity)
    lines[at] = line._replace(
        quantity=line.quantity + more, amount=line.amount + more * line.amount // line.quantity
    )
    return [], {line.place: "volume"}


def _not_billed(dice: random.Random, calls: list[_Call], lines: dict[int, Sold], at: int) -> Any:
    line = lines.pop(at)
    return [], {line._replace(key=None).place: "volume"}


def _foreign_key(dice: random.Random, calls: list[_Call], lines: dict[int, Sold], at: int) -> Any:
    line = lines[at]
    assert line.quantity
    price, many = line.amount // line.quantity, dice.randrange(500, 50_000)
    stranger = line._replace(key="key-nobody-knows", quantity=many, amount=many * price)
    return [stranger], {stranger.place: "coverage"}


def _midnight(dice: random.Random, calls: list[_Call], lines: dict[int, Sold], at: int) -> Any:
    line = lines[at]
    neighbours = {*_neighbours(line)}
    after = [
        n
        for n, one in lines.items()
        if one.day > line.day and one.place in neighbours and one.tier == line.tier
    ]
    late = [
        call
        for call in calls
        if (call.day, call.model, call.leaf) == (line.day, line.model, line.leaf)
        and _DAY_US - call.at_us % _DAY_US <= _HALF_HOUR_US
        and call.amount * (line.quantity or 0) == line.amount * call.quantity
    ]
    if len(after) != 1 or not late:
        return None
    other, moved = lines[after[0]], late[-1]
    assert line.quantity is not None and other.quantity is not None
    lines[at] = line._replace(
        quantity=line.quantity - moved.quantity, amount=line.amount - moved.amount
    )
    lines[after[0]] = other._replace(
        quantity=other.quantity + moved.quantity, amount=other.amount + moved.amount
    )
    return [], {line.place: "timing", other.place: "timing"}


def _discount(dice: random.Random, calls: list[_Call], lines: dict[int, Sold], at: int) -> Any:
    line = lines[at]
    lines[at] = line._replace(list_amount=line.amount, amount=line.amount * 9 // 10)
    return [], {line.place: "discount"}


def _extra(kind: str) -> Any:
    def add(dice: random.Random, calls: list[_Call], lines: dict[int, Sold], at: int) -> Any:
        line = lines[at]
        amount = dice.randrange(1, 10**16)
        sign = 1 if kind == "tax" else -1
        more = Sold(line.day, None, None, line.key, "", None, sign * amount, kind)
        return [more], {more.place: kind}

    return add


def _rounding(dice: random.Random, calls: list[_Call], lines: dict[int, Sold], at: int) -> Any:
    line = lines[at]
    rounded = round(line.amount, -14)
    if rounded == line.amount or not rounded:
        return None
    lines[at] = line._replace(amount=rounded)
    return [], {line.place: "rounding"}


def _cached_dearer(dice: random.Random, calls: list[_Call], lines: dict[int, Sold], at: int) -> Any:
    line = lines[at]
    if line.leaf != "cache_read":
        return None
    lines[at] = line._replace(amount=line.amount * 2)
    return [], {line.place: "rate"}


def _batch_at_full_price(
    dice: random.Random, calls: list[_Call], lines: dict[int, Sold], at: int
) -> Any:
    line = lines[at]
    if line.tier == "batch":
        return None
    lines[at] = line._replace(amount=line.amount // 2, tier="batch")
    return [], {lines[at].place: "rate"}


DEFECTS: Final[Mapping[str, Any]] = {
    "wrong price": _wrong_price,
    "missing calls": _missing_calls,
    "not billed": _not_billed,
    "foreign key": _foreign_key,
    "midnight": _midnight,
    "discount": _discount,
    "discount line": _extra("discount"),
    "credit": _extra("credit"),
    "tax": _extra("tax"),
    "rounding": _rounding,
    "cached dearer": _cached_dearer,
    "batch": _batch_at_full_price,
}


_HEAD: Final = ("day", "model", "token_type", "key", "tier", "kind")


def as_csv(path: Path, lines: Iterable[Sold]) -> Path:
    """As the plain CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*_HEAD, "quantity", "amount", "list_amount", "currency"])
        for line in lines:
            listed = "" if line.list_amount is None else format_money(line.list_amount)
            writer.writerow(
                [
                    *(line.day, line.model, line.leaf, line.key, line.tier, line.kind),
                    *(line.quantity, format_money(line.amount), listed, "USD"),
                ]
            )
    return path


_OPENAI: Final = {"input": "input", "cache_read": "cached input", "output": "output"}


def as_openai(path: Path, lines: Iterable[Sold]) -> Path:
    """As pages of OpenAI's costs."""
    buckets: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        item = line.kind.title()
        if line.model is not None:
            tier = f"{line.tier} " if line.tier else ""
            item = f"{line.model}, {tier}{_OPENAI[str(line.leaf)]}"
        result = {
            "object": "organization.costs.result",
            "amount": {"value": f"@{format_money(line.amount)}@", "currency": "usd"},
            "line_item": item,
            "project_id": line.key,
            "quantity": line.quantity,
            "quantity_unit": "tokens" if line.quantity is not None else None,
        }
        buckets.setdefault(line.day, []).append(result)
    data = [
        {"object": "bucket", "start_time": start, "end_time": start + 86_400, "results": results}
        for day, results in sorted(buckets.items())
        for start in (int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()),)
    ]
    page = {"object": "page", "data": data, "has_more": False, "next_page": None}
    text = json.dumps(page, indent=1).replace('"@', "").replace('@"', "")
    path.write_text(text, encoding="utf-8")
    return path
