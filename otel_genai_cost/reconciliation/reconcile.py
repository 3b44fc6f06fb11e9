"""A provider's bill beside the ledger: every cell of either side, and why they differ. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from fractions import Fraction
from typing import Any, Final, NamedTuple

from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reconciliation.allocation import allocate, foreign_keys, is_at
from otel_genai_cost.reconciliation.bill import Billed, Cell
from otel_genai_cost.reconciliation.names import Words
from otel_genai_cost.reconciliation.ours import Ours, day_and_edge
from otel_genai_cost.reconciliation.pair import NOTHING, Booked, Pair, added, with_unrated
from otel_genai_cost.reconciliation.split import Split, split
from otel_genai_cost.reconciliation.timing import CallsAround, shifted

__all__ = ["Question", "Reconciled", "reconcile", "record", "summary"]

_CENT: Final = 10**16
_SHARE_PLACES: Final = 6

_Place = tuple[str, str | None, str | None, str]
"""Day, model, leaf and currency."""

_Price = tuple[str | None, str | None, str | None]
"""Model, leaf and what a unit costs."""

_Key = str | None


class Question(NamedTuple):
    """What is compared.

    Attributes:
        billed: the bill's cells.
        ours: what the ledger has of the bill's days.
        zone: whose days the bill's are.
        words: of the bill.
        calls_around: says which calls of ours there were around midnight.
        from_day, to_day: the first and the last day of the bill.
        knows_keys: whether the keys of ours are the bill's.
        without_rate: currencies of the bill that the books do not have, and that nothing converts.
    """

    billed: Mapping[Cell, Billed]
    ours: Sequence[Ours]
    zone: tzinfo
    words: Words
    calls_around: CallsAround
    from_day: str
    to_day: str
    knows_keys: bool = False
    without_rate: frozenset[str] = frozenset()


class Reconciled(NamedTuple):
    """A cell of both sides, and why they differ."""

    pair: Pair
    split: Split


def reconcile(question: Question) -> list[Reconciled]:
    """Every cell of either side, by day, model, leaf, key and tier.

    Args:
        question: what is compared.
    """
    pairs = {pair.cell: pair for pair in _pairs(question)}
    shifted(pairs, question.calls_around, question.from_day, question.to_day)
    is_coarse = _is_coarse(question.billed.values())
    return [
        Reconciled(pairs[cell], split(pairs[cell], is_coarse)) for cell in sorted(pairs, key=_order)
    ]


def _order(cell: Cell) -> tuple[Any, ...]:
    is_extra = cell.kind != "usage"
    said = (cell.model, cell.token_type, cell.key, cell.tier)
    return cell.day, is_extra, *((one is None, one or "") for one in said), cell.what, cell.kind


def _is_coarse(billed: Iterable[Billed]) -> bool:
    """Whether all of a bill is printed in hundredths."""
    return all(one.slack >= _CENT for one in billed if one.amount is not None)


class _Books:
    """What the ledger has, by group, key and price, in the bill's words."""

    def __init__(self, question: Question) -> None:
        self.groups: dict[_Place, dict[_Key, dict[str | None, Booked]]] = {}
        self.keys = set[_Key]()
        self._rates: dict[tuple[str | None, str | None, str], list[int]] = defaultdict(
            lambda: [0, 0]
        )
        days: dict[int, tuple[str, str]] = {}
        for one in question.ours:
            if one.slot not in days:
                days[one.slot] = day_and_edge(one.slot, question.zone)
            day, edge = days[one.slot]
            if question.from_day <= day <= question.to_day:
                self._add(one, day, edge, question.words)

    def _add(self, one: Ours, day: str, edge: str, words: Words) -> None:
        model = words.model(one.model)
        leaf = words.leaf(model, one.leaf)
        quantity = 0 if leaf is None else one.quantity
        unrated = quantity if one.price is None and not one.amount else 0
        quantity -= unrated
        booked = Booked(
            quantity,
            one.amount,
            one.list_amount,
            quantity if edge == "early" else 0,
            quantity if edge == "late" else 0,
            unrated,
        )
        prices = self.groups.setdefault((day, model, leaf, one.currency), {}).setdefault(
            one.key, {}
        )
        prices[one.price] = added(prices.get(one.price, NOTHING), booked)
        self.keys.add(one.key)
        sums = self._rates[model, leaf, one.currency]
        sums[0] += one.amount
        sums[1] += quantity

    def usual(self, cell: Cell) -> Fraction | None:
        """What a unit costs by our books."""
        amount, quantity = self._rates.get((cell.model, cell.token_type, cell.currency), (0, 0))
        return Fraction(amount, quantity) if quantity else None


class _Rules(NamedTuple):
    """What holds for a bill as a whole: keys that none of our calls is made with, whether we know keys at all, and the
    tier of each of our prices."""

    foreign: frozenset[str]
    knows_keys: bool
    tiers: Mapping[_Price, str]


def _pairs(question: Question) -> Iterator[Pair]:
    books = _Books(question)
    billed: dict[_Place, dict[Cell, Billed]] = {}
    for cell, one in question.billed.items():
        if cell.kind == "usage":
            place = (cell.day, cell.model, cell.token_type, cell.currency)
            billed.setdefault(place, {})[cell] = one
        else:
            yield Pair(cell, NOTHING, one)
    groups = [
        _Group(place, billed.get(place, {}), books.groups.get(place, {}))
        for place in dict.fromkeys((*billed, *books.groups))
    ]
    rules = _Rules(_foreign(question, groups, books), question.knows_keys, _tiers(groups))
    lost = _without_rate(question)
    for group in groups:
        is_comparable = group.place[:3] not in lost
        for pair in group.pairs(rules):
            pair = pair._replace(usual=books.usual(pair.cell), is_comparable=is_comparable)
            yield with_unrated(pair)


def _without_rate(question: Question) -> set[tuple[str, str | None, str | None]]:
    """Days, models and leaves that the bill has in a currency that nothing converts: ours of them are not missing."""
    return {
        (cell.day, cell.model, cell.token_type)
        for cell in question.billed
        if cell.currency in question.without_rate
    }


def _tiers(groups: Iterable[_Group]) -> dict[_Price, str]:
    """The tier that most lines at a price of ours are of."""
    seen: dict[_Price, Counter[str]] = {}
    for group in groups:
        for price, tier in group.tiers():
            seen.setdefault(price, Counter())[tier] += 1
    return {price: max(sorted(tiers), key=tiers.__getitem__) for price, tiers in seen.items()}


def _foreign(question: Question, groups: Sequence[_Group], books: _Books) -> frozenset[str]:
    if question.knows_keys:
        keys = {cell.key for group in groups for cell in group.cells if cell.key is not None}
        return frozenset(key for key in keys if key not in books.keys)
    return foreign_keys((_quantities(group.cells), group.have) for group in groups if group.cells)


def _quantities(cells: Mapping[Cell, Billed]) -> dict[_Key, Fraction]:
    found: dict[_Key, Fraction] = {}
    for cell, billed in cells.items():
        found[cell.key] = found.get(cell.key, Fraction(0)) + (billed.quantity or 0)
    return found


class _Group(NamedTuple):
    """A day's model and leaf, in a currency: what both sides have of it."""

    place: _Place
    cells: Mapping[Cell, Billed]
    ours: Mapping[_Key, Mapping[str | None, Booked]]

    def pairs(self, rules: _Rules) -> Iterator[Pair]:
        """Every cell of either side."""
        for key, theirs in self._by_key(rules).items():
            if key in rules.foreign:
                for cell, one in theirs.items():
                    yield Pair(cell, NOTHING, one, is_foreign=True)
                continue
            prices = self.ours.get(key, {}) if rules.knows_keys else self._all_prices()
            shares = allocate(theirs, prices, self._tiers(prices, rules))
            for cell, one in theirs.items():
                yield Pair(cell, shares.cells.get(cell, NOTHING), one)
            yield from self._unbilled(key, shares.unbilled, rules)
        yield from self._not_billed(rules)

    def _tiers(self, prices: Iterable[str | None], rules: _Rules) -> dict[str | None, str]:
        _, model, leaf, _ = self.place
        places = {price: (model, leaf, price) for price in prices}
        return {price: rules.tiers[at] for price, at in places.items() if at in rules.tiers}

    def _by_key(self, rules: _Rules) -> dict[_Key, dict[Cell, Billed]]:
        """The cells of each key; those of all together where the ledger does not tell them apart."""
        found: dict[_Key, dict[Cell, Billed]] = {}
        for cell, billed in self.cells.items():
            key = cell.key if rules.knows_keys or cell.key in rules.foreign else None
            found.setdefault(key, {})[cell] = billed
        return found

    def _all_prices(self) -> dict[str | None, Booked]:
        found: dict[str | None, Booked] = {}
        for prices in self.ours.values():
            for price, booked in prices.items():
                found[price] = added(found.get(price, NOTHING), booked)
        return found

    def _unbilled(
        self, key: _Key, prices: Mapping[str | None, Booked], rules: _Rules
    ) -> Iterator[Pair]:
        """What we have at prices that the bill has nothing of; what has no price is told elsewhere."""
        day, model, leaf, currency = self.place
        taken = set(self.cells)
        for price in sorted(prices, key=str):
            if (booked := prices[price]).amount or booked.quantity:
                tier = rules.tiers.get((model, leaf, price), "")
                cell = Cell(
                    day=day,
                    kind="usage",
                    model=model,
                    token_type=leaf,
                    key=key,
                    tier=tier,
                    currency=currency,
                )
                if cell in taken:
                    cell = cell._replace(tier=f"{price}")
                taken.add(cell)
                yield Pair(cell, booked, None)

    def _not_billed(self, rules: _Rules) -> Iterator[Pair]:
        """What we have of keys, or of a day, model and leaf, that the bill has nothing of."""
        billed = {cell.key for cell in self.cells if cell.key not in rules.foreign}
        if rules.knows_keys:
            for key, prices in self.ours.items():
                if key not in billed:
                    yield from self._unbilled(key, prices, rules)
        elif not billed:
            yield from self._unbilled(None, self._all_prices(), rules)

    @property
    def have(self) -> int:
        """How much we have that has a price."""
        return sum(booked.quantity for booked in self._all_prices().values())

    def tiers(self) -> Iterator[tuple[_Price, str]]:
        """Which tier the bill has at which of our prices."""
        _, model, leaf, _ = self.place
        for price, booked in self._all_prices().items():
            for cell, billed in self.cells.items():
                if is_at(billed, booked):
                    yield (model, leaf, price), cell.tier


def record(one: Reconciled) -> dict[str, Any]:
    """As JSON: what `genai-cost reconcile --json` prints of a cell."""
    cell, theirs = one.pair.cell, one.pair.theirs
    billed = None if theirs is None or theirs.is_worked_out else theirs.quantity
    return {
        "day": cell.day,
        "model": cell.model,
        "token_type": cell.token_type,
        "key": cell.key,
        "ours": {"quantity": one.pair.ours.quantity, "amount": format_money(one.pair.ours.amount)},
        "theirs": {
            "quantity": 0 if theirs is None else _quantity(billed),
            "amount": None if one.split.theirs is None else format_money(one.split.theirs),
        },
        "volume": format_money(one.split.volume),
        "rate": format_money(one.split.rate),
        "class": one.split.cls,
        "unexplained": format_money(one.split.unexplained),
        "parts": {cls: format_money(part) for cls, part in one.split.parts.items()},
        "tier": cell.tier or None,
        "kind": cell.kind,
        "what": cell.what or None,
        "currency": cell.currency,
        "unpriced": one.pair.ours.unrated,
        "final": theirs is not None and theirs.final,
    }


def _quantity(quantity: Fraction | None) -> int | str | None:
    if quantity is None or quantity.denominator == 1:
        return None if quantity is None else int(quantity)
    return format_money(round(quantity * 10**18))


def summary(found: Iterable[Reconciled]) -> list[dict[str, Any]]:
    """The sums, of each currency; they are never added up.

    `explained` and `unexplained` add up to the difference. The share is of what the bill says, and counts what is
    unexplained whatever its sign: errors that cancel are errors.

    Args:
        found: every cell.
    """
    sums: dict[str, list[int]] = {}
    for one in found:
        each = sums.setdefault(one.pair.cell.currency, [0, 0, 0, 0])
        unexplained = one.split.unexplained
        theirs = one.split.theirs or 0
        for n, more in enumerate((one.pair.ours.amount, theirs, unexplained, abs(unexplained))):
            each[n] += more
    return [_summary(currency, *sums[currency]) for currency in sorted(sums)]


def _summary(currency: str, ours: int, theirs: int, unexplained: int, off: int) -> dict[str, Any]:
    return {
        "ours": format_money(ours),
        "theirs": format_money(theirs),
        "explained": format_money(theirs - ours - unexplained),
        "unexplained": format_money(unexplained),
        "unexplained_share": _share(off, abs(theirs)),
        "currency": currency,
    }


def _share(part: int, whole: int) -> str | None:
    """Rounded up: nothing unexplained is shown as none."""
    if not whole:
        return None if part else "0"
    parts = -(-part * 10**_SHARE_PLACES // whole)
    return format_money(parts * 10 ** (18 - _SHARE_PLACES))
