"""Every defect of a contracts document: what is wrong, on which line, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise, product
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.errors import Problem
from otel_genai_cost.ledger.contracts.contract import PARTS
from otel_genai_cost.limits.model_name import undated
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import money_in
from otel_genai_cost.pricing.shapes import CURRENCY, FLAG, INSTANT, TABLE, TEXT, Layout, Shape
from otel_genai_cost.pricing.tariff import CONDITIONS, FOREVER_US
from otel_genai_cost.tenancy.attribution import tenant_id_of
from otel_genai_cost.usage.leaves import COUNT_LEAVES, INPUT_LEAVES, OUTPUT_LEAVES
from otel_genai_cost.vocabulary import SIDES

__all__ = ["check_contracts"]

_LEAVES: Final = frozenset((*INPUT_LEAVES, *OUTPUT_LEAVES, *COUNT_LEAVES))
_MULTIPLIER_MAX: Final = 100
_MATCH: Final = ("tenant", "provider", "model", "labels", "context")

Entry = Mapping[str, Any]


class _Row(NamedTuple):
    """An entry of a table, and where it stands."""

    entry: Entry
    file: str
    line: int

    def problem(self, what: str, remedy: str) -> Problem:
        """A problem of this entry."""
        return Problem(self.file, self.line, what, remedy)


def _is_order(value: object) -> bool:
    return type(value) is int and abs(value) < 1 << 31


def _is_amount(value: object) -> bool:
    amount = money_in(value)
    return amount is not None and amount >= 0


def _is_multiplier(value: object) -> bool:
    amount = money_in(value)
    if amount is None or not 0 <= amount <= _MULTIPLIER_MAX * 10**18:
        return False
    return amount % (10**18 // PARTS) == 0


def _is_side(value: object) -> bool:
    return value in SIDES


_ORDER: Final = Shape(_is_order, "write a whole number: contracts are applied from low to high")
_AMOUNT: Final = Shape(_is_amount, "write a decimal number, e.g. 0.9213")
_MULTIPLIER: Final = Shape(
    _is_multiplier,
    f"write a number of at most {_MULTIPLIER_MAX} and 9 decimals: 0.95 takes 5 % off, 1.2 adds 20 %",
)

_SIDE: Final = Shape(
    _is_side,
    'write "cost" for what a provider gives us, "price" for what a customer agreed with us',
)

_LAYOUT: Final = {
    "contracts": Layout(
        "contract",
        {"id": TEXT, "source": TEXT, "order": _ORDER, "from": INSTANT},
        {
            "to": INSTANT,
            "match": TABLE,
            "multiplier": _MULTIPLIER,
            "rates": TABLE,
            "currency": CURRENCY,
            "free": FLAG,
            "side": _SIDE,
        },
    ),
    "fx": Layout(
        "exchange rate",
        {"base": CURRENCY, "quote": CURRENCY, "rate": _AMOUNT, "from": INSTANT, "source": TEXT},
        {"to": INSTANT},
    ),
}


def check_contracts(
    document: Mapping[str, Sequence[Entry]], file: str, lines: Mapping[str, Sequence[int]]
) -> Iterator[Problem]:
    """Every problem of a document.

    Args:
        document: the entries of each table.
        file: the file's name, for the problems.
        lines: on which line each entry of a table stands, where that is known.
    """
    valid: dict[str, list[_Row]] = {kind: [] for kind in _LAYOUT}
    for kind in _LAYOUT:
        numbers = lines.get(kind, ())
        for at, entry in enumerate(document[kind]):
            row = _Row(entry, file, numbers[at] if at < len(numbers) else 0)
            defects = list(_defects(kind, entry))
            yield from (row.problem(*defect) for defect in defects)
            if not defects:
                valid[kind].append(row)
    yield from _ids(valid["contracts"])
    yield from _orders(valid["contracts"])
    yield from _exchange_rates(valid["fx"])


_Defects = Iterator[tuple[str, str]]
"""What is wrong, and what to do."""


def _defects(kind: str, entry: Entry) -> _Defects:
    """Of an entry by itself; what it says is looked at only where its fields are right."""
    wrong = list(_LAYOUT[kind].defects(entry))
    yield from wrong
    if not wrong and kind == "contracts":
        yield from _terms(entry)
        yield from _match(entry.get("match", {}))


def _terms(entry: Entry) -> _Defects:
    """A contract says one thing."""
    if "multiplier" in entry and "rates" in entry:
        yield "both a multiplier and rates", "write two contracts, each with its order"
    if not entry.keys() & {"multiplier", "rates", "currency"}:
        yield "neither multiplier, rates nor currency", "say what was agreed"
    if "rates" in entry and "currency" not in entry:
        yield "rates without a currency", 'write currency = "USD"'
    for leaf, amount in entry.get("rates", {}).items():
        if leaf not in _LEAVES:
            yield f"unknown leaf {leaf!r} in rates", f"known: {', '.join(sorted(_LEAVES))}"
        elif not _is_amount(amount):
            yield f"{leaf} is {str(amount)[:80]!r}", "write a decimal number, e.g. 2.50"
    amounts = [entry.get("multiplier"), *entry.get("rates", {}).values()]
    if any(money_in(amount) == 0 for amount in amounts) and not entry.get("free"):
        yield "a price of zero", "write free = true if the customer pays nothing for it"


def _match(match: Entry) -> _Defects:
    for key in match.keys() - set(_MATCH):
        yield f"unknown key {key!r} in match", f"known: {', '.join(_MATCH)}"
    for key in ("tenant", "provider", "model"):
        if key in match and not _is_words(match[key]):
            yield f"{key} is {str(match[key])[:80]!r}", "write a string or a list of strings"
    for tenant in _words(match.get("tenant", ())):
        if tenant_id_of(tenant) is None:
            yield f"{tenant!r} is no tenant id", "write the id as it stands on the spans"
    for key in ("labels", "context"):
        if not isinstance(match.get(key, {}), dict):
            yield f"{key} is no table", f"write {key} = {{ … }}"
        elif key == "context":
            yield from _context(match.get(key, {}))
        elif not all(TEXT.fits(label) for label in match.get(key, {}).values()):
            yield "a label that is no string", 'write labels = { feature = "search" }'


def _context(context: Entry) -> _Defects:
    for key, value in context.items():
        if key not in CONDITIONS:
            yield f"unknown key {key!r} in context", f"known: {', '.join(CONDITIONS)}"
        elif (value is not True) if key == "batch" else not TEXT.fits(value):
            yield f"{key} is {str(value)[:80]!r}", "write batch = true, or a string"


def _is_words(value: object) -> bool:
    if isinstance(value, list):
        words = cast("list[object]", value)
        return len(words) > 0 and all(map(TEXT.fits, words))
    return TEXT.fits(value)


def _words(value: object) -> list[str]:
    if not _is_words(value):
        return []
    return cast("list[str]", value) if isinstance(value, list) else [cast("str", value)]


def _ids(contracts: Iterable[_Row]) -> Iterator[Problem]:
    seen: set[str] = set()
    for row in contracts:
        one = row.entry["id"]
        if one in seen:
            yield row.problem(f"contract {one!r} stands twice", "give each an id of its own")
        seen.add(one)


def _orders(contracts: Iterable[_Row]) -> Iterator[Problem]:
    """Two contracts of one order that can meet in a call would be applied in an order nobody stated."""
    seen: set[tuple[str, str]] = set()
    for one, two in _of_one_order(contracts):
        names = (one.entry["id"], two.entry["id"])
        if names not in seen and names[0] != names[1] and _may_meet(one.entry, two.entry):
            seen.add(names)
            yield two.problem(
                f"{names[1]!r} has the order {two.entry['order']} of {names[0]!r}, and both may hold for one call",
                "give them different orders",
            )


def _of_one_order(contracts: Iterable[_Row]) -> Iterator[tuple[_Row, _Row]]:
    """Pairs of one order that may be of one tenant: both name it, or one names none."""
    grouped: dict[tuple[int, str | None], list[_Row]] = {}
    for row in contracts:
        tenants: list[str | None] = [*_words(row.entry.get("match", {}).get("tenant", ()))]
        for tenant in tenants or [None]:
            grouped.setdefault((row.entry["order"], tenant), []).append(row)
    for (order, tenant), members in grouped.items():
        yield from combinations(members, 2)
        if tenant is not None:
            yield from product(grouped.get((order, None), ()), members)


def _may_meet(one: Entry, two: Entry) -> bool:
    starts = max(microseconds(one["from"]), microseconds(two["from"]))
    if starts >= min(_end(one), _end(two)) or _side(one) != _side(two):
        return False
    mine, theirs = one.get("match", {}), two.get("match", {})
    for key in ("provider", "model"):
        sets = [
            {word.casefold() for word in _words(match.get(key, ()))} for match in (mine, theirs)
        ]
        if all(sets) and not _share_a_call(*sets):
            return False
    return not any(
        _compared(kind, mine.get(kind, {}).get(key, value)) != _compared(kind, value)
        for kind in ("labels", "context")
        for key, value in theirs.get(kind, {}).items()
    )


def _share_a_call(ones: set[str], others: set[str]) -> bool:
    """Whether a call may have a name of each: an equal one, or who is asked for without a release, and answers with
    one. Two releases are two models."""
    ones, others = ({name.removesuffix("-latest") for name in names} for names in (ones, others))
    return bool(ones & (others | set(map(undated, others))) or others & set(map(undated, ones)))


def _compared(kind: str, value: object) -> object:
    """What a call's value is compared with: that of a condition in any case."""
    return value.casefold() if kind == "context" and isinstance(value, str) else value


def _side(entry: Entry) -> str:
    """Those of the cost are applied before those of the price, whatever their order."""
    return str(entry.get("side", "cost"))


def _end(entry: Entry) -> int:
    return microseconds(entry["to"]) if "to" in entry else FOREVER_US


def _exchange_rates(rows: Iterable[_Row]) -> Iterator[Problem]:
    grouped: dict[tuple[str, str], list[_Row]] = {}
    for row in rows:
        base, quote = row.entry["base"], row.entry["quote"]
        grouped.setdefault((base, quote), []).append(row)
        if money_in(row.entry["rate"]) == 0 or base == quote:
            yield row.problem("an exchange rate of nothing", "write how much `quote` one `base` is")
    for (base, quote), members in grouped.items():
        ordered = sorted(members, key=lambda member: microseconds(member.entry["from"]))
        for earlier, later in pairwise(ordered):
            from_text = later.entry["from"]
            if _end(earlier.entry) > microseconds(from_text):
                yield later.problem(
                    f"{base}/{quote} from {from_text} overlaps the row from {earlier.entry['from']}",
                    "end the earlier row where this one begins",
                )
