"""A statement: what is charged to whom for a period, as one revision says it. Immutable, re-adds, and has a digest."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from otel_genai_cost.ledger.tenants.named import is_named
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.money import format_money, parse_money
from otel_genai_cost.reports.margin.spreading import MONEY_RULES, SpreadRule
from otel_genai_cost.statements.rounding import payable_text

__all__ = [
    "CADENCES",
    "SCOPES",
    "SPREAD_UNIT",
    "Cadence",
    "Scope",
    "Spread",
    "State",
    "Statement",
    "StatementLine",
    "Whose",
    "digest_of",
    "is_of",
    "is_spread",
    "line_record",
    "sealed",
    "statement_of",
    "statement_record",
]

Cadence: TypeAlias = Literal["daily", "weekly", "monthly", "anchored"]
"""`weekly` begins on Monday, `monthly` on the first, `anchored` on a given day of each month."""

Scope: TypeAlias = Literal["team", "feature", "plan"]
"""What a tenant's calls are split by."""

Whose: TypeAlias = Literal["tenant", "unattributed", "system"]
"""Who it is about where no tenant is: calls that are nobody's, and those that the platform made for itself."""

State: TypeAlias = Literal["stated", "open", "blocked"]
"""`stated`: kept for ever. `open`: the period or its grace is not over. `blocked`: gaps or unpriced calls are to be
accepted first. Only what is stated is kept."""

CADENCES: Final[tuple[Cadence, ...]] = ("daily", "weekly", "monthly", "anchored")
_NOBODYS: Final[tuple[Whose, ...]] = ("unattributed", "system")
SCOPES: Final[tuple[Scope, ...]] = ("team", "feature", "plan")
SPREAD_UNIT: Final = "spread"
"""The unit of lines that spread what is nobody's; they have no quantity."""


class StatementLine(NamedTuple):
    """What was bought of one product, in the currency of the statement.

    Attributes:
        product: what people read: a provider's model and what of it was used, or what a plan sells.
        quantity: in `unit`, signed.
        unit: tokens, requests, seats and so on.
        amount: atto, a multiple of the currency's minor unit; the lines of a statement sum to its total.
        exact: atto, before it was rounded.
        cost: atto of the statement's `cost_currency`: what it cost us.
        provider: who answered; None for what no provider sells.
        model: likewise.
        leaf: what of it was used, such as `input`.
    """

    product: str
    quantity: int
    unit: str
    amount: int
    exact: int
    cost: int = 0
    provider: str | None = None
    model: str | None = None
    leaf: str | None = None


class Spread(NamedTuple):
    """How what is nobody's is spread over tenants, and what of it a statement bears, as known by its revision.

    Attributes:
        rule: of `SPREAD_RULES`.
        weight: what its tenant has by the rule: atto, calls, or 1; 0 where nothing is borne.
        of: what all tenants together have by it; 0 where nobody has any, and nothing is spread.
        share: atto of 1: what this statement bears. The shares of a period add up to 1.
    """

    rule: SpreadRule
    weight: int
    of: int
    share: int


class Statement(NamedTuple):
    """One revision. The first has all; each further one has the difference to those before it, so that the sums over
    all revisions are what holds.

    Attributes:
        tenant: the tenant that its ids were merged into; None if it is nobody's, see `whose`.
        period_from_us: the first instant, unix microseconds.
        period_to_us: the first instant after it.
        zone: whose calendar the period is of.
        revision: from 1.
        seq_from: of the ledger's first entry that this revision looked at and those before it did not.
        seq_to: of the last entry that counts in it.
        currency: of the price and the total.
        cost: atto of `cost_currency`; exact, what the calls cost us.
        price: atto; exact, what the customer pays, before any rounding.
        lines: by product.
        total: atto, rounded once: the sum of the lines.
        unpriced: charges of the period that have no total, as known by this revision, not a difference.
        gaps: records of the journal that are proved to be missing and may be of the period, likewise.
        whose: of `Whose`.
        cadence: of `CADENCES`.
        label: how the period is named: 2026-10, 2026-W41, or the day on which it begins.
        anchor: the day of the month on which an `anchored` period begins; else 1.
        scope: what the tenant's calls are split by; None for all of them.
        scope_value: of the scope; None for calls that have none.
        cost_currency: of the cost.
        calls: charges, signed.
        state: of `State`.
        accepted: `gaps` and `unpriced`, where somebody chose to close the period with them.
        previous: the digest of the revision before; None for the first.
        causes: why entries were posted that count here, and how many of them.
        to_date: cost, price and total of this revision and all before it, in atto.
        plan: what made the lines of what the calls come to; None for their prices alone.
        metered: atto; exact, what the calls come to before any plan: the sum of their entries.
        notes: what else a reader should know.
        spread: by which rule what is nobody's is spread; None where it is not.
        digest: sha256 of all the rest, hexadecimal.
    """

    tenant: str | None
    period_from_us: int
    period_to_us: int
    zone: str
    revision: int
    seq_from: int
    seq_to: int
    currency: str
    cost: int
    price: int
    lines: tuple[StatementLine, ...]
    total: int
    unpriced: int
    gaps: int
    whose: Whose = "tenant"
    cadence: Cadence = "monthly"
    label: str = ""
    anchor: int = 1
    scope: Scope | None = None
    scope_value: str | None = None
    cost_currency: str = "USD"
    calls: int = 0
    state: State = "stated"
    accepted: tuple[str, ...] = ()
    previous: str | None = None
    causes: Mapping[str, int] = {}
    to_date: tuple[int, int, int] = (0, 0, 0)
    plan: str | None = None
    metered: int = 0
    notes: tuple[str, ...] = ()
    spread: Spread | None = None
    digest: str = ""


def is_of(tenant: str | None, whose: Whose, names: Collection[str]) -> bool:
    """Whether what is about a tenant, or about nobody, is meant by names.

    Args:
        tenant: its id.
        whose: of `Whose`.
        names: ids; `unattributed` and `system` stand for what is nobody's, `=system` for a tenant of that id; empty for
            everybody.
    """
    return not names or is_named(tenant, names, whose, _NOBODYS)


def is_spread(line: StatementLine) -> bool:
    """Whether a line is a part of what is nobody's, and no use of its tenant's own."""
    return line.unit == SPREAD_UNIT and line.leaf is None and line.model is None


def line_record(line: StatementLine, currency: str) -> dict[str, Any]:
    """A line as JSON: money as decimal strings.

    Args:
        line: of a statement.
        currency: the statement's.
    """
    return {
        "product": line.product,
        "quantity": line.quantity,
        "unit": line.unit,
        "amount": payable_text(line.amount, currency),
        "exact": format_money(line.exact),
        "cost": format_money(line.cost),
        "provider": line.provider,
        "model": line.model,
        "leaf": line.leaf,
    }


def statement_record(one: Statement) -> dict[str, Any]:
    """A statement as JSON: money as decimal strings, times as RFC 3339."""
    cost, price, total = one.to_date
    return {
        "tenant": one.tenant,
        "period_from": rfc3339(one.period_from_us),
        "period_to": rfc3339(one.period_to_us),
        "zone": one.zone,
        "revision": one.revision,
        "seq_from": one.seq_from,
        "seq_to": one.seq_to,
        "currency": one.currency,
        "cost": format_money(one.cost),
        "price": format_money(one.price),
        "lines": [line_record(line, one.currency) for line in one.lines],
        "total": payable_text(one.total, one.currency),
        "unpriced": one.unpriced,
        "gaps": one.gaps,
        "digest": one.digest,
        "whose": one.whose,
        "cadence": one.cadence,
        "period": one.label,
        "anchor": one.anchor,
        "scope": one.scope,
        "scope_value": one.scope_value,
        "cost_currency": one.cost_currency,
        "calls": one.calls,
        "state": one.state,
        "accepted": list(one.accepted),
        "previous": one.previous,
        "causes": dict(sorted(one.causes.items())),
        "to_date": {
            "cost": format_money(cost),
            "price": format_money(price),
            "total": payable_text(total, one.currency),
        },
        "plan": one.plan,
        "metered": format_money(one.metered),
        "notes": list(one.notes),
        **({} if one.spread is None else {"spread": _spread_record(one.spread)}),
    }


def _spread_record(spread: Spread) -> dict[str, Any]:
    """What is counted by the rule is a number, and money a decimal string."""
    text = format_money if spread.rule in MONEY_RULES else int
    return {
        "rule": spread.rule,
        "weight": text(spread.weight),
        "of": text(spread.of),
        "share": format_money(spread.share),
    }


def digest_of(record: Mapping[str, Any]) -> str:
    """The sha256 of all that a statement says, but for the digest itself: of its JSON without spaces, keys sorted.

    Args:
        record: of a statement, as it was printed or kept.
    """
    said = {key: value for key, value in record.items() if key != "digest"}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def sealed(one: Statement) -> Statement:
    """The same statement with its digest."""
    return one._replace(digest=digest_of(statement_record(one)))


def statement_of(record: Mapping[str, Any]) -> Statement:
    """The statement of a `statement_record`.

    Raises:
        KeyError, TypeError, ValueError: if it is none, or does not fit its digest.
    """
    if digest_of(record) != record["digest"]:
        raise ValueError(f"a statement that does not fit its digest {record['digest']}")
    to_date = record["to_date"]
    return Statement(
        tenant=record["tenant"],
        period_from_us=microseconds(record["period_from"]),
        period_to_us=microseconds(record["period_to"]),
        zone=record["zone"],
        revision=record["revision"],
        seq_from=record["seq_from"],
        seq_to=record["seq_to"],
        currency=record["currency"],
        cost=parse_money(record["cost"]),
        price=parse_money(record["price"]),
        lines=tuple(map(_line_of, record["lines"])),
        total=parse_money(record["total"]),
        unpriced=record["unpriced"],
        gaps=record["gaps"],
        whose=record["whose"],
        cadence=record["cadence"],
        label=record["period"],
        anchor=record["anchor"],
        scope=record["scope"],
        scope_value=record["scope_value"],
        cost_currency=record["cost_currency"],
        calls=record["calls"],
        state=record["state"],
        accepted=tuple(record["accepted"]),
        previous=record["previous"],
        causes=record["causes"],
        to_date=(
            parse_money(to_date["cost"]),
            parse_money(to_date["price"]),
            parse_money(to_date["total"]),
        ),
        plan=record["plan"],
        metered=parse_money(record["metered"]),
        notes=tuple(record["notes"]),
        spread=_spread_of(record["spread"]) if "spread" in record else None,
        digest=record["digest"],
    )


def _spread_of(record: Mapping[str, Any]) -> Spread:
    rule = record["rule"]
    number = parse_money if rule in MONEY_RULES else int
    weight, of = number(record["weight"]), number(record["of"])
    return Spread(rule, weight, of, parse_money(record["share"]))


def _line_of(record: Mapping[str, Any]) -> StatementLine:
    return StatementLine(
        product=record["product"],
        quantity=record["quantity"],
        unit=record["unit"],
        amount=parse_money(record["amount"]),
        exact=parse_money(record["exact"]),
        cost=parse_money(record["cost"]),
        provider=record["provider"],
        model=record["model"],
        leaf=record["leaf"],
    )
