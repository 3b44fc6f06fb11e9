"""From a request to what is to be held: the fields of a call, and the most that it can come to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final

from otel_genai_cost.gate import body
from otel_genai_cost.gate.admission import Asked
from otel_genai_cost.gate.body import Field, Fields
from otel_genai_cost.gate.bound import Bound, BoundedCall, bound
from otel_genai_cost.gate.gate import Gate
from otel_genai_cost.gate.holding import Reservation
from otel_genai_cost.limits.budget import DIMENSIONS

__all__ = ["CALL", "RESERVE", "TTL_MAX_S", "bound_by", "dimensions", "reservation"]

TTL_MAX_S: Final = 86_400
_CURRENCY: Final = re.compile(r"[A-Z]{3,8}", re.ASCII)
_COUNTS: Final = ("requests", "web_searches", "images", "characters", "pages", "media_ms")
_NAMED: Final = tuple(name for name in DIMENSIONS if name not in ("organisation", "model"))

Bounds = Callable[["str | None", "int | None", int], "Bound | None"]


def _currency(value: object) -> str:
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise ValueError("not the code of a currency, such as USD")
    return value


def _condition(value: object) -> str | bool:
    if isinstance(value, (str, bool)) and len(str(value)) <= 256:
        return value
    raise ValueError("neither a text of at most 256 characters nor true or false")


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value <= 10**9:
        raise ValueError("not a whole number of 0 to 1000000000")
    return value


_CODE: Final = {"type": "string", "pattern": "^[A-Z]{3,8}$", "description": "of `amount`; USD"}
_WORDS: Final = {"anyOf": [{"type": "string", "maxLength": 256}, {"type": "boolean"}]}
_COUNTED: Final = {"type": "integer", "minimum": 0, "maximum": 10**9}

CALL: Final[Fields] = {
    **{name: body.text(f"{name}: which budgets it counts in") for name in _NAMED},
    "provider": body.text("any name of the provider"),
    "model": body.text("any name of the model"),
    "input_tokens": body.whole("the most that the prompt can have"),
    "max_tokens": body.whole("the most output that is asked for; 0 of what writes none"),
    "amount": body.amount("the most that the call can come to, if that is known otherwise"),
    "currency": Field(_currency, _CODE),
    "context": body.labels("conditions of the price that are known", _condition, _WORDS),
    "modalities": body.texts(
        "what prompt and answer are made of; anything unless said",
        ("text", "audio", "image", "video"),
    ),
    "counts": body.labels("the most of what is billed beside tokens", _count, _COUNTED),
    "ttl_s": body.whole("how long the hold lasts of which nothing is heard", 1, TTL_MAX_S),
    "dispatched": body.flag("whether the call goes out at once: then it counts until it is booked"),
}
"""Whatever says what a call may come to, and for whom it is."""

RESERVE: Final[Fields] = {"id": body.identity("the call's observation").required, **CALL}


def reservation(gate: Gate, values: Mapping[str, Any], tenant: str | None) -> Reservation:
    """What is to be held for a request.

    Args:
        gate: whose prices and settings hold.
        values: of the request, by the fields of `RESERVE`.
        tenant: whose call it is.
    """
    given: Mapping[str, Any] = {**values, "tenant": tenant}
    said: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    options = gate.options
    asked = Asked(dimensions(said), said.get("model"), _output_limit(gate, said))
    lost_after_s = options.lost_after_s
    return Reservation(
        id=said["id"],
        digest=blake2b(text.encode(), digest_size=16).hexdigest(),
        text=text,
        asked=asked,
        tenant=tenant,
        bound=bound_by(gate, said),
        ttl_us=said.get("ttl_s", options.ttl_s) * 1_000_000,
        is_dispatched=said.get("dispatched", False),
        lost_after_us=None if lost_after_s is None else lost_after_s * 1_000_000,
    )


def dimensions(said: Mapping[str, Any]) -> Mapping[str, str | None]:
    """What budgets look at, but for the model.

    Args:
        said: a request, without what is null.
    """
    return {name: said.get(name) for name in _NAMED}


def bound_by(gate: Gate, said: Mapping[str, Any]) -> Bounds:
    """The most that a call can come to, with a model and a limit of output, at a time.

    Args:
        gate: whose prices hold.
        said: a request, without what is null.
    """
    if "amount" in said:
        fixed = Bound.of(said["amount"], said.get("currency", "USD"))
        return lambda model, max_tokens, at_us: fixed
    if "input_tokens" not in said:
        return lambda model, max_tokens, at_us: None
    return _priced(gate, said)


def _priced(gate: Gate, said: Mapping[str, Any]) -> Bounds:
    call = BoundedCall(
        tenant=said.get("tenant"),
        labels={name: value for name, value in dimensions(said).items() if value is not None},
        provider=said.get("provider"),
        input_tokens=said["input_tokens"],
        context=said.get("context", {}),
        modalities=tuple(said.get("modalities", ())),
        counts=said.get("counts", {}),
    )
    book, contracts, limit = gate.book(), gate.contracts(), gate.options.output_limit

    known: dict[tuple[str | None, int | None], Bound | None] = {}

    def bounded(model: str | None, max_tokens: int | None, at_us: int) -> Bound | None:
        """Worked out once: an operation may be run again, moments later."""
        tokens = limit if max_tokens is None else max_tokens
        way = (model, tokens)
        if way not in known:
            known[way] = bound(book, contracts, call, model, tokens, at_us)
        return known[way]

    return bounded


def _output_limit(gate: Gate, said: Mapping[str, Any]) -> int | None:
    """The limit that may be lowered, which a call that names none has, too. Where an amount is given, or no prompt,
    tokens say nothing of it."""
    if "amount" in said or "input_tokens" not in said:
        return None
    limit: int | None = said.get("max_tokens")
    return gate.options.output_limit if limit is None else limit
