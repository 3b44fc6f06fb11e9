"""What calls are priced by: the book and the contracts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from otel_genai_cost.cli.doctor.check import Found, failed, fine, judged
from otel_genai_cost.cli.home import Home
from otel_genai_cost.cli.ledger_settings import load_ledger_settings
from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.contracts.file import load_contracts
from otel_genai_cost.ledger.storage.keeping import CONTRACTS_FILE
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.pricing.catalogue import ages
from otel_genai_cost.pricing.layers import load_layers

__all__ = ["contracts", "price_book"]

_DAY_US: Final = 86_400_000_000


def price_book(_: Home) -> Iterator[Found]:
    """The book with its overlays, its age, and providers whose prices nobody has looked at."""
    settings = load_settings().settings
    try:
        book = load_layers(settings.book, settings.overlays)
    except GenAICostError as error:
        yield failed("price book", "cannot be used", str(error).splitlines()[0])
        return
    now_us, limit = time.time_ns() // 1000, settings.stale_book_days
    age_days = (now_us - book.newest_recorded_at_us) // _DAY_US
    seen = f"{book.digest[:12]}, {book.rows} rows, newest {age_days} days old"
    remedy = "upgrade otel-genai-cost, set OTEL_GENAI_COST_BOOK, or fetch a newer book"
    yield judged("price book", age_days <= limit, seen, remedy)
    every = ages(book)
    stale = [age.provider for age in every if age.days(now_us) > limit]
    found = f"{len(stale)} of {len(every)} not looked at for {limit} days"
    names = ", ".join(stale[:5]) + ("" if len(stale) <= 5 else ", …")
    yield judged("providers' prices", not stale, found, f"{names}: see `genai-cost prices stale`")


def contracts(home: Home) -> Iterator[Found]:
    """Only where there are any: list prices need no check."""
    path = load_ledger_settings().contracts
    if path is None and not (home.folder / CONTRACTS_FILE).exists():
        return
    try:
        agreed = load_contracts(path or home.folder / CONTRACTS_FILE)
    except GenAICostError as error:
        yield failed("contracts", "cannot be used", str(error).splitlines()[0])
    else:
        yield fine("contracts", f"{len(agreed.contracts)}, {str(agreed.digest)[:12]}")
