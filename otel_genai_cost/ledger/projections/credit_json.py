"""Grants and balances as others script against them: money as decimal strings, times as instants with an offset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from otel_genai_cost.ledger.projections.credits import Balance, GrantState, Outside
from otel_genai_cost.limits.credit import Grant
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money

__all__ = ["balance_json", "grant_json", "grant_state_json"]


def grant_json(grant: Grant) -> dict[str, Any]:
    """A grant as it was decided."""
    basis, expires_us = grant.cost_basis, grant.expires_us
    return {
        "id": grant.id,
        "ref": grant.ref,
        "tenant": grant.tenant,
        "currency": grant.currency,
        "amount": format_money(grant.amount),
        "priority": grant.priority,
        "from": rfc3339(grant.from_us),
        "expires": None if expires_us is None else rfc3339(expires_us),
        "kind": grant.kind,
        "cost_basis": None if basis is None else format_money(basis),
        "created": rfc3339(grant.created_us),
    }


def grant_state_json(one: GrantState, now_us: int) -> dict[str, Any]:
    """A grant, and what has become of it by a time.

    Args:
        one: the grant.
        now_us: unix microseconds.
    """
    is_over = one.grant.end_us <= now_us
    expired = one.grant.amount - one.burnt if is_over else 0
    left = one.grant.amount - one.burnt - expired
    state = "upcoming" if one.grant.from_us > now_us else "active" if left else "spent"
    return {
        **grant_json(one.grant),
        "burnt": format_money(one.burnt),
        "expired": format_money(expired),
        "left": format_money(left),
        "state": "expired" if is_over else state,
    }


def balance_json(balance: Balance, outside: Iterable[Outside]) -> dict[str, Any]:
    """A balance.

    Args:
        balance: of one currency.
        outside: what the tenant's calls came to in currencies of which it was granted nothing.
    """
    expires_us = balance.expires_us
    ends = None if expires_us is None else rfc3339(expires_us)
    money = ("granted", "burnt", "expired", "held", "available", "overdraft", "upcoming")
    return {
        "tenant": balance.tenant,
        "currency": balance.currency,
        **{name: format_money(getattr(balance, name)) for name in money},
        "expiring": None
        if ends is None
        else {"at": ends, "amount": format_money(balance.expiring)},
        "unpriced": balance.unpriced,
        "outside": [
            {"currency": one.currency, "amount": format_money(one.amount)} for one in outside
        ],
        "as_of_seq": balance.as_of_seq,
    }
