"""Re-rating: signed entries beside the originals, with any book, as often as one likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.journal.books import store_book
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.charge import charges
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.rerating.active_terms import Terms
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.ledger.rerating.rerate import assess, rerate
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.tenancy.attribution import Attribution
from tests.ledger.build import BOOK, START_US, observe, tenant

_OTHER_BOOK = """
schema = "otel-genai-cost/1"
[[source]]
id = "contract"
name = "a price list of our own"
url = "https://example.com/prices"
seen_at = 2026-11-01T00:00:00Z
[[provider]]
id = "openai"
[[model]]
id = "gpt-4o-2024-08-06"
provider = "openai"
[[model]]
id = "house-model"
provider = "openai"
[[price]]
model = "openai/gpt-4o-2024-08-06"
from = 2024-01-01T00:00:00Z
recorded_at = 2026-11-01T00:00:00Z
source = "contract"
input = 5
output = 20
[[price]]
model = "openai/house-model"
from = 2024-01-01T00:00:00Z
recorded_at = 2026-11-01T00:00:00Z
source = "contract"
input = 1
output = 1
"""


def _other_book(folder: Path) -> Book:
    path = folder / "prices.toml"
    path.write_text(_OTHER_BOOK)
    return load_book(path)


def _home(folder: Path) -> Ledger:
    journal = Journal([folder / "journal"])
    journal.append(to_record(observe(1)))
    journal.append(to_record(observe(2, trace=2, start_s=60, end_s=61, model="house-model")))
    journal.close()
    store_book(folder / "journal", BOOK.digest, BOOK.lock)
    ship(folder, [folder / "journal"], drain=True)
    return Ledger(folder / LEDGER_FILE)


def test_difference_is_booked_beside_the_original(tmp_path: Path) -> None:
    ledger, other = _home(tmp_path), _other_book(tmp_path)
    before = list(ledger.entries)
    list(rerate(ledger, other, Books([tmp_path / "journal"]), now_us=1))
    entries = list(ledger.entries)
    assert entries[: len(before)] == before
    assert {entry.cause for entry in entries[len(before) :]} == {"rerated"}
    totals = {charge.positions[0].model: charge.positions[0].amount for charge in charges(ledger)}
    # 1,000 in and 100 out: twice the list price of gpt-4o, and $1 a million for the house's own
    assert totals["gpt-4o-2024-08-06"] == parse_money("0.007")
    assert totals["house-model"] == parse_money("0.0011")
    assert sum(entry.unpriced for entry in entries) == 0


def test_dry_run_books_nothing(tmp_path: Path) -> None:
    ledger, other = _home(tmp_path), _other_book(tmp_path)
    found = list(rerate(ledger, other, Books([tmp_path / "journal"]), now_us=1, dry_run=True))
    assert len(found) == 2
    assert ledger.entries.last_seq() == 2


def test_same_book_again_changes_nothing(tmp_path: Path) -> None:
    ledger, other = _home(tmp_path), _other_book(tmp_path)
    books = Books([tmp_path / "journal"])
    list(rerate(ledger, other, books, now_us=1))
    assert list(rerate(ledger, other, books, now_us=2)) == []


def test_there_and_back_nets_to_the_first_figure(tmp_path: Path) -> None:
    ledger, other = _home(tmp_path), _other_book(tmp_path)
    books = Books([tmp_path / "journal"])
    before = {charge.charge_id: charge.positions[0].amount for charge in charges(ledger)}
    list(rerate(ledger, other, books, now_us=1))
    list(rerate(ledger, BOOK, books, now_us=2))
    assert {c.charge_id: c.positions[0].amount for c in charges(ledger)} == before


def test_member_that_comes_after_a_rerate_is_rated_with_its_book(tmp_path: Path) -> None:
    ledger, other = _home(tmp_path), _other_book(tmp_path)
    list(rerate(ledger, other, Books([tmp_path / "journal"]), now_us=1))
    ledger.close()
    journal = Journal([tmp_path / "journal"])
    richer = observe(9, above=(1,), start_s=0, end_s=1, parts={"reasoning": 40})
    journal.append(to_record(richer))
    journal.close()
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    again = Ledger(tmp_path / LEDGER_FILE, readonly=True)
    totals = {charge.positions[0].model: charge.positions[0].amount for charge in charges(again)}
    assert totals["gpt-4o-2024-08-06"] == parse_money("0.007")


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "told twice"])
def test_a_charge_stays_whose_it_is_booked(tmp_path: Path, plain: bool) -> None:
    """Whom it was for, only a wrapper above told, which is a member of no charge."""
    journal = Journal([tmp_path / "journal"])
    nobody = Attribution()
    told = [observe(2, above=(1,), end_s=2, attribution=nobody, response_id="r")]
    told += [] if plain else [observe(3, above=(1,), end_s=3, attribution=nobody, response_id="r")]
    told += [observe(1, end_s=4, role="context", tokens=None, attribution=tenant("globex"))]
    for observed in told:
        journal.append(to_record(observed))
    journal.close()
    store_book(tmp_path / "journal", BOOK.digest, BOOK.lock)
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    ledger = Ledger(tmp_path / LEDGER_FILE)
    assert [entry.attribution.tenant for entry in ledger.entries] == ["globex"]
    books = Books([tmp_path / "journal"])
    other = _other_book(tmp_path)
    for book in (BOOK, other):
        for one in rerate(ledger, book, books, now_us=START_US, dry_run=True):
            assert {entry.attribution.tenant for entry in one.entries} == {"globex"}
        (before, after) = next(iter(assess(ledger, Terms(book), books)))[1:3]
        assert [one.attribution for one in before] == [one.attribution for one in after]
    ledger.close()
