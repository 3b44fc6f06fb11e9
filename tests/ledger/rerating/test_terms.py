"""Shipping by a book and contracts: what lands later is booked as entries, and never twice."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.contracts.contract import Contracts
from otel_genai_cost.ledger.contracts.file import read_contracts
from otel_genai_cost.ledger.daemon import LEDGER_FILE, Shipped, ship
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.ledger.rerating.rerate import rerate
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.book import NO_BOOK, Book
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.pricing.money import parse_money
from tests.ledger.build import BOOK, observe, tenant
from tests.pricing.books import price_file

HOUSE = price_file("house-model", "input = 1\noutput = 1")
HALF = """
schema = "otel-genai-cost-contracts/1"
[[contract]]
id = "half"
source = "a letter"
order = 1
from = 2026-01-01T00:00:00Z
match = { tenant = "acme" }
multiplier = 0.5
"""
_LIST = parse_money("0.0035")
"""1,000 input at $2.50 and 100 output at $10 a million tokens."""


def _house_book(folder: Path, more: str = "") -> Book:
    path = folder / "house.toml"
    path.write_text(HOUSE + more)
    return load_book(path)


def _contracts(text: str = HALF) -> Contracts:
    return read_contracts(text.encode())


def _journal(folder: Path, spans: range, model: str = "house-model") -> None:
    journal = Journal([folder / "journal"])
    for n in spans:
        journal.append(to_record(observe(n, trace=n, start_s=n, end_s=n + 1, model=model)))
    journal.close()


def _ship(home: Path, book: Book | None = None, contracts: Contracts | None = None) -> Shipped:
    ask_book: Callable[[], Book] | None = None if book is None else lambda: book
    ask_contracts: Callable[[], Contracts] | None = None if contracts is None else lambda: contracts
    return ship(home, [home / "journal"], drain=True, book=ask_book, contracts=ask_contracts)


def _entries(home: Path) -> list[Entry]:
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    entries = list(ledger.entries)
    ledger.close()
    return entries


def test_row_that_lands_explains_what_was_unpriced(tmp_path: Path) -> None:
    _journal(tmp_path, range(1, 4))
    _journal(tmp_path, range(4, 6), "gpt-4o-2024-08-06")
    assert _ship(tmp_path, BOOK).rerated == 0
    before = _entries(tmp_path)
    assert _ship(tmp_path, _house_book(tmp_path)).rerated == 6  # reversed, and booked in full
    entries = _entries(tmp_path)
    assert entries[: len(before)] == before
    assert {entry.cause for entry in entries[len(before) :]} == {"rerated"}
    assert sum(entry.unpriced for entry in entries) == 0
    assert sum(entry.calls for entry in entries) == 5
    # 1,100 tokens at $1 a million each, beside two calls at the list price
    assert sum(entry.amount for entry in entries) == 3 * parse_money("0.0011") + 2 * _LIST
    assert _ship(tmp_path, _house_book(tmp_path)).rerated == 0


def test_call_that_comes_after_the_row_is_explained_as_well(tmp_path: Path) -> None:
    house = _house_book(tmp_path)
    _journal(tmp_path, range(1, 2))
    assert _ship(tmp_path, house).rerated == 2
    _journal(tmp_path, range(2, 4))  # its application has the old book still
    assert _ship(tmp_path, house).rerated == 4
    assert sum(entry.unpriced for entry in _entries(tmp_path)) == 0


def test_book_that_knows_no_more_changes_nothing(tmp_path: Path) -> None:
    _journal(tmp_path, range(1, 3))
    _journal(tmp_path, range(3, 5), "gpt-4o-2024-08-06")
    _ship(tmp_path, BOOK)
    for book in (NO_BOOK, BOOK):
        assert _ship(tmp_path, book).rerated == 0
    assert len(_entries(tmp_path)) == 4


def test_partial_charge_gets_the_rate_that_was_missing(tmp_path: Path) -> None:
    journal = Journal([tmp_path / "journal"])
    journal.append(to_record(observe(1, model="house-model", parts={"cache_read": 400})))
    journal.close()
    _ship(tmp_path, _house_book(tmp_path))
    assert [entry.reason for entry in _entries(tmp_path)][-1] == "unpriced_component"
    _ship(tmp_path, _house_book(tmp_path, "cache_read = 0.5\n"))
    entries = _entries(tmp_path)
    assert sum(entry.unpriced for entry in entries) == 0
    assert sum(entry.amount for entry in entries) == parse_money("0.0009")  # 700 at 1, 400 at 0.5


def test_contracts_are_applied_as_calls_are_booked(tmp_path: Path) -> None:
    _journal(tmp_path, range(1, 3), "gpt-4o-2024-08-06")
    contracts = _contracts()
    _ship(tmp_path, BOOK, contracts)
    for entry in _entries(tmp_path):
        assert [line.kind for line in entry.lines] == ["list", "list", "discount", "discount"]
        assert entry.amount == sum(line.amount for line in entry.lines) == _LIST // 2
        assert entry.contracts == contracts.digest


def test_ledger_remembers_its_contracts(tmp_path: Path) -> None:
    _ship(tmp_path, BOOK, _contracts())
    _journal(tmp_path, range(1, 2), "gpt-4o-2024-08-06")
    _ship(tmp_path, BOOK)
    (entry,) = _entries(tmp_path)
    assert entry.amount == _LIST // 2
    (tmp_path / LEDGER_FILE).unlink()  # rebuilt from the journal, it goes by the same contracts
    _ship(tmp_path, BOOK)
    (entry,) = _entries(tmp_path)
    assert entry.amount == _LIST // 2
    _ship(tmp_path, BOOK, _contracts())
    (tmp_path / "contracts.json").unlink()
    with pytest.raises(LedgerError, match="pass --contracts"):
        _ship(tmp_path, BOOK)


def test_changed_contracts_touch_what_is_booked_only_when_asked(tmp_path: Path) -> None:
    _journal(tmp_path, range(1, 3), "gpt-4o-2024-08-06")
    _ship(tmp_path, BOOK, _contracts())
    quarter = _contracts(HALF.replace("0.5", "0.25"))
    assert _ship(tmp_path, BOOK, quarter).entries == 0
    ledger = Ledger(tmp_path / LEDGER_FILE)
    books = Books([tmp_path / "journal"])
    list(rerate(ledger, None, books, now_us=1, contracts=quarter))
    entries = list(ledger.entries)
    assert sum(entry.amount for entry in entries) == 2 * _LIST // 4
    assert {entry.cause_id for entry in entries[2:]} == {quarter.digest}
    assert list(rerate(ledger, None, books, now_us=2, contracts=quarter)) == []
    ledger.close()


def test_rerate_with_a_book_keeps_to_the_contracts(tmp_path: Path) -> None:
    _journal(tmp_path, range(1, 2))
    _ship(tmp_path, BOOK, _contracts())
    _ship(tmp_path, _house_book(tmp_path))
    entries = _entries(tmp_path)
    assert sum(entry.amount for entry in entries) == parse_money("0.00055")


def test_exchange_rate_that_lands_prices_what_waited_for_it(tmp_path: Path) -> None:
    _journal(tmp_path, range(1, 2), "gpt-4o-2024-08-06")
    euro = HALF.replace("multiplier = 0.5", 'currency = "EUR"')
    _ship(tmp_path, BOOK, _contracts(euro))
    assert [entry.reason for entry in _entries(tmp_path)] == ["no_fx_rate"]
    fx = '[[fx]]\nbase = "USD"\nquote = "EUR"\nrate = 0.9\nfrom = 2026-01-01T00:00:00Z\nsource = "ECB"\n'
    _ship(tmp_path, BOOK, _contracts(euro + fx))
    entries = _entries(tmp_path)
    assert sum(entry.unpriced for entry in entries) == 0
    assert sum(e.amount for e in entries if e.currency == "EUR") == parse_money("0.00315")


def test_book_as_known_on_a_date_is_kept_and_found(tmp_path: Path) -> None:
    house = _house_book(tmp_path)
    known = house.as_known_on(1_793_600_000_000_000)
    Books([tmp_path]).keep(known)
    found = Books([tmp_path]).get(known.digest)
    assert found is not None
    assert found.digest == known.digest
    again = [book.tariff("openai", "house-model") for book in (known, found)]
    assert type(again[0]) is type(again[1])


def test_each_share_stays_with_its_tenant(tmp_path: Path) -> None:
    shared = tenant("acme")._replace(shares=(("acme", 1), ("globex", 3)))
    journal = Journal([tmp_path / "journal"])
    journal.append(to_record(observe(1, attribution=shared, model="house-model")))
    journal.close()
    _ship(tmp_path, _house_book(tmp_path), _contracts())
    sums: dict[str | None, int] = {}
    for entry in _entries(tmp_path):
        key = entry.attribution.tenant
        sums[key] = sums.get(key, 0) + entry.amount
    assert sums == {"acme": parse_money("0.0001375"), "globex": parse_money("0.000825")}


def _ship_forever(home: Path, begun: Event) -> None:
    house = load_book(home / "house.toml")
    begun.set()
    while True:
        ship(home, [home / "journal"], drain=True, book=lambda: house)


def test_killed_while_it_rates_again_books_everything_once(tmp_path: Path) -> None:
    calls = 4_000
    _journal(tmp_path, range(1, calls + 1))
    _ship(tmp_path, BOOK)
    house, draw = _house_book(tmp_path), random.Random(11)
    context = multiprocessing.get_context("spawn")
    for _ in range(6):
        begun = context.Event()
        shipper = context.Process(target=_ship_forever, args=(tmp_path, begun))
        shipper.start()
        begun.wait()
        time.sleep(draw.uniform(0.02, 0.25))
        assert shipper.pid is not None
        os.kill(shipper.pid, signal.SIGKILL)
        shipper.join()
    _ship(tmp_path, house)
    entries = _entries(tmp_path)
    assert sum(entry.calls for entry in entries) == calls
    assert sum(entry.unpriced for entry in entries) == 0
    assert sum(entry.amount for entry in entries) == calls * parse_money("0.0011")
    assert len(entries) == 3 * calls
