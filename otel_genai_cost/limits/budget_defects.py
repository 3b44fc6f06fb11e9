"""Every defect of one version of a budget, as it was written: what is wrong, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast, get_args

from otel_genai_cost.limits.budget import ANY, DIMENSIONS, RUNGS, OnGateDown
from otel_genai_cost.limits.currency import CREDITS, is_currency
from otel_genai_cost.limits.model_name import undated
from otel_genai_cost.limits.period import ANCHOR_MAX, PERIODS
from otel_genai_cost.pricing.instants import microseconds, zone_of
from otel_genai_cost.pricing.money import ATTO, money_in, parse_money
from otel_genai_cost.pricing.resolve import NAME_LIMIT
from otel_genai_cost.pricing.shapes import INSTANT, Layout, Shape
from otel_genai_cost.tenancy.attribution import tenant_id_of
from otel_genai_cost.vocabulary import SIDES

__all__ = ["AMOUNT_LIMIT", "PERCENT_MAX", "Written", "defects"]

AMOUNT_LIMIT: Final = 10**15 * ATTO
PERCENT_MAX: Final = 200
_BURST_MAX: Final = 10_000
_GATE: Final[tuple[str, ...]] = get_args(OnGateDown)

Written = Mapping[str, Any]
_Defects = Iterator[tuple[str, str]]
"""What is wrong, and what to do."""


def _is_amount(value: object) -> bool:
    atto = money_in(value)
    return atto is not None and 0 <= atto < AMOUNT_LIMIT


def _is_zone(value: object) -> bool:
    try:
        zone_of(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True


def _is_percent(value: object) -> bool:
    return type(value) is int and 1 <= value <= PERCENT_MAX


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _is_anchor(value: object) -> bool:
    return type(value) is int and 1 <= value <= ANCHOR_MAX


def _is_id(value: object) -> bool:
    return tenant_id_of(value) is not None


def _is_burst(value: object) -> bool:
    return type(value) is int and 100 <= value <= _BURST_MAX


def _is_unknown_price(value: object) -> bool:
    return value in ("deny", "allow") or _is_amount(value)


def _one_of(words: tuple[str, ...]) -> tuple[Callable[[object], bool], str]:
    return lambda value: value in words, f"write {', '.join(words)}"


_AMOUNT: Final = Shape(
    _is_amount,
    "write a decimal number of 0 or more and below 10^15, to 18 places; in JSON as a string",
)
_LAYOUT: Final = Layout(
    "budget",
    {
        "id": Shape(_is_id, "write 1 to 128 of A-Za-z0-9._~:/@|-"),
        "period": Shape(*_one_of(PERIODS)),
        "currency": Shape(is_currency, f'write an ISO 4217 code, "USD", or "{CREDITS}"'),
    },
    {
        "scope": Shape(_is_table, 'write a table, { tenant = "acme" }, or leave it out for all'),
        "zone": Shape(
            _is_zone,
            "write Europe/Berlin or UTC; where there are none at all: pip install tzdata",
        ),
        "anchor": Shape(_is_anchor, "write the day of the month, 1 to 31"),
        "side": Shape(*_one_of(SIDES)),
        "soft": _AMOUNT,
        "hard": _AMOUNT,
        "thresholds": Shape(_is_list, "write a list of whole per cents, [50, 80, 100]"),
        "ladder": Shape(_is_list, 'write a list of rungs, [{ at = 80, do = "warn" }]'),
        "on_gate_down": Shape(*_one_of(_GATE)),
        "allowance": _AMOUNT,
        "unknown_price": Shape(_is_unknown_price, "write deny, allow, or what it is taken to cost"),
        "from": INSTANT,
        "to": INSTANT,
    },
)
_RUNG: Final = Layout(
    "rung",
    {
        "at": Shape(_is_percent, f"write whole per cents of hard, 1 to {PERCENT_MAX}"),
        "do": Shape(*_one_of(RUNGS)),
    },
    {
        "models": Shape(_is_table, 'write what is called instead of what, { "big" = "small" }'),
        "burst": Shape(
            _is_burst,
            f"write per cents of an even pace, 100 to {_BURST_MAX}",
        ),
    },
)


def defects(fields: Written, now_us: int) -> _Defects:
    """Of a version by itself; what its fields say together is looked at where each is right.

    Args:
        fields: as they were written, with instants as text.
        now_us: the time of deciding, unix microseconds.
    """
    wrong = list(_LAYOUT.defects(fields))
    yield from wrong
    yield from _scope(fields.get("scope"))
    yield from _thresholds(fields.get("thresholds"))
    yield from _ladder(fields.get("ladder"))
    if not wrong:
        yield from _contradictions(fields, now_us)


def _scope(scope: object) -> _Defects:
    for dimension, value in _table(scope).items():
        if dimension not in DIMENSIONS:
            yield f"unknown dimension {dimension!r} in scope", f"known: {', '.join(DIMENSIONS)}"
        elif not isinstance(value, str) or not 0 < len(value) <= NAME_LIMIT:
            yield (
                f"{dimension} is {str(value)[:80]!r} in scope",
                f'write a value of 1 to {NAME_LIMIT} characters, or "*" for each its own',
            )
        elif dimension == "organisation" and value != ANY:
            yield f"the organisation {value!r}", 'write organisation = "*", or leave it out'
        elif dimension == "tenant" and value != ANY and tenant_id_of(value) is None:
            yield f"{value!r} is no tenant id", "write the id as it stands on the calls"
        elif dimension == "model" and value not in (ANY, undated(value)):
            yield f"the model {value!r}", f"write {undated(value)!r}: all of its releases count"


def _thresholds(thresholds: object) -> _Defects:
    found = _list(thresholds)
    for one in found:
        if not _is_percent(one):
            yield (
                f"a threshold of {str(one)[:80]!r}",
                f"write whole per cents, 1 to {PERCENT_MAX}",
            )
    if len(set(map(str, found))) < len(found):
        yield "a threshold stands twice", "write each once"


def _ladder(ladder: object) -> _Defects:
    seen: set[tuple[object, object]] = set()
    for one in _list(ladder):
        if not isinstance(one, dict):
            yield f"a rung is {str(one)[:80]!r}", 'write { at = 80, do = "warn" }'
            continue
        rung = cast("dict[str, Any]", one)
        wrong = list(_RUNG.defects(rung))
        yield from wrong
        if wrong:
            continue
        if (rung["at"], rung["do"]) in seen:
            yield f"the rung {rung['do']} at {rung['at']} stands twice", "write it once"
        seen.add((rung["at"], rung["do"]))
        yield from _rung_words(rung)


def _rung_words(rung: Written) -> _Defects:
    if ("models" in rung) != (rung["do"] == "downgrade"):
        yield (
            f"models of a rung that is {rung['do']}",
            'write models = { "big" = "small" } with downgrade, and with nothing else',
        )
    names = [name for pair in rung.get("models", {}).items() for name in pair]
    if "models" in rung and (not names or not all(map(_is_name, names))):
        yield "models that are none", 'write { "gpt-4o" = "gpt-4o-mini" }'
    if "burst" in rung and rung["do"] != "pace":
        yield f"burst of a rung that is {rung['do']}", "write it with pace"


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= NAME_LIMIT


def _contradictions(fields: Written, now_us: int) -> _Defects:
    if "soft" not in fields and "hard" not in fields:
        yield "neither a soft nor a hard limit", "write hard = 100, say"
    if "soft" in fields and "hard" in fields and _amount(fields, "soft") > _amount(fields, "hard"):
        yield (
            f"soft {fields['soft']} is more than hard {fields['hard']}",
            "write a lower soft limit",
        )
    if ("anchor" in fields) != (fields["period"] == "anchored"):
        yield (
            f"a period of {fields['period']} {'with' if 'anchor' in fields else 'without'} anchor",
            'write anchor = 15 with period = "anchored", and with nothing else',
        )
    if fields.get("ladder") and "hard" not in fields:
        yield "a ladder without a hard limit", "its rungs are per cents of hard: write that"
    if ("allowance" in fields) != (fields.get("on_gate_down") == "open"):
        yield (
            'an allowance goes with on_gate_down = "open"',
            "write both or neither: it is what may be spent while no gate answers",
        )
    if "from" not in fields and "to" in fields and microseconds(fields["to"]) <= now_us:
        yield f"to {fields['to']} is past", "write an end that is to come, or a beginning"


def _amount(fields: Written, key: str) -> int:
    return parse_money(fields[key])


def _table(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
