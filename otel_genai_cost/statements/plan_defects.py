"""Every defect of one plan, as it was written: what is wrong, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from otel_genai_cost.limits.currency import CREDITS, is_currency
from otel_genai_cost.pricing.money import ATTO, money_in, parse_money
from otel_genai_cost.pricing.shapes import INSTANT, TEXT, Layout, Shape
from otel_genai_cost.pricing.toml_text import is_list_of_tables
from otel_genai_cost.statements.plans import PLAN_KINDS
from otel_genai_cost.statements.tiers import MEASURES, MODES
from otel_genai_cost.tenancy.attribution import tenant_id_of

__all__ = ["P95", "Written", "plan_defects", "quantity_of"]

P95: Final = "p95"
"""A rule of fair use."""

_AMOUNT_LIMIT: Final = 10**15 * ATTO
_MARKUP_LIMIT: Final = 1_000 * ATTO
_COUNT_LIMIT: Final = 10**15
_FEES: Final = ("seat", "flat")
_OWN_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "usage": ("markup", "minimum", "tiers"),
    "credit": ("markup", "minimum", "tiers"),
    "seat": ("fee", "seats", "allowance", "overage", "fair_use"),
    "flat": ("fee", "allowance", "overage", "fair_use"),
}
"""Keys that only some kinds of plan have."""

_Defects = Iterator[tuple[str, str]]
Written = Mapping[str, Any]


def _between(low: int, high: int) -> Callable[[object], bool]:
    """Whether a value is an amount from `low` to below `high`, in units of 1e-18."""

    def fits(value: object) -> bool:
        found = None if isinstance(value, bool) else money_in(value)
        return found is not None and low <= found < high

    return fits


def _is_count(value: object) -> bool:
    return type(value) is int and 0 < value < _COUNT_LIMIT


def _is_number_of_seats(value: object) -> bool:
    return type(value) is int and 0 <= value < _COUNT_LIMIT


def _are_tenants(value: object) -> bool:
    return isinstance(value, list) and all(
        tenant_id_of(one) is not None for one in cast("list[object]", value)
    )


def _is_tenant(value: object) -> bool:
    return tenant_id_of(value) is not None


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _are_tables(value: object) -> bool:
    return is_list_of_tables(value) and bool(value)


def _one_of(words: tuple[str, ...]) -> tuple[Callable[[object], bool], str]:
    return lambda value: value in words, f"write {', '.join(words)}"


def _is_fair_use(value: object) -> bool:
    return value == P95 or _between(1, 10 * ATTO)(value)


_AMOUNT: Final = Shape(
    _between(0, _AMOUNT_LIMIT), "write a decimal number of 0 or more and below 10^15, to 18 places"
)
_MARKUP: Final = Shape(
    _between(-ATTO, _MARKUP_LIMIT), 'write a share, "0.25" for 25 % more, of -1 or more'
)
_COUNT: Final = Shape(_is_count, "write a whole number above 0")
_FLAG: Final = Shape(_is_flag, "write true or false")
_TENANT: Final = Shape(_is_tenant, "write 1 to 128 of A-Za-z0-9._~:/@|-")

_PLAN: Final = Layout(
    "plan",
    {
        "id": TEXT,
        "kind": Shape(*_one_of(PLAN_KINDS)),
        "currency": Shape(is_currency, f'write an ISO 4217 code, "USD", or "{CREDITS}"'),
        "from": INSTANT,
    },
    {
        "to": INSTANT,
        "tenants": Shape(_are_tenants, "write a list of tenants' ids"),
        "markup": _MARKUP,
        "minimum": _AMOUNT,
        "tiers": Shape(_is_table, "write { mode = …, of = …, steps = [ … ] }"),
        "fee": _AMOUNT,
        "seats": Shape(_are_tables, 'write [{ tenant = "…", seats = 12, from = … }]'),
        "allowance": Shape(_is_table, "write { money = … }, { tokens = … } or { calls = … }"),
        "overage": Shape(_is_table, "write { markup = … }, or { price = …, per = … }"),
        "fair_use": Shape(_is_fair_use, f'write "{P95}", or a share of what is paid, "0.3"'),
    },
)
_TIERS: Final = Layout(
    "tiers",
    {
        "mode": Shape(*_one_of(MODES)),
        "of": Shape(*_one_of(MEASURES)),
        "steps": Shape(_are_tables, "write a list of { up_to = …, price = … }"),
    },
    {},
)
_SEATS: Final = Layout(
    "count of seats",
    {
        "tenant": _TENANT,
        "seats": Shape(_is_number_of_seats, "write a whole number of 0 or more"),
        "from": INSTANT,
    },
    {"to": INSTANT},
)
_ALLOWANCE: Final = Layout(
    "allowance", {}, {"money": _AMOUNT, "tokens": _COUNT, "calls": _COUNT, "per_seat": _FLAG}
)
_OVERAGE: Final = {
    True: Layout("overage of money", {}, {"markup": _MARKUP}),
    False: Layout("overage", {"price": _AMOUNT}, {"per": _COUNT}),
}
_STEP: Final = {
    True: Layout("step of money", {"markup": _MARKUP}, {"up_to": _AMOUNT, "fee": _AMOUNT}),
    False: Layout("step", {"price": _AMOUNT}, {"per": _COUNT, "up_to": _COUNT, "fee": _AMOUNT}),
}


def plan_defects(fields: Written) -> _Defects:
    """What is wrong with a plan.

    Args:
        fields: as they stand in the file, with instants and decimals as text.
    """
    wrong = list(_PLAN.defects(fields))
    yield from wrong
    if wrong:
        return
    kind = fields["kind"]
    known = _OWN_KEYS[kind]
    every = {key for keys in _OWN_KEYS.values() for key in keys}
    for key in sorted(fields.keys() & every - set(known)):
        yield f"{key} in a plan of kind {kind!r}", f"such a plan has {', '.join(known)}"
    if kind in _FEES and "fee" not in fields:
        yield f"a plan of kind {kind!r} without 'fee'", "add what a period costs"
    if "tiers" in fields:
        yield from _tier_defects(fields["tiers"])
        if "markup" in fields:
            yield "markup beside tiers", "write it into steps of money, or leave the tiers out"
    for one in fields.get("seats", ()):
        yield from _SEATS.defects(one)
    yield from _allowance_defects(fields)


def _tier_defects(tiers: Written) -> _Defects:
    wrong = list(_TIERS.defects(tiers))
    yield from wrong
    if wrong:
        return
    is_money, steps = tiers["of"] == "money", tiers["steps"]
    wrong = [defect for step in steps for defect in _STEP[is_money].defects(step)]
    yield from wrong
    if wrong:
        return
    ends = [quantity_of(step.get("up_to"), is_money) for step in steps]
    if ends[-1] is not None or None in ends[:-1]:
        yield "not only the last step of tiers is without up_to", "leave it out there, only"
    known = [end for end in ends if end is not None]
    if sorted(set(known)) != known:
        yield "steps of tiers are not in ascending order", "order them by up_to"


def quantity_of(value: object, is_money: bool) -> int | None:
    """Up to where a step goes.

    Args:
        value: as it was written; None for no end.
        is_money: whether that is an amount.
    """
    return None if value is None else parse_money(value) if is_money else int(str(value))


def _allowance_defects(fields: Written) -> _Defects:
    allowance, overage = fields.get("allowance"), fields.get("overage")
    if allowance is None:
        if overage is not None:
            yield "overage without an allowance", "add what is included"
        return
    yield from _ALLOWANCE.defects(allowance)
    named = [of for of in MEASURES if of in allowance]
    if len(named) != 1:
        yield (
            f"an allowance of {', '.join(named) or 'nothing'}",
            f"name one of {', '.join(MEASURES)}",
        )
    if allowance.get("per_seat") and fields["kind"] != "seat":
        yield "an allowance per seat in a plan without seats", "leave per_seat out"
    if overage is not None:
        yield from _OVERAGE[named == ["money"]].defects(overage)
