"""The latest charges of a row are what reading the whole ledger gives, whatever was corrected, shared or merged."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from otel_genai_cost.ledger.charge import net_charge
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.posting.post import net, post
from otel_genai_cost.ledger.sink import feed
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.tenants.directory import directory_of
from otel_genai_cost.ledger.tenants.row import TenantRow
from otel_genai_cost.pricing.cost import Line, Rate
from otel_genai_cost.reports.latest import books_of, latest_charges
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.vocabulary import Cause
from otel_genai_exporters.duckdb import DuckDBSink
from tests.cli.homes import held
from tests.ledger.build import SECOND_US, START_US

_MOST: Final = 4
_TENANTS: Final = ("a", "b", "c", "often second", None)
_MODELS: Final = ("gpt-4o", "<script>", None)
_FEATURES: Final = ("draft", "-", None)
_HALF: Final = Selection(START_US + 100 * SECOND_US, START_US + 300 * SECOND_US)
_MERGED: Final = Selection(
    directory=directory_of(
        [
            TenantRow("a", 0, None, {"name": "Acme"}),
            TenantRow("b", START_US + 200 * SECOND_US, None, {}, merged_into="a"),
        ]
    )
)


_SELECTIONS: Final = {
    "everything": EVERYTHING,
    "half": _HALF,
    "merged": _MERGED,
    "tenants": Selection(tenants=("a", "unattributed")),
    "models": Selection(models=("-",)),
}


class _Books:
    """A ledger whose charges change again and again: nothing of what the reports see of them stays as it was."""

    def __init__(self, path: Path, seed: int) -> None:
        self.ledger, self._draw = Ledger(path), random.Random(seed)
        self._ids: list[str] = []

    def post(self, count: int) -> None:
        with self.ledger.transaction():
            for _ in range(count):
                is_new = not self._ids or self._draw.random() < 0.5
                if is_new:
                    self._ids.append(f"{self._draw.getrandbits(128):032x}")
                self._post(self._ids[-1] if is_new else self._draw.choice(self._ids))
                if self._draw.random() < 0.1:
                    self._post(f"{self._draw.getrandbits(128):032x}", "reconciled")

    def _post(self, charge_id: str, cause: Cause = "charged") -> None:
        posted = net(self.ledger.entries.of(charge_id))
        at_us = START_US + len(self._ids) * SECOND_US
        if posted is not None and posted.positions:
            at_us = posted.positions[0].occurred_us
        entries = post(
            charge_id,
            tuple(self._positions(at_us)),
            posted,
            cause="enriched" if posted else cause,
            cause_id=None,
            booked_us=at_us,
        )
        self.ledger.entries.append(entries)

    def _positions(self, at_us: int) -> Iterator[Position]:
        """None for one that was merged into another; several of one that is shared, the first with the counts."""
        kind = self._draw.random()
        who = self._draw.sample(_TENANTS[:4], 3) if kind < 0.3 else [self._draw.choice(_TENANTS)]
        model, feature = self._draw.choice(_MODELS), self._draw.choice(_FEATURES)
        amount = self._draw.choice((0, 0, 5, 7))
        for n, tenant in enumerate(() if kind > 0.9 else sorted(who, key=str)):
            rate = Rate(amount, 1, "0.000001", 1)
            yield Position(
                occurred_us=at_us,
                attribution=Attribution(
                    tenant, "edge", None, "user", {"feature": feature} if feature else {}
                ),
                service=None,
                provider="openai",
                model=model,
                operation="chat",
                currency="USD",
                reason=None,
                quality="reported",
                book=f"book-{self._draw.randrange(2)}",
                calls=1 if n == 0 else 0,
                unpriced=0,
                usage={"search": 1},
                lines=(Line("share", "search", 1, rate, amount),) if amount else (),
            )


def _read_whole(ledger: Ledger, selection: Selection) -> Mapping[tuple[str, str | None], object]:
    """The latest of every value, by reading every charge."""
    found: dict[tuple[str, str | None], deque[object]] = defaultdict(lambda: deque(maxlen=_MOST))
    for booked in ledger.scan.charges(with_response_ids=False):
        charge = net_charge(booked)
        for position in filter(selection.has, charge.positions if charge else ()):
            who = position.attribution
            tenant = selection.tenant_of(who.tenant, position.occurred_us)
            found["tenant", tenant].append((booked.charge_id, position))
            found["model", position.model].append((booked.charge_id, position))
            found["feature", who.labels.get("feature")].append((booked.charge_id, position))
    return {key: list(latest) for key, latest in found.items()}


class _Home(NamedTuple):
    """A ledger and its store, the last entry that counts and the books of all up to it; more was booked since."""

    ledger: Ledger
    store: DuckDBSink
    until_seq: int
    books: list[str]
    expected: Mapping[str, Mapping[tuple[str, str | None], object]]


@pytest.fixture(scope="module", params=range(4))
def home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[_Home]:
    folder = tmp_path_factory.mktemp("latest")
    books, store = (
        _Books(folder / LEDGER_FILE, request.param),
        DuckDBSink(folder / "charges.duckdb"),
    )
    books.post(400)
    ledger = books.ledger
    until_seq, named = ledger.entries.last_seq(), {entry.book for entry in ledger.entries}
    expected = {name: _read_whole(ledger, one) for name, one in _SELECTIONS.items()}
    books.post(100)
    feed(ledger, store)
    with held(folder):
        yield _Home(ledger, store, until_seq, sorted(filter(None, named)), expected)
    ledger.close()


@pytest.mark.parametrize("which", _SELECTIONS)
def test_latest_are_those_of_the_whole_ledger(which: str, home: _Home) -> None:
    selection, expected = _SELECTIONS[which], home.expected[which]
    shown = _values(expected)
    found = latest_charges(home.store, home.ledger, shown, selection, home.until_seq, _MOST)
    assert found == expected
    assert sum(map(len, found.values())) > _MOST


def _values(keys: Mapping[tuple[str, str | None], object]) -> dict[str, Sequence[str | None]]:
    return {
        name: [value for one, value in keys if one == name]
        for name in ("tenant", "model", "feature")
    }


def test_only_what_is_asked_for_is_answered(home: _Home) -> None:
    shown: dict[str, Sequence[str | None]] = {
        "tenant": ["a", "nobody has this'; --"],
        "model": [None],
    }
    found = latest_charges(home.store, home.ledger, shown, EVERYTHING, home.until_seq, _MOST)
    assert found.keys() == {("tenant", "a"), ("tenant", "nobody has this'; --"), ("model", None)}
    assert not found["tenant", "nobody has this'; --"]


def test_books_are_those_of_entries_that_count(home: _Home) -> None:
    assert books_of(home.store, home.until_seq) == home.books
    assert books_of(home.store, 0) == []
