"""What a tenant has paid before and what is left of it, and granting it more, over HTTP."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.errors import GrantConflictError, GrantsError, LedgerError, LedgerLockedError
from otel_genai_cost.gate import body
from otel_genai_cost.gate.body import Field, Fields
from otel_genai_cost.gate.gate import Gate
from otel_genai_cost.gate.route import Answer, Asking, Route, refused
from otel_genai_cost.gate.store import StoreUnavailableError
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.projections.credit_json import balance_json, grant_json
from otel_genai_cost.ledger.storage.granting import Granted, grant_credit

__all__ = ["ROUTES"]

_WAIT_S: Final = 2.0
_LOOK_EVERY_S: Final = 0.05
_SEQ: Final = re.compile(r"[0-9]{1,15}", re.ASCII)


def _seq(value: object) -> int:
    if not isinstance(value, str) or not _SEQ.fullmatch(value):
        raise ValueError("not the seq of an entry")
    return int(value)


def _as_given(value: object) -> object:
    """Grants have rules of their own, which say all that is wrong with one."""
    return value


async def _balance(gate: Gate, asking: Asking) -> Answer:
    """The balance once the books, as the store of holds knows them, have come to the entry that is asked for: who has
    just seen a call booked sees it here, too, whichever of several gates is asked."""
    tenant, query = asking.path["tenant"], asking.query
    if not asking.bearer.may(tenant):
        return refused(403, "not_your_tenant")
    min_seq, currency = query["min_seq"] or 0, query["currency"]
    until_s = time.monotonic() + _WAIT_S
    while True:
        seq, found = await gate.run(lambda transaction: transaction.credit(tenant))
        if seq >= min_seq:
            return _chosen([balance_json(one, found.outside) for one in found.balances], currency)
        if time.monotonic() >= until_s:
            return refused(409, "not_booked_yet", {"Retry-After": "1"}, as_of_seq=seq)
        await asyncio.sleep(_LOOK_EVERY_S)


def _chosen(found: list[dict[str, Any]], currency: str | None) -> Answer:
    """The one that is asked for, or the only one."""
    wanted = [one for one in found if currency in (None, one["currency"])]
    if not wanted:
        return refused(404, "no_credit")
    if len(wanted) > 1:
        return refused(400, "currency_missing", currencies=[one["currency"] for one in wanted])
    return Answer(200, wanted[0])


async def _grant(gate: Gate, asking: Asking) -> Answer:
    """Write a grant down, and wait until it is to be seen."""
    if (home := gate.home) is None:
        raise StoreUnavailableError("the ledger is on another machine: grant credit there")
    written = {**asking.values, "tenant": asking.path["tenant"]}
    try:
        (granted,) = await asyncio.to_thread(_granted, home, written, gate.clock_us())
    except GrantConflictError as error:
        return refused(409, "conflict", problems=_texts(error))
    except GrantsError as error:
        return refused(400, "malformed", problems=_texts(error))
    except (LedgerError, OSError) as error:
        raise StoreUnavailableError(str(error)) from None
    is_seen = await _is_seen(gate, granted.grant.id)
    status = 201 if granted.is_new else 200
    return Answer(status, {**grant_json(granted.grant), "new": granted.is_new, "seen": is_seen})


def _granted(home: Path, written: Mapping[str, Any], now_us: int) -> list[Granted]:
    found = grant_credit(home / LEDGER_FILE, [written], now_us, place="grant")
    with suppress(LedgerLockedError):  # whoever ships reads it within a second
        ship(home, ())
    return found


async def _is_seen(gate: Gate, grant_id: str) -> bool:
    until_s = time.monotonic() + _WAIT_S
    while not await gate.ask(lambda ledger: ledger.credits.grant(grant_id) is not None):
        if time.monotonic() >= until_s:
            return False
        await asyncio.sleep(_LOOK_EVERY_S)
    return True


def _texts(error: GrantsError) -> list[str]:
    return [f"{one.what}; {one.remedy}" for one in error.problems]


def _text(about: str, **shape: Any) -> Field:
    return Field(_as_given, {"type": "string", "description": about, **shape})


_MONEY: Final = r"^[0-9]{1,15}(\.[0-9]{1,18})?$"
_INSTANT: Final = {"format": "date-time"}
_PRIORITY: Final = {
    "type": "integer",
    "minimum": 0,
    "maximum": 100,
    "description": "the lowest is burnt first; 50",
}
_FIELDS: Final[Fields] = {
    "ref": _text("what you call it; unique", minLength=1, maxLength=256).required,
    "currency": _text("ISO 4217, or ACU", pattern="^[A-Z]{3}$").required,
    "amount": _text("how much", pattern=_MONEY).required,
    "priority": Field(_as_given, _PRIORITY),
    "from": _text("from when calls may burn it; now", **_INSTANT),
    "expires": _text("until when; for ever", **_INSTANT),
    "kind": _text("why; paid", enum=["paid", "promo", "rollover", "refund"]),
    "cost_basis": _text("what a unit was paid with", pattern=_MONEY),
}


def _routes() -> Iterator[Route]:
    yield Route(
        "GET",
        "/v1/tenants/{tenant}/balance",
        "What a tenant has left of what it paid before; a tenant sees its own",
        _balance,
        query={
            "min_seq": Field(
                _seq,
                {
                    "type": "string",
                    "pattern": "^[0-9]{1,15}$",
                    "description": "wait up to 2 s until this entry is booked",
                },
            ),
            "currency": body.text("of which balance; needed where there are several", 8),
        },
        answers={
            200: "granted - burnt - expired - held = available, as of the entry `as_of_seq`",
            400: "there are several currencies, or the query cannot be used",
            404: "nothing was granted to it",
            409: "`not_booked_yet`: the entry is not booked after 2 s",
        },
    )
    yield Route(
        "POST",
        "/v1/tenants/{tenant}/grants",
        "Grant a tenant credit; the same ref with the same contents is the same grant",
        _grant,
        fields=_FIELDS,
        answers={
            200: "it had been granted before",
            201: "granted; `seen` says whether the ledger has it already",
            409: "the ref was used for another grant",
        },
        is_team_only=True,
    )


ROUTES: Final = tuple(_routes())
