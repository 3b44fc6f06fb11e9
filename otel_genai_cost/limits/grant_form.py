"""From what somebody wrote to grants of credit: every defect in one go, and what to do. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, cast, get_args

from otel_genai_cost.errors import Problem
from otel_genai_cost.limits.credit import Grant, GrantKind
from otel_genai_cost.limits.currency import CREDITS, is_currency
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.money import ATTO, format_money, money_in, parse_money
from otel_genai_cost.pricing.shapes import INSTANT, TEXT, Layout, Shape
from otel_genai_cost.tenancy.attribution import tenant_id_of

__all__ = [
    "PRIORITY",
    "conflict",
    "grant_id",
    "grant_of",
    "grant_record",
    "grants_of",
    "mark_problems",
]

AMOUNT_LIMIT: Final = 10**15 * ATTO
PRIORITY: Final = 50
"""Of a grant that names none."""

_PRIORITY_MAX: Final = 100
_KINDS: Final[tuple[GrantKind, ...]] = get_args(GrantKind)
_FREE: Final = ("promo",)
"""Kinds for which nothing was paid, unless they say so."""

Written = Mapping[str, Any]


def _is_amount(value: object) -> bool:
    atto = money_in(value)
    return atto is not None and 0 < atto < AMOUNT_LIMIT


def _is_basis(value: object) -> bool:
    atto = money_in(value)
    return atto is not None and 0 <= atto < AMOUNT_LIMIT


def _is_priority(value: object) -> bool:
    return type(value) is int and 0 <= value <= _PRIORITY_MAX


def _is_tenant(value: object) -> bool:
    return tenant_id_of(value) is not None


def _is_kind(value: object) -> bool:
    return value in _KINDS


_LAYOUT: Final = Layout(
    "grant",
    {
        "ref": TEXT,
        "tenant": Shape(
            _is_tenant,
            "write 1 to 128 of A-Za-z0-9._~:/@|-, as it stands on the calls",
        ),
        "currency": Shape(is_currency, f'write an ISO 4217 code, "USD", or "{CREDITS}"'),
        "amount": Shape(_is_amount, "write a decimal number above 0 and below 10^15, to 18 places"),
    },
    {
        "priority": Shape(
            _is_priority, f"write a whole number from 0, burnt first, to {_PRIORITY_MAX}"
        ),
        "from": INSTANT,
        "expires": INSTANT,
        "kind": Shape(_is_kind, f"write {', '.join(_KINDS)}"),
        "cost_basis": Shape(
            _is_basis, "write what a unit was paid with, a decimal number of 0 or more"
        ),
    },
)


def grants_of(
    written: Sequence[Written], now_us: int, file: str = "grants", lines: Sequence[int] = ()
) -> tuple[list[Grant], list[Problem]]:
    """The grants that were written, and what is wrong with them.

    Args:
        written: the fields of each, as they stand in TOML or JSON; None counts as left out.
        now_us: the time of deciding, from which those hold that name none; unix microseconds.
        file: where they stand, for the problems.
        lines: on which line each stands, where that is known.

    Returns:
        Grants, of use only where there is no problem.
    """
    grants: list[Grant] = []
    problems: list[Problem] = []
    for at, one in enumerate(written):
        fields = {key: _text(value) for key, value in one.items() if value is not None}
        line = lines[at] if at < len(lines) else 0
        place = file if line or len(written) == 1 else f"{file}, grant {at + 1}"
        defects = list(_defects(fields, now_us))
        problems += [Problem(place, line, *defect) for defect in defects]
        if not defects:
            grants.append(_grant(fields, now_us))
    return grants, [*problems, *_twins(grants, file)]


def _text(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _defects(fields: Written, now_us: int) -> Iterator[tuple[str, str]]:
    wrong = list(_LAYOUT.defects(fields))
    yield from wrong
    names = {name for what, _ in wrong for name in ("from", "expires") if what.startswith(name)}
    if not names and "expires" in fields:
        from_us = microseconds(fields["from"]) if "from" in fields else now_us
        if microseconds(fields["expires"]) <= from_us:
            yield (
                f"expires {fields['expires']} is not after {rfc3339(from_us)}, from when it holds",
                "write an end after the beginning, or none",
            )


def _twins(grants: Iterable[Grant], file: str) -> Iterator[Problem]:
    first: dict[str, Grant] = {}
    for one in grants:
        if first.setdefault(one.id, one).digest != one.digest:
            yield Problem(file, 0, *conflict(one))


def conflict(grant: Grant) -> tuple[str, str]:
    """What is wrong with a grant whose ref stands for another one, and what to do."""
    return f"ref {grant.ref!r} was used for another grant", "give each grant a ref of its own"


def mark_problems(tenant: object, currency: object, below: object) -> Iterator[tuple[str, str]]:
    """What is wrong with a mark below which a top-up is asked for.

    Args:
        tenant: whose.
        currency: of the balance.
        below: the mark, a decimal number of 0 or more; nothing for none.
    """
    for name, value in (("tenant", tenant), ("currency", currency)):
        shape = _LAYOUT.required[name]
        if not shape.fits(value):
            yield f"{name} is {str(value)[:80]!r}", shape.remedy
    if below not in ("", None) and not _is_basis(below):
        yield f"below is {str(below)[:80]!r}", "write a decimal number of 0 or more"


def grant_id(ref: str) -> str:
    """The id of a grant: 32 hex digits that follow from its ref, so that granting it twice is noticed."""
    return blake2b(f"grant|{ref}".encode(), digest_size=16).hexdigest()


def _grant(fields: Written, now_us: int) -> Grant:
    kind = fields.get("kind", "paid")
    basis = (
        money_in(fields["cost_basis"]) if "cost_basis" in fields else 0 if kind in _FREE else None
    )
    asked: dict[str, Any] = {**fields, "amount": format_money(parse_money(fields["amount"]))}
    for key in ("from", "expires"):
        if key in asked:
            asked[key] = microseconds(asked[key])
    if "cost_basis" in asked:
        asked["cost_basis"] = format_money(basis or 0)
    said = json.dumps(asked, sort_keys=True).encode()
    return Grant(
        id=grant_id(fields["ref"]),
        ref=fields["ref"],
        tenant=fields["tenant"],
        currency=fields["currency"],
        amount=parse_money(fields["amount"]),
        priority=fields.get("priority", PRIORITY),
        from_us=asked.get("from", now_us),
        expires_us=asked.get("expires"),
        kind=kind,
        cost_basis=basis,
        created_us=now_us,
        digest=blake2b(said, digest_size=16).hexdigest(),
    )


def grant_record(grant: Grant) -> dict[str, Any]:
    """A grant as an event of the ledger's journal has it: money as decimal strings."""
    basis = grant.cost_basis
    return {
        **grant._asdict(),
        "amount": format_money(grant.amount),
        "cost_basis": None if basis is None else format_money(basis),
    }


def grant_of(record: object) -> Grant:
    """The grant of a `grant_record`.

    Raises:
        KeyError, TypeError, ValueError: if it is none.
    """
    if not isinstance(record, Mapping):
        raise TypeError("a grant is a table")
    fields = cast("Mapping[str, Any]", record)
    basis = fields["cost_basis"]
    said: dict[str, Any] = {name: fields[name] for name in Grant._fields}
    said["amount"] = parse_money(fields["amount"])
    said["cost_basis"] = None if basis is None else parse_money(basis)
    grant = Grant(**said)
    texts = (grant.id, grant.ref, grant.tenant, grant.currency, grant.kind, grant.digest)
    numbers = (grant.priority, grant.from_us, grant.created_us)
    if not ({str}.issuperset(map(type, texts)) and {int}.issuperset(map(type, numbers))):
        raise TypeError("a field of a grant is of another kind")
    if grant.amount <= 0 or type(grant.expires_us) not in (int, type(None)):
        raise ValueError("no amount of a grant")
    return grant
