"""A plain CSV, for a bill that comes in no format that is known: one line a row, under the names below.

    day,model,token_type,key,tier,kind,quantity,amount,list_amount,currency,final,description

Only `day` and one of `amount` and `quantity` have to be there. `kind` is usage, discount, credit, tax or rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from otel_genai_cost.reconciliation.bill import KINDS, BillLine, BillLineKind, money_of
from otel_genai_cost.reconciliation.importers.document import Document, Row
from otel_genai_cost.reconciliation.importers.format import (
    UTC,
    Format,
    currency_of,
    day_of,
    text_of,
)
from otel_genai_cost.reconciliation.importers.words import (
    kind_of_words,
    leaf_and_tier,
    quantity_of,
    tier_of,
    unit_of,
)
from otel_genai_cost.usage.providers import canonical

__all__ = ["OWN_CSV"]

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "day": ("day", "date"),
    "provider": ("provider",),
    "model": ("model",),
    "token_type": ("token_type", "type", "leaf"),
    "key": ("key", "api_key", "api_key_id", "project", "project_id"),
    "tier": ("tier", "service_tier"),
    "kind": ("kind", "class", "charge_type"),
    "quantity": ("quantity", "tokens"),
    "unit": ("unit",),
    "amount": ("amount", "cost"),
    "list_amount": ("list_amount", "list_cost"),
    "currency": ("currency",),
    "final": ("final",),
    "description": ("description", "line_item"),
}
_YES: Final = frozenset({"true", "yes", "1", "final"})
_NO: Final = frozenset({"false", "no", "0", ""})


def _said(row: Row) -> dict[str, Any]:
    fields = {name.strip().lower().replace(" ", "_"): value for name, value in row.fields.items()}
    found = dict[str, Any]()
    for name, spelled in _NAMES.items():
        found[name] = next((fields[one] for one in spelled if one in fields), None)
    return found


def _is_own(document: Document) -> bool:
    names = {name.strip().lower().replace(" ", "_") for name in document.columns}
    has = [not names.isdisjoint(_NAMES[one]) for one in ("day", "amount", "quantity")]
    return has[0] and (has[1] or has[2])


def _lines(row: Row) -> Iterator[BillLine]:
    said = _said(row)
    words = text_of(said["token_type"])
    leaf, tier = leaf_and_tier(words) if words else (None, "")
    times, of_unit = unit_of(text_of(said["unit"]))
    kind = _kind(said, words)
    if words and leaf is None and of_unit is None and kind == "usage":
        raise ValueError(f"no token type that is known: {words!r}")
    if said["amount"] in (None, "") and said["quantity"] in (None, ""):
        raise ValueError("neither an amount nor a quantity")
    model = text_of(said["model"])
    provider = text_of(said["provider"])
    listed = said["list_amount"]
    yield BillLine(
        day=day_of(said["day"]),
        kind=kind,
        model=model,
        token_type=leaf or of_unit,
        key=text_of(said["key"]),
        tier=tier_of(said["tier"]) or tier,
        quantity=quantity_of(said["quantity"], times),
        amount=None if said["amount"] in (None, "") else money_of(said["amount"]),
        list_amount=None if listed in (None, "") else money_of(listed).atto,
        currency=currency_of(said["currency"]),
        final=_is_final(said["final"]),
        what="" if model is not None else text_of(said["description"]) or words or "",
        provider=None if provider is None else canonical(provider),
    )


def _kind(said: Mapping[str, Any], words: str | None) -> BillLineKind:
    named = (text_of(said["kind"]) or "").lower()
    for kind in KINDS:
        if kind == named:
            return kind
    if named:
        raise ValueError(f"no kind of line: {named!r}; one of {', '.join(KINDS)}")
    if text_of(said["model"]) is not None:
        return "usage"
    return kind_of_words(text_of(said["description"]) or words or "") or "usage"


def _is_final(value: Any) -> bool:
    word = str(value or "").strip().lower()
    if word not in _YES | _NO:
        raise ValueError(f"`final` is neither true nor false: {word[:60]!r}")
    return word in _YES


OWN_CSV: Final = Format("plain CSV", (), UTC, _is_own, _lines)
