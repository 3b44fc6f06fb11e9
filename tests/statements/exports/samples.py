"""Statements as they may come, the usual and the hostile, and what their usage comes to by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.statements.exports.focus_rows import Daily, item_of
from otel_genai_cost.statements.exports.issuer import Issuer
from otel_genai_cost.statements.gather import Item
from otel_genai_cost.statements.statement import Spread, Statement, StatementLine, sealed

__all__ = [
    "DAYS",
    "HOSTILE",
    "ISSUER",
    "daily_of",
    "hostile",
    "many",
    "plan_line",
    "revised",
    "spread",
    "statement",
    "used",
    "usual",
]

ISSUER: Final = Issuer(
    name="Northwind Copilots GmbH",
    lines=("Lindenstraße 12, 10969 Berlin", "VAT DE 123 456 789"),
    contact="billing@northwind.example",
    note="Payable within 30 days. The invoice follows by e-mail.",
)

HOSTILE: Final = (
    '=HYPERLINK("http://evil.example")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    'a\nb,"c"',
    "\u202egpj.exe",
    "\x1b[31mred\x07\x00",
    "<script>alert(1)</script>&amp;",
    '#panic("x") $y$ @ref *bold* `code` \\ ]',
    "名前 اسم Ελλάς",
    "\uff1d1+1",
    "\ud800",
)
"""What may stand where a name stands."""

_DAY_US: Final = 86_400_000_000
_FROM: Final = microseconds("2026-09-30T22:00:00Z")
_TO: Final = microseconds("2026-10-31T23:00:00Z")
DAYS: Final = (
    (_FROM, _FROM + _DAY_US),
    (microseconds("2026-10-24T22:00:00Z"), microseconds("2026-10-25T23:00:00Z")),
)
"""Two days of October in Berlin; the second has 25 hours."""


def used(
    model: str, leaf: str, quantity: int, amount: str, exact: str | None = None
) -> StatementLine:
    """A line of usage."""
    unit = "searches" if leaf == "web_searches" else "tokens"
    price = parse_money(exact or amount)
    return StatementLine(
        f"openai/{model} {leaf}",
        quantity,
        unit,
        parse_money(amount),
        price,
        price // 2,
        "openai",
        model,
        leaf,
    )


def plan_line(product: str, quantity: int, unit: str, amount: str) -> StatementLine:
    """A line of a plan."""
    return StatementLine(product, quantity, unit, parse_money(amount), parse_money(amount))


def statement(lines: Sequence[StatementLine], **other: Any) -> Statement:
    """A statement of October in Berlin over these lines."""
    total = sum(line.amount for line in lines)
    values: Mapping[str, Any] = {
        "tenant": "acme",
        "period_from_us": _FROM,
        "period_to_us": _TO,
        "zone": "Europe/Berlin",
        "revision": 1,
        "seq_from": 1,
        "seq_to": 182_044,
        "currency": "EUR",
        "cost": parse_money("777.77"),
        "price": sum(line.exact for line in lines),
        "lines": tuple(lines),
        "total": total,
        "unpriced": 0,
        "gaps": 0,
        "calls": 48_211,
        "to_date": (0, 0, total),
    }
    return sealed(Statement(**{**values, **other}))


def usual() -> Statement:
    """Two models, a plan and a credit."""
    lines = [
        used("gpt-4o", "input", 412_330_120, "1030.83", "1030.8253"),
        used("gpt-4o", "output", 31_204_077, "312.04", "312.04077"),
        used("gpt-4o-mini", "input", 80_000_000, "12.00"),
        used("gpt-4o-mini", "web_searches", 420, "4.20"),
        plan_line("Pro plan", 25, "seats", "625.00"),
        plan_line("Included usage", 0, "credit", "-250.00"),
    ]
    return statement(lines)


def spread() -> Statement:
    """A tenant's use, with its part of what is nobody's."""
    words = "Unattributed use, spread by cost"
    part = StatementLine(
        words, 0, "spread", parse_money("0.33"), parse_money("0.333333333333333333")
    )
    bears = Spread("cost", 1, 3, parse_money("0.333333333333333333"))
    return statement([used("gpt-4o", "input", 400_000, "1.00"), part], spread=bears)


def revised() -> Statement:
    """A second revision with everything on its face."""
    lines = [used("gpt-4o", "input", 1_204_000, "3.01"), used("gpt-4o", "output", -20_000, "-0.20")]
    return statement(
        lines,
        revision=2,
        previous="ab" * 32,
        to_date=(0, 0, parse_money("1736.88")),
        unpriced=3,
        gaps=2,
        notes=("14 calls rest on estimates.",),
        scope="team",
        scope_value="growth",
    )


def hostile(text: str) -> Statement:
    """The same text wherever a statement has one that came from outside."""
    line = StatementLine(text, 10**15, text, parse_money("123456789012.34"), 0, 0, text, text, text)
    plan = StatementLine(text, 1, text, parse_money("1.00"), 0)
    return statement([line, plan], tenant=text, scope="team", scope_value=text, notes=(text,))


def many(count: int) -> Statement:
    """A line for each of so many models."""
    return statement(
        [
            used(f"model-{n:03d}", "input", n * 9_999, f"{n}.{n % 100:02d}")
            for n in range(1, count + 1)
        ]
    )


def daily_of(one: Statement) -> Daily:
    """The usage of a statement, a third on the first day and the rest on the second; exact to the atto."""
    found: dict[Item, dict[tuple[int, int], tuple[int, int]]] = {}
    for line in one.lines:
        if line.provider is not None:
            first = line.quantity // 3, line.exact // 3
            rest = line.quantity - first[0], line.exact - first[1]
            found[item_of(line)] = dict(zip(DAYS, (first, rest), strict=True))
    return found
