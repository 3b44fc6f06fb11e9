"""From what somebody wrote to versions of budgets: every defect in one go, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import Problem
from otel_genai_cost.limits.budget import (
    BURST,
    Budget,
    Rung,
    UnknownPrice,
)
from otel_genai_cost.limits.budget_defects import Written, defects
from otel_genai_cost.pricing.instants import microseconds, midnight_us, rfc3339, zone_of
from otel_genai_cost.pricing.money import format_money, parse_money

__all__ = ["BUDGETS_SCHEMA", "THRESHOLDS", "budgets_of", "fields_of", "version_record"]

BUDGETS_SCHEMA: Final = "otel-genai-cost-budgets/1"
"""What a file of budgets says first."""

THRESHOLDS: Final = (80, 100)
"""Of a budget that names none."""


class _Draft(NamedTuple):
    """A version as it was written; where it stands; and whether it says from when it holds."""

    budget: Budget
    place: str
    line: int
    dated: bool

    def problem(self, what: str, remedy: str) -> Problem:
        """A problem of it."""
        return Problem(self.place, self.line, what, remedy)


def budgets_of(
    written: Sequence[Written],
    known: Mapping[str, Sequence[Budget]],
    now_us: int,
    file: str = "budgets",
    lines: Sequence[int] = (),
) -> tuple[list[Budget], list[Problem]]:
    """The versions that were written and are not recorded yet, and what is wrong with what was written.

    Args:
        written: the fields of each, as they stand in TOML or JSON; None counts as left out.
        known: every version that is recorded, by budget.
        now_us: the time of deciding, from which those hold that name none; unix microseconds.
        file: where they stand, for the problems.
        lines: on which line each stands, where that is known.

    Returns:
        Versions without numbers, of use only where there is no problem.
    """
    drafts: list[_Draft] = []
    problems: list[Problem] = []
    for at, one in enumerate(written):
        fields = _texts({key: value for key, value in one.items() if value is not None})
        line = lines[at] if at < len(lines) else 0
        place = file if line or len(written) == 1 else f"{file}, budget {at + 1}"
        wrong = list(defects(fields, now_us))
        problems += [Problem(place, line, *defect) for defect in wrong]
        if not wrong:
            drafts.append(_Draft(_budget(fields, now_us), place, line, "from" in fields))
    problems += _overlaps(drafts)
    fresh = [one for one in drafts if not _is_known(one, known, drafts)]
    problems += _beyond(fresh, known)
    return [one.budget for one in fresh], problems


def fields_of(budget: Budget) -> dict[str, Any]:
    """What somebody would write for a version that is as this one, but for when it holds."""
    rungs = [_rung_fields(one) for one in budget.ladder]
    unknown = budget.unknown_price
    fields: dict[str, Any] = {
        "id": budget.id,
        "scope": dict(budget.scope),
        "period": budget.period,
        "zone": budget.zone,
        "anchor": budget.anchor if budget.period == "anchored" else None,
        "side": budget.side,
        "currency": budget.currency,
        "soft": None if budget.soft is None else format_money(budget.soft),
        "hard": None if budget.hard is None else format_money(budget.hard),
        "thresholds": list(budget.thresholds),
        "ladder": rungs,
        "on_gate_down": budget.on_gate_down,
        "allowance": format_money(budget.allowance) if budget.on_gate_down == "open" else None,
        "unknown_price": unknown if isinstance(unknown, str) else format_money(unknown),
    }
    return {key: value for key, value in fields.items() if value is not None}


def _rung_fields(rung: Rung) -> dict[str, Any]:
    fields: dict[str, Any] = {"at": rung.at, "do": rung.do}
    if rung.models:
        fields["models"] = dict(rung.models)
    if rung.do == "pace":
        fields["burst"] = rung.burst
    return fields


def version_record(version: Budget) -> dict[str, Any]:
    """A version as JSON: what somebody would write for it, its number, and when it was recorded."""
    return {
        **fields_of(version),
        "version": version.version,
        "from": rfc3339(version.valid_from_us),
        "to": None if version.valid_to_us is None else rfc3339(version.valid_to_us),
        "recorded": rfc3339(version.recorded_at_us),
    }


def _texts(fields: Written) -> dict[str, Any]:
    """Instants as text: a date is when that day begins in the budget's zone."""
    found = dict(fields)
    for key in ("from", "to"):
        value = fields.get(key)
        if isinstance(value, datetime):
            found[key] = value.isoformat()
        elif isinstance(value, date) or (isinstance(value, str) and len(value) == 10):
            found[key] = _midnight(value, fields.get("zone", "UTC"))
    return found


def _midnight(day: date | str, zone: object) -> str:
    try:
        day = date.fromisoformat(day) if isinstance(day, str) else day
        return rfc3339(midnight_us(day, zone_of(str(zone))))
    except (ValueError, OverflowError):
        return str(day)  # which is no instant, and is said to be none


def _budget(fields: Written, now_us: int) -> Budget:
    """The version of fields without defects."""
    unknown: UnknownPrice = fields.get("unknown_price", "deny")
    scope = {key: value for key, value in fields.get("scope", {}).items() if key != "organisation"}
    return Budget(
        id=fields["id"],
        version=0,
        scope=tuple(sorted(scope.items())),
        period=fields["period"],
        zone=fields.get("zone", "UTC"),
        anchor=fields.get("anchor", 1),
        side=fields.get("side", "cost"),
        currency=fields["currency"],
        soft=_amount(fields, "soft"),
        hard=_amount(fields, "hard"),
        thresholds=tuple(sorted(fields.get("thresholds", THRESHOLDS))),
        ladder=tuple(sorted(map(_rung, fields.get("ladder", ())), key=lambda one: one.at)),
        on_gate_down=fields.get("on_gate_down", "closed"),
        allowance=_amount(fields, "allowance") or 0,
        unknown_price=unknown if unknown in ("deny", "allow") else parse_money(unknown),
        valid_from_us=microseconds(fields["from"]) if "from" in fields else now_us,
        valid_to_us=microseconds(fields["to"]) if "to" in fields else None,
        recorded_at_us=now_us,
    )


def _amount(fields: Written, key: str) -> int | None:
    return parse_money(fields[key]) if key in fields else None


def _rung(rung: Written) -> Rung:
    models = tuple(sorted(rung.get("models", {}).items()))
    return Rung(rung["at"], rung["do"], models, rung.get("burst", BURST))


def _overlaps(drafts: Sequence[_Draft]) -> Iterator[Problem]:
    """Versions of one budget that hold at one time."""
    grouped: dict[str, list[_Draft]] = {}
    for one in drafts:
        grouped.setdefault(one.budget.id, []).append(one)
    for budget_id, members in grouped.items():
        ordered = sorted(members, key=lambda one: one.budget.valid_from_us)
        for earlier, later in pairwise(ordered):
            from_us, to_us = later.budget.valid_from_us, earlier.budget.valid_to_us
            if from_us == earlier.budget.valid_from_us or (to_us is not None and to_us > from_us):
                yield later.problem(
                    f"two versions of {budget_id!r} hold at {rfc3339(from_us)}",
                    "end the earlier one where this one begins, or give each budget an id of its own",
                )


def _is_known(one: _Draft, known: Mapping[str, Sequence[Budget]], drafts: Sequence[_Draft]) -> bool:
    """Whether the version that holds from then on says the same. Of one that does not say from when it holds, those
    that follow it as written are passed over: it has held before them, and does not hold anew."""
    budget, from_us = one.budget, one.budget.valid_from_us
    begun = [each for each in known.get(budget.id, ()) if each.valid_from_us <= from_us]
    for last in sorted(begun, key=lambda each: (-each.valid_from_us, -each.version)):
        if _is_same(last, budget):
            return last.valid_from_us == from_us or not one.dated
        if one.dated or not any(each.dated and _is_begun(last, each.budget) for each in drafts):
            break
    return False


def _is_same(last: Budget, budget: Budget) -> bool:
    return (last.facts, last.valid_to_us) == (budget.facts, budget.valid_to_us)


def _is_begun(last: Budget, budget: Budget) -> bool:
    return last.valid_from_us == budget.valid_from_us and _is_same(last, budget)


def _beyond(drafts: Iterable[_Draft], known: Mapping[str, Sequence[Budget]]) -> Iterator[Problem]:
    """Versions whose stated end lies in one that is recorded."""
    for one in drafts:
        from_us, to_us = one.budget.valid_from_us, one.budget.valid_to_us
        for each in known.get(one.budget.id, ()):
            if to_us is not None and from_us < each.valid_from_us < to_us:
                yield one.problem(
                    f"it overlaps version {each.version} of {each.id!r}, which holds from "
                    f"{rfc3339(each.valid_from_us)}",
                    "write an end that is no later",
                )
