"""Revenue from the invoices of Stripe, Orb and Metronome, as their APIs and exports write them. Pure.

Each line of an invoice that was issued is a row. Drafts are no revenue yet. An invoice that was voided has its lines
and, under refs of their own, their negatives: whether it was imported before or not, it comes to nothing. What a
vendor's customer is called here is said by `billing_ids` of the registry, or by the customer itself (`metadata.tenant`,
or the external id).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from hashlib import blake2b
from typing import Any, Final, cast

from otel_genai_cost.pricing.money import ATTO, format_money, parse_money

__all__ = ["VENDORS", "Customers", "Defect", "Invoice", "invoices_in", "lines_of"]

Invoice = Mapping[str, Any]
Customers = Callable[[str, str], str | None]
"""The tenant of a vendor's customer; None if nobody says."""

Row = dict[str, str]


class Defect(Exception):
    """What is wrong with an invoice, and what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy
        super().__init__(what)


_WHOLE: Final = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "JPY",
        "KMF",
        "KRW",
        "MGA",
        "PYG",
        "RWF",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
_THOUSANDTHS: Final = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])
"""Stripe's currencies without minor units, and with three places; all others have two there, whatever ISO says."""

_NO_TENANT: Final = "name the tenant in billing_ids of the registry, {vendor} = {customer!r}"
_CUT: Final = "export all of its lines"


def lines_of(vendor: str, invoice: Invoice, customers: Customers) -> Iterator[Row]:
    """The rows of an invoice.

    Args:
        vendor: of `VENDORS`.
        invoice: as the vendor writes it.
        customers: who the tenants are.

    Raises:
        Defect: if it is none, is cut off, or is of a customer that nobody knows.
    """
    try:
        yield from VENDORS[vendor](invoice, customers)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Defect(
            f"no invoice of {vendor}: {type(error).__name__} {error}"[:200],
            "export it again, as JSON",
        ) from None


def _reversed(rows: Iterable[Row], is_void: bool) -> Iterator[Row]:
    for row in rows:
        yield row
        if is_void:
            amount = format_money(-parse_money(row["amount"]))
            yield {**row, "amount": amount, "ref": f"{row['ref']}:void"}


def _tenant(vendor: str, customer: str, own: object, customers: Customers) -> str:
    found = customers(vendor, customer) or own
    if not isinstance(found, str) or not found:
        remedy = _NO_TENANT.format(vendor=vendor, customer=customer)
        raise Defect(f"no tenant for the customer {customer!r} of {vendor}", remedy)
    return found


def _table(value: object) -> Mapping[str, Any]:
    """An object of JSON, empty where there is none. Raises TypeError for something else."""
    if not isinstance(value, (dict, type(None))):
        raise TypeError(f"{str(value)[:40]!r} is no object")
    return cast("Mapping[str, Any]", value or {})


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(int(seconds), timezone.utc).isoformat()


# --- Stripe ---


def _stripe(invoice: Invoice, customers: Customers) -> Iterator[Row]:
    status = invoice["status"]
    if invoice.get("object", "invoice") != "invoice" or status == "draft":
        return
    customer = invoice["customer"]
    if not isinstance(customer, str):
        customer = _table(customer)["id"]
    own = _table(invoice.get("metadata")).get("tenant")
    tenant = _tenant("stripe", str(customer), own, customers)
    lines = invoice["lines"]
    if lines.get("has_more"):
        raise Defect(f"invoice {invoice['id']} has more lines than are in this file", _CUT)
    rows = (_stripe_line(line, tenant) for line in lines["data"])
    yield from _reversed(rows, status == "void")


def _stripe_line(line: Mapping[str, Any], tenant: str) -> Row:
    currency = str(line["currency"]).upper()
    places = 0 if currency in _WHOLE else 3 if currency in _THOUSANDTHS else 2
    amount = _whole(line["amount"])
    amount -= sum(_whole(one["amount"]) for one in line.get("discount_amounts") or ())
    amount -= sum(
        _whole(one["amount"]) for one in line.get("tax_amounts") or () if one["inclusive"]
    )
    taxes = line.get("taxes") or ()
    amount -= sum(_whole(one["amount"]) for one in taxes if one["tax_behavior"] == "inclusive")
    kind, seats = _stripe_kind(line)
    begin = _whole(line["period"]["start"])  # of a single item it is the end as well
    return {
        "tenant": tenant,
        "from": _instant(begin),
        "to": _instant(max(_whole(line["period"]["end"]), begin + 1)),
        "amount": format_money(amount * ATTO // 10**places),
        "currency": currency,
        "kind": kind,
        "source": "stripe",
        "ref": f"stripe:{line['id']}",
        "feature": str(_table(line.get("metadata")).get("feature") or ""),
        "seats": seats,
    }


def _stripe_kind(line: Mapping[str, Any]) -> tuple[str, str]:
    """A metered price is usage; a licensed one of a quantity is seats; what says so is a sale of credit."""
    metadata: Mapping[str, Any] = _table(line.get("metadata"))
    recurring = _table(_stripe_price(line).get("recurring"))
    if metadata.get("kind") in ("seat", "flat", "usage", "credit"):
        kind = str(metadata["kind"])
    elif recurring.get("usage_type") == "metered":
        kind = "usage"
    else:
        kind = "seat" if recurring and (line.get("quantity") or 1) > 1 else "flat"
    return kind, str(_whole(line["quantity"])) if kind == "seat" and line.get("quantity") else ""


def _stripe_price(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """Since version 2025-03-31 of the API it stands within `pricing`, mostly by its id alone, which says nothing."""
    details = _table(_table(line.get("pricing")).get("price_details"))
    price = line.get("price") or details.get("price")
    return {} if isinstance(price, str) else _table(price)


def _whole(value: object) -> int:
    """Raises TypeError for what is no whole number: an amount must not be cut."""
    if type(value) is not int:
        raise TypeError(f"{value!r} is no whole number")
    return value


# --- Orb ---


def _orb(invoice: Invoice, customers: Customers) -> Iterator[Row]:
    status = invoice["status"]
    if status == "draft":
        return
    customer: Mapping[str, Any] = invoice["customer"]
    own = customer.get("external_customer_id")
    tenant = _tenant("orb", str(customer["id"]), own, customers)
    rows = (_orb_line(line, invoice, tenant) for line in invoice["line_items"])
    yield from _reversed(rows, status == "void")


def _orb_line(line: Mapping[str, Any], invoice: Invoice, tenant: str) -> Row:
    """Before credit is taken off, which was paid before, and counts as it is used."""
    amount = next(
        line[key]
        for key in ("adjusted_subtotal", "subtotal", "amount")
        if line.get(key) is not None
    )
    price: Mapping[str, Any] = line.get("price") or {}
    is_usage = price.get("price_type") == "usage_price"
    return {
        "tenant": tenant,
        "from": str(line["start_date"]),
        "to": str(line["end_date"]),
        "amount": format_money(parse_money(amount)),
        "currency": str(invoice["currency"]).upper(),
        "kind": "usage" if is_usage else "flat",
        "source": "orb",
        "ref": f"orb:{line['id']}",
        "feature": str(_table(price.get("metadata")).get("feature") or ""),
        "seats": "",
    }


# --- Metronome ---

_SALES: Final = ("commit_purchase",)
_APPLIED: Final = ("applied_commit", "applied_credit", "applied_commit_or_credit")
"""Lines that say what was paid before; what they pay for stands in lines of its own."""


def _metronome(invoice: Invoice, customers: Customers) -> Iterator[Row]:
    status = str(invoice["status"]).upper()
    if status.startswith("DRAFT"):
        return
    own = _table(invoice.get("customer_custom_fields")).get("tenant")
    tenant = _tenant("metronome", str(invoice["customer_id"]), own, customers)
    rows = _metronome_lines(invoice, tenant)
    yield from _reversed(rows, status == "VOID")


def _metronome_lines(invoice: Invoice, tenant: str) -> Iterator[Row]:
    """Lines have no ids of their own: each is named by what it says, and the how manyth such line it is."""
    seen: dict[str, int] = {}
    for line in invoice["line_items"]:
        if line.get("type") in _APPLIED:
            continue
        said = json.dumps(line, sort_keys=True, default=str).encode()
        name = blake2b(said, digest_size=8).hexdigest()
        seen[name] = seen.get(name, 0) + 1
        unit: Mapping[str, Any] = line.get("credit_type") or invoice["credit_type"]
        currency, _, minor = str(unit["name"]).partition(" ")
        amount = parse_money(line["total"])
        if minor == "(cents)":
            amount, rest = divmod(amount, 100)
            if rest:
                raise ValueError("an amount finer than 1e-18")
        begin = line.get("starting_at") or invoice["start_timestamp"]
        is_sale = line.get("type") in _SALES
        yield {
            "tenant": tenant,
            "from": str(begin),
            "to": str(line.get("ending_before") or invoice["end_timestamp"]),
            "amount": format_money(amount),
            "currency": currency.upper(),
            "kind": "credit" if is_sale else "usage" if line.get("type") == "usage" else "flat",
            "source": "metronome",
            "ref": f"metronome:{invoice['id']}:{name}:{seen[name]}",
            "feature": "",
            "seats": "",
        }


VENDORS: Final[Mapping[str, Callable[[Invoice, Customers], Iterator[Row]]]] = {
    "stripe": _stripe,
    "orb": _orb,
    "metronome": _metronome,
}
"""Whose invoices can be read."""


def invoices_in(document: object) -> tuple[list[Invoice], bool]:
    """The invoices of a document: one, a list, or a page of the API; and whether it says that more follow.

    Args:
        document: as JSON has it.

    Raises:
        TypeError: if it is something else.
    """
    if isinstance(document, list):
        found = [invoices_in(one) for one in cast("list[object]", document)]
        return [one for part, _ in found for one in part], any(more for _, more in found)
    if not isinstance(document, dict):
        raise TypeError("neither an invoice nor a list of them")
    table = cast("dict[str, Any]", document)
    if isinstance(table.get("data"), list):
        paging: Mapping[str, Any] = table.get("pagination_metadata") or {}
        more = table.get("has_more") or paging.get("has_more") or table.get("next_page")
        return invoices_in(table["data"])[0], bool(more)
    if isinstance(table.get("data"), dict) and "object" in table["data"]:
        return invoices_in(table["data"]["object"])  # an event
    return [table], False
