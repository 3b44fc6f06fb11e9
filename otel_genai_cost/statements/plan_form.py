"""Reading plans from TOML: every defect in one go, with its line and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any, Final, cast

from otel_genai_cost.errors import PlansError, Problem
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import format_money, money_in, parse_money
from otel_genai_cost.pricing.resolve import NAME_LIMIT
from otel_genai_cost.pricing.written_tables import written_tables
from otel_genai_cost.statements.fair_use import FairUseRule
from otel_genai_cost.statements.plan_defects import P95, Written, plan_defects, quantity_of
from otel_genai_cost.statements.plans import (
    PLAN_KINDS,
    Allowance,
    Overage,
    Plan,
    PlanKind,
    SeatCount,
)
from otel_genai_cost.statements.tiers import MEASURES, MODES, Measure, Step, Tiers
from otel_genai_cost.vocabulary import word

__all__ = ["PLANS_SCHEMA", "load_plans", "plans_of"]

PLANS_SCHEMA: Final = "otel-genai-cost-plans/1"
"""What a file of plans says first."""


def load_plans(path: Path) -> list[Plan]:
    """The plans of a file of `[[plan]]` tables.

    Raises:
        ConfigurationError: if it cannot be read.
        PlansError: with every problem, if it is broken.
        FormatTooNewError: if it is written for a newer version.
    """
    written = written_tables(path, "plan", PlansError, PLANS_SCHEMA)
    found, problems = plans_of(written.entries, str(path), written.lines)
    if problems:
        raise PlansError(tuple(problems))
    return found


def plans_of(
    written: Sequence[Written], file: str = "plans", lines: Sequence[int] = ()
) -> tuple[list[Plan], list[Problem]]:
    """The plans that were written, and what is wrong with them.

    Args:
        written: the fields of each, as they stand in TOML.
        file: where they stand, for the problems.
        lines: on which line each stands, where that is known.

    Returns:
        Plans, of use only where there is no problem.
    """
    plans: list[tuple[Plan, int]] = []
    problems: list[Problem] = []
    for at, one in enumerate(written):
        fields, line = _texts(one), lines[at] if at < len(lines) else 0
        defects = list(plan_defects(fields))
        problems += [Problem(file, line, *defect) for defect in defects]
        if not defects:
            plans.append((_plan(fields), line))
    return [plan for plan, _ in plans], [*problems, *_overlaps(plans, file)]


def _texts(entry: Written) -> dict[str, Any]:
    return {key: _text(value) for key, value in entry.items()}


def _text(value: object) -> object:
    """Instants and decimals as text, at any depth."""
    if isinstance(value, dict):
        return _texts(cast("dict[str, Any]", value))
    if isinstance(value, list):
        return [_text(one) for one in cast("list[object]", value)]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        found = money_in(value)
        return str(value)[:NAME_LIMIT] if found is None else format_money(found)
    return value


def _overlaps(plans: Sequence[tuple[Plan, int]], file: str) -> Iterator[Problem]:
    """Two plans that a tenant could have at one time."""
    for (one, line), (other, later) in combinations(plans, 2):
        if not _meet(one.from_us, one.to_us, other.from_us, other.to_us):
            continue
        both = sorted(one.tenants & other.tenants)
        if both:
            what = f"{both[0]!r} has two plans at one time: {other.id!r}, and {one.id!r} on line {line}"
        elif one.id == other.id and not one.tenants and not other.tenants:
            what = f"the plan {one.id!r} stands twice at one time, also on line {line}"
        else:
            continue
        yield Problem(file, later, what, "end one of them where the other begins (to = …)")
    for plan, line in plans:
        for seats, others in combinations(plan.seats, 2):
            if seats.tenant == others.tenant and _meet(
                seats.from_us, seats.to_us, others.from_us, others.to_us
            ):
                what = f"{seats.tenant!r} has two counts of seats at one time in {plan.id!r}"
                yield Problem(file, line, what, "end one where the other begins (to = …)")


def _meet(from_us: int, to_us: int | None, other_from: int, other_to: int | None) -> bool:
    return (other_to is None or from_us < other_to) and (to_us is None or other_from < to_us)


def _plan(fields: Written) -> Plan:
    fair = fields.get("fair_use")
    share = None if fair in (None, P95) else parse_money(fair)
    return Plan(
        id=fields["id"],
        kind=_kind(fields["kind"]),
        currency=fields["currency"],
        from_us=microseconds(fields["from"]),
        to_us=microseconds(fields["to"]) if "to" in fields else None,
        tenants=frozenset(fields.get("tenants", ())),
        markup=parse_money(fields.get("markup", 0)),
        minimum=parse_money(fields.get("minimum", 0)),
        tiers=_tiers(fields["tiers"]) if "tiers" in fields else None,
        fee=parse_money(fields.get("fee", 0)),
        seats=tuple(map(_seat_count, fields.get("seats", ()))),
        allowance=_allowance(fields.get("allowance")),
        overage=_overage(fields.get("overage")),
        fair_use=None if fair is None else FairUseRule(share),
    )


def _kind(text: str) -> PlanKind:
    return word(text, PLAN_KINDS, "usage")


def _seat_count(fields: Written) -> SeatCount:
    to_us = microseconds(fields["to"]) if "to" in fields else None
    return SeatCount(fields["tenant"], fields["seats"], microseconds(fields["from"]), to_us)


def _allowance(fields: Written | None) -> Allowance | None:
    if fields is None:
        return None
    of: Measure = next(measure for measure in MEASURES if fields.get(measure) is not None)
    amount = parse_money(fields[of]) if of == "money" else fields[of]
    return Allowance(of, amount, bool(fields.get("per_seat")))


def _overage(fields: Written | None) -> Overage | None:
    if fields is None:
        return None
    return Overage(parse_money(fields.get("price", fields.get("markup", 0))), fields.get("per", 1))


def _tiers(fields: Written) -> Tiers:
    of: Measure = word(fields["of"], MEASURES, "tokens")
    steps = (
        Step(
            up_to=quantity_of(one.get("up_to"), of == "money"),
            price=parse_money(one.get("price", one.get("markup", 0))),
            per=one.get("per", 1),
            fee=parse_money(one.get("fee", 0)),
        )
        for one in fields["steps"]
    )
    return Tiers(word(fields["mode"], MODES, "graduated"), of, tuple(steps))
