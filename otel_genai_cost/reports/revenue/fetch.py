"""Getting invoices from the API of Stripe, Orb or Metronome, page by page, by the standard library alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote, urlencode

from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.reports.revenue.vendors import Invoice
from otel_genai_cost.transport.asking import answer_of, base_of

__all__ = ["HOSTS", "fetch_invoices"]

HOSTS: Final[Mapping[str, str]] = {
    "stripe": "https://api.stripe.com",
    "orb": "https://api.withorb.com",
    "metronome": "https://api.metronome.com",
}
"""Where each vendor's API is."""

_REMEDY: Final = "check the key and the address, or import a file"
_PAGE: Final = "100"
_PAGES_MAX: Final = 100_000

Get = Callable[[str, Mapping[str, str]], dict[str, Any]]
"""The answer to a path and its parameters."""


def fetch_invoices(
    vendor: str,
    key: str,
    from_us: int | None,
    url: str = "",
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Invoice]:
    """Every invoice that a vendor has from a time on, with all of its lines.

    Args:
        vendor: of `HOSTS`.
        key: of its API.
        from_us: from when on an invoice was made, unix microseconds; None for all.
        url: where the API is, if not at the vendor's.
        sleep: waits before a request is tried again.

    Raises:
        ConfigurationError: if the API refuses, or cannot be reached in five tries.
    """
    base = base_of(url or HOSTS[vendor])

    def get(path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        query = f"?{urlencode(parameters)}" if parameters else ""
        headers = {"Authorization": f"Bearer {key}"}
        return answer_of(f"{base}{path}{query}", headers, _parsed, _REMEDY, sleep)

    yield from {"stripe": _stripe, "orb": _orb, "metronome": _metronome}[vendor](get, from_us)


def _parsed(content: bytes) -> dict[str, Any]:
    found: object = json.loads(content, parse_float=Decimal)
    if not isinstance(found, dict):
        raise ValueError("an answer that is no object")
    return dict(found)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _pages(
    get: Get, path: str, parameters: Mapping[str, str], after: Callable[[dict[str, Any]], Any]
) -> Iterator[dict[str, Any]]:
    """What all pages of a list have. `after` gives the parameters of the next page, or nothing."""
    more: Mapping[str, str] = {}
    for _ in range(_PAGES_MAX):
        page = get(path, {**parameters, **more})
        yield from page["data"]
        more = after(page)
        if not more:
            return


def _after_last(page: dict[str, Any]) -> dict[str, str]:
    """Stripe's: after the last that came."""
    return {"starting_after": page["data"][-1]["id"]} if page.get("has_more") else {}


def _stripe(get: Get, from_us: int | None) -> Iterator[Invoice]:
    """An invoice has its first ten lines with it; the rest is asked for."""
    asked = {"limit": _PAGE}
    if from_us is not None:
        asked["created[gte]"] = str(from_us // 1_000_000)
    for invoice in _pages(get, "/v1/invoices", asked, _after_last):
        if invoice["lines"].get("has_more"):
            path = f"/v1/invoices/{quote(invoice['id'], safe='')}/lines"
            lines = list(_pages(get, path, {"limit": _PAGE}, _after_last))
            invoice = {**invoice, "lines": {"data": lines, "has_more": False}}
        yield invoice


def _orb(get: Get, from_us: int | None) -> Iterator[Invoice]:
    asked = {"limit": _PAGE}
    if from_us is not None:
        asked["invoice_date[gte]"] = rfc3339(from_us)

    def after(page: dict[str, Any]) -> dict[str, str]:
        cursor = page["pagination_metadata"].get("next_cursor")
        return {"cursor": cursor} if cursor else {}

    yield from _pages(get, "/v1/invoices", asked, after)


def _metronome(get: Get, from_us: int | None) -> Iterator[Invoice]:
    """Customer by customer: there is no list of all invoices."""
    asked = {"limit": _PAGE}
    since = {} if from_us is None else {"starting_on": rfc3339(from_us)}

    def after(page: dict[str, Any]) -> dict[str, str]:
        following = page.get("next_page")
        return {"next_page": following} if following else {}

    for customer in list(_pages(get, "/v1/customers", asked, after)):
        path = f"/v1/customers/{quote(customer['id'], safe='')}/invoices"
        yield from _pages(get, path, {**asked, **since}, after)
