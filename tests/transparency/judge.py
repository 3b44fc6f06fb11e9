"""The provider's bill against the charges of the journal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tests.transparency.provider import Billed

__all__ = ["Judgement", "judge"]

_RATES: Final = {
    "gpt-4o-mini": (Decimal("0.15"), Decimal("0.60")),
    "text-embedding-3-small": (Decimal("0.02"), Decimal(0)),
    "claude-sonnet-4-5-20250929": (Decimal(3), Decimal(15)),
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0": (Decimal("3.30"), Decimal("16.50")),
    "gemini-2.5-flash": (Decimal("0.30"), Decimal("2.50")),
    "mistral-small-2603": (Decimal("0.15"), Decimal("0.60")),
    "mistral-embed": (Decimal("0.10"), Decimal(0)),
    "command-a-03-2025": (Decimal("2.50"), Decimal(10)),
    "embed-v4.0": (Decimal("0.12"), Decimal(0)),
    "openai/gpt-oss-120b": (Decimal("0.15"), Decimal("0.60")),
    "meta-llama/Llama-3.3-70B-Instruct-Turbo": (Decimal("1.04"), Decimal("1.04")),
}
"""USD per million input and output tokens, as published by the providers."""


_MADE_UP: Final = r"chatcmpl-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_RETRIED: Final = ("error_timeout_then_answered",)
"""The client gave up on its first try, which was billed; the one charge of the call must say that it may be more."""


class Judgement(NamedTuple):
    """`exact` charges are what was billed; `marked` ones say themselves that they may not be: estimated, partial or
    without a price. `failed` are charges of nothing, of refused calls. `wrong` tells what is none of these."""

    billed: int
    charges: int
    exact: int
    marked: int
    failed: int
    wrong: tuple[str, ...]


def judge(bills: Sequence[Billed], charged: Iterable[Mapping[str, Any]]) -> Judgement:
    """Find the charge of each line of the bill: by the id of the response, where it tells one that nobody made up, else
    by its amount."""
    all_charges = [*charged]
    charges = [charge for charge in all_charges if not _is_failed_call(charge)]
    failed = len(all_charges) - len(charges)
    left = list(charges)
    exact, marked = 0, 0
    wrong: list[str] = []
    unfound: list[Billed] = []
    for line in bills:
        mine = [charge for charge in left if _is_of(charge, line)] or [
            charge for charge in left if _is_made_up(charge) and _comes_to(charge, line)
        ]
        if not mine:
            unfound.append(line)
            continue
        for charge in mine if line.response_id else mine[:1]:
            left.remove(charge)
        if len(mine) > 1 and line.response_id:
            wrong.append(f"{line.program}: charged {len(mine)} times")
        elif not _is_sure(mine[0]):
            marked += 1
        elif Decimal(mine[0]["total"]) == _amount(line):
            exact += 1
        else:
            wrong.append(f"{line.program}: {mine[0]['total']}, not {_amount(line)}")
    told = [line for line in unfound if line.program in _RETRIED]
    marked += len(told)
    unfound = [line for line in unfound if line not in told]
    nameless = [charge for charge in left if not charge["response_id"] and not _is_sure(charge)]
    marked += min(len(nameless), len(unfound))
    wrong += [f"{line.program}: not charged" for line in unfound[len(nameless) :]]
    extra = nameless[len(unfound) :] + [charge for charge in left if charge not in nameless]
    wrong += [f"a charge of nothing billed: {_told(charge)}" for charge in extra]
    return Judgement(len(bills), len(charges), exact, marked, failed, tuple(wrong))


def _amount(line: Billed) -> Decimal:
    inwards, outwards = _RATES[line.model]
    amount: Decimal = line.input_tokens * inwards + line.output_tokens * outwards
    return amount / 1_000_000


def _is_of(charge: Mapping[str, Any], line: Billed) -> bool:
    if line.response_id or charge["response_id"]:
        return bool(charge["response_id"] == line.response_id)
    return _comes_to(charge, line)


def _comes_to(charge: Mapping[str, Any], line: Billed) -> bool:
    return _is_sure(charge) and Decimal(charge["total"]) == _amount(line)


def _is_made_up(charge: Mapping[str, Any]) -> bool:
    """Whether LiteLLM, whose own span ended first, made up the id of the answer."""
    return re.fullmatch(_MADE_UP, charge["response_id"] or "") is not None


def _is_sure(charge: Mapping[str, Any]) -> bool:
    return bool(charge["status"] == "priced" and charge["quality"] == "reported")


def _is_failed_call(charge: Mapping[str, Any]) -> bool:
    """The provider's error, which costs nothing."""
    return str(charge["reason"]) == "not_billed"


def _told(charge: Mapping[str, Any]) -> str:
    return str({key: value for key, value in charge.items() if value not in (None, "", [])})
