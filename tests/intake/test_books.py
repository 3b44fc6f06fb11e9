"""Price books on their way: by name first, and by their bytes once for each receiver, however many name them."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost.forwarding.answer import Answer
from otel_genai_cost.forwarding.destination import Destination, parse_address
from otel_genai_cost.forwarding.folder import JournalFolder, Life
from otel_genai_cost.forwarding.forwarder import Forwarder
from otel_genai_cost.forwarding.http_sender import HttpReceiver
from otel_genai_cost.forwarding.messages import Complaints
from otel_genai_cost.forwarding.wire import BookFile, Part, request_body
from otel_genai_cost.intake.disk import Disk
from otel_genai_cost.intake.offers import Offers
from otel_genai_cost.intake.replica import RefusedError, Replica
from otel_genai_cost.journal.books import store_book, stored_book
from otel_genai_cost.pricing.load import load_book
from tests.demo.processes import Children, children
from tests.intake.served import agent_begun, begun, journalled, wait_for_calls

_SENDERS: Final = 40


@pytest.fixture
def started() -> Iterator[Children]:
    with children() as found:
        yield found


class _Counting(HttpReceiver):
    """Counts the bytes of what it sends, request by request: those with a book, and those without."""

    def __init__(self, to: Destination) -> None:
        super().__init__(to)
        self.with_book: list[int] = []
        self.without: list[int] = []

    def send(self, parts: Sequence[Part], seen: Life | None) -> Answer:
        has_book = any(isinstance(part, BookFile) for part in parts)
        sizes = self.with_book if has_book else self.without
        sizes.append(len(gzip.compress(request_body(parts), 1)))
        return super().send(parts, seen)


def _sent(folder: Path, to: Destination) -> _Counting:
    """What a sender sends until all of its folder is there."""
    receiver = _Counting(to)
    forwarder = Forwarder(JournalFolder(folder), receiver, Complaints("there"))
    (segment,) = folder.glob("*.jsonl")
    while not forwarder.acknowledged(segment.stem, segment.stat().st_size):
        if forwarder.round() is not None:
            time.sleep(0.05)
    receiver.close()
    return receiver


@pytest.mark.parametrize("tokens", [0, 4], ids=["nobody has to say who it is", "four workloads"])
def test_forty_senders_send_a_book_once(tmp_path: Path, started: Children, tokens: int) -> None:
    ledger = begun(started, tmp_path)
    agent = agent_begun(started, tmp_path, f"http://{ledger.at}")
    book = load_book()
    senders: list[tuple[Path, Destination]] = []
    address = parse_address(f"http://{agent.at}")
    assert address is not None
    given = [agent.token(f"shop-{n}") for n in range(tokens)] or [""]
    for n in range(_SENDERS):
        folder = tmp_path / f"pod-{n}"
        journalled(folder, n + 1)
        store_book(folder, book.digest, book.lock)
        senders.append((folder, Destination(address, token=given[n % len(given)])))
    with ThreadPoolExecutor(_SENDERS) as pool:
        sent = list(pool.map(lambda one: _sent(*one), senders))
    assert wait_for_calls(ledger, _SENDERS)
    for served in (agent, ledger):
        assert served.metrics()["genai_cost_receiver_books_total"] == 1
    (brought,) = (sum(one.with_book) for one in sent if one.with_book)
    largest = max(size for one in sent for size in one.without)
    print(
        f"forty senders: one sent the book in {brought} bytes, no other request has over {largest}"
    )
    assert brought > 100_000
    assert largest < 20_000
    for name in {f"shop-{n}" for n in range(tokens)} or {"local"}:
        assert stored_book(agent.home / "journal" / name, book.digest) == book.lock


def test_a_book_that_another_sender_brought_is_kept_for_whoever_names_it(tmp_path: Path) -> None:
    replica, book = Replica(tmp_path / "journal", Disk()), load_book()
    list(replica.begin())
    for wanted in ("now", "later"):
        with pytest.raises(RefusedError) as refused:
            replica.look_for("shop", book.digest)
        assert refused.value.refusal.reason == "UNKNOWN_BOOK"
        assert refused.value.refusal.metadata == {"wanted": wanted}
    replica.take_book("shop", BookFile(book.digest, book.lock))
    for sender in ("shop", "other", "other"):
        replica.look_for(sender, book.digest)
        assert stored_book(replica.folder(sender), book.digest) == book.lock
    assert replica.taken_books == 1


def test_one_that_was_refused_may_be_sent_by_the_next(tmp_path: Path) -> None:
    replica = Replica(tmp_path / "journal", Disk(), reserve_bytes=1 << 60)
    list(replica.begin())
    book = load_book()
    for _ in range(2):
        with pytest.raises(RefusedError) as refused:
            replica.look_for("shop", book.digest)
        assert refused.value.refusal.metadata == {"wanted": "now"}
        with pytest.raises(RefusedError, match="disk is full"):
            replica.take_book("shop", BookFile(book.digest, book.lock))


def test_who_takes_a_turn_and_sends_nothing_holds_others_up_for_one_turn() -> None:
    offers = Offers()
    assert offers.take("rogue", "a", 0)
    assert not offers.take("rogue", "a", 1)
    assert not offers.take("shop", "a", 1)
    assert offers.take("shop", "b", 1)
    assert offers.take("rogue", "a", 10.5)
    assert not offers.take("shop", "a", 10.9)
    assert offers.take("shop", "a", 11.1)
    assert not offers.take("shop", "a", 12)


def test_a_clock_that_was_put_back_holds_nobody_up() -> None:
    offers = Offers()
    assert offers.take("shop", "a", 5_000)
    assert offers.take("shop", "a", 1_000)


def test_digests_that_somebody_makes_up_are_forgotten() -> None:
    offers = Offers()
    for n in range(10_000):
        offers.take("rogue", str(n), 1)
    assert len(offers._turns) <= 4_097
    assert offers.take("shop", "a", 2)
