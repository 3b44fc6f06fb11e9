"""What entries come to: for each tenant and period, by product. Pure sums; whoever reads the entries in another order
gets the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Final, NamedTuple

from otel_genai_cost.ledger.entry import Entry, tokens_of
from otel_genai_cost.ledger.tenants.directory import Directory, Piece
from otel_genai_cost.ledger.tenants.row import plan_of
from otel_genai_cost.pricing.cost import Line
from otel_genai_cost.statements.periods import Calendar, Period, Zones
from otel_genai_cost.statements.statement import Scope, Whose, is_of
from otel_genai_cost.usage.leaves import INPUT_LEAVES, OUTPUT_LEAVES

__all__ = [
    "Gathering",
    "Item",
    "ItemSums",
    "Series",
    "Sums",
    "gather",
    "series_of_entry",
    "unit_of",
]

_SYSTEM: Final = "system"
_TOKENS: Final = frozenset((*INPUT_LEAVES, *OUTPUT_LEAVES, "citation"))
_UNITS: Final = {"web_searches": "searches", "media_ms": "milliseconds"}
_BASE: Final = frozenset(("list", "provider", "share"))


class Series(NamedTuple):
    """What a statement and its revisions are about.

    Attributes:
        whose: of `Whose`.
        tenant: None where no tenant is.
        calendar: which periods.
        period: the one.
        scope: what calls are split by; None for all of them.
        scope_value: of the scope.
        currency: of the price.
        cost_currency: of the cost.
    """

    whose: Whose
    tenant: str | None
    calendar: Calendar
    period: Period
    scope: Scope | None
    scope_value: str | None
    currency: str
    cost_currency: str


class Item(NamedTuple):
    """What a line is about; of what no leaf explains, `leaf` is None."""

    provider: str | None
    model: str | None
    leaf: str | None

    @property
    def product(self) -> str:
        """As people read it."""
        model = self.model or "unknown model"
        what = model if self.provider is None else f"{self.provider}/{model}"
        return f"{what} {self.leaf or 'other'}"


class ItemSums:
    """Of one item: the quantity in units of its leaf, and price and cost in atto."""

    __slots__ = ("cost", "price", "quantity")

    def __init__(self) -> None:
        self.quantity = self.price = self.cost = 0


class Sums:
    """Of one series: by item, charges, and why entries were posted after what was stated.

    Attributes:
        price, cost: atto, exact.
        calls, unpriced: charges.
        tokens: in and out.
        burnt: what of the price credit paid, atto.
        seq_to: of the last entry.
        items: by what was used.
        causes: of the entries after `since`.
    """

    def __init__(self, since: int) -> None:
        self._since = since
        self.price = self.cost = self.calls = self.unpriced = self.seq_to = 0
        self.tokens = self.burnt = 0
        self.items: dict[Item, ItemSums] = {}
        self.causes: Counter[str] = Counter()

    def add(self, entry: Entry) -> None:
        """Count an entry in."""
        price = entry.price
        self.price += price
        self.cost += entry.amount
        self.calls += entry.calls
        self.unpriced += entry.unpriced
        self.seq_to = max(self.seq_to, entry.seq)
        self.tokens += sum(tokens_of(entry))
        if entry.seq > self._since:
            self.causes[entry.cause] += 1
        for line in entry.lines:
            is_priced = entry.billed_in is None or line.side == "price"
            sums = self._item(entry, line.leaf)
            sums.price += line.amount if is_priced else 0
            sums.cost += line.amount if line.side == "cost" else 0
            price -= line.amount if is_priced else 0
        for leaf, quantity in _quantities(entry).items():
            self._item(entry, leaf).quantity += quantity
        self._add_rest(entry, price)

    def _add_rest(self, entry: Entry, price: int) -> None:
        """What an entry comes to beside its lines."""
        cost = entry.amount - sum(line.amount for line in entry.lines if line.side == "cost")
        if price or cost:
            sums = self._item(entry, None)
            sums.price += price
            sums.cost += cost

    def _item(self, entry: Entry, leaf: str | None) -> ItemSums:
        item = Item(entry.provider, entry.model, leaf)
        found = self.items.get(item)
        if found is None:
            found = self.items[item] = ItemSums()
        return found


def _quantities(entry: Entry) -> Mapping[str, int]:
    """How much of each leaf that has a line: lines of discounts and mark-ups are of the same units once more."""
    found: dict[str, int] = {}
    for line in entry.lines:
        if line.leaf not in found and (line.leaf in entry.usage or _is_base(line)):
            found[line.leaf] = entry.usage.get(line.leaf, line.quantity)
    return found


def _is_base(line: Line) -> bool:
    return line.side == "cost" and line.kind in _BASE


def unit_of(leaf: str | None) -> str:
    """What a leaf is counted in.

    Args:
        leaf: None for what none explains.
    """
    if leaf in _TOKENS:
        return "tokens"
    return _UNITS.get(leaf or "", leaf or "adjustments")


class Gathering(NamedTuple):
    """What is asked of entries.

    Attributes:
        directory: who the tenants are.
        zones: and in which zone.
        calendar: which periods.
        first_days: of which periods; None for all.
        scope: what calls are split by.
        tenants: whom, by id, or `unattributed` and `system`; empty for everybody.
        burns: what credit paid of entries, in atto, by their seq and the currency.
    """

    directory: Directory
    zones: Zones
    calendar: Calendar
    first_days: frozenset[date] | None = None
    scope: Scope | None = None
    tenants: frozenset[str] = frozenset()
    burns: Mapping[tuple[int, str], int] = {}


def gather(
    entries: Iterable[Entry], asked: Gathering, stated_to: Callable[[Series], int]
) -> dict[Series, Sums]:
    """What entries come to, for each series that has any.

    Args:
        entries: in any order, each once.
        asked: which of them count.
        stated_to: up to which entry a series was stated before; 0 if it was not.
    """
    found: dict[Series, Sums] = {}
    for entry in entries:
        series = series_of_entry(entry, asked)
        if not _is_asked(series, asked):
            continue
        sums = found.get(series)
        if sums is None:
            sums = found[series] = Sums(stated_to(series))
        sums.add(entry)
        sums.burnt += asked.burns.get((entry.seq, series.currency), 0)
    return found


def _is_asked(series: Series, asked: Gathering) -> bool:
    if not is_of(series.tenant, series.whose, asked.tenants):
        return False
    return asked.first_days is None or series.period.first_day in asked.first_days


def series_of_entry(entry: Entry, asked: Gathering) -> Series:
    """What an entry counts for.

    Args:
        entry: of a call, which is in the period in which it ended.
        asked: whose calendar, registry and scope.
    """
    attribution = entry.attribution
    piece = asked.directory.at(attribution.tenant, entry.occurred_us)
    tenant = attribution.tenant if piece is None else piece.row.tenant
    return Series(
        whose=_whose(tenant, attribution.absent),
        tenant=tenant,
        calendar=asked.calendar,
        period=asked.zones.period(tenant, asked.calendar, entry.occurred_us),
        scope=asked.scope,
        scope_value=None if asked.scope is None else _scope_value(asked.scope, entry, piece),
        currency=entry.price_currency,
        cost_currency=entry.currency,
    )


def _whose(tenant: str | None, absent: str | None) -> Whose:
    if tenant is not None:
        return "tenant"
    return "system" if absent == _SYSTEM else "unattributed"


def _scope_value(scope: Scope, entry: Entry, piece: Piece | None) -> str | None:
    """The feature of a call; its team, else the owner of its tenant; its plan as margin has it."""
    own = entry.attribution.labels.get(scope)
    words: Mapping[str, str] = {} if piece is None else piece.row.words
    if scope == "plan":
        return plan_of(words.get("plan"), own)
    return words.get("owner") if own is None and scope == "team" else own
