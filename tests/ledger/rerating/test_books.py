"""Books that cannot be had: what names one is booked nevertheless, and says so."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from otel_genai_cost.journal.books import store_book
from otel_genai_cost.ledger.rerating.books import Books
from tests.ledger.build import BOOK, observe


@pytest.mark.parametrize(
    "written",
    [b'{"at": "%s"}', b"no JSON %s", b'{"schema": "otel-genai-cost/9", "at": "%s"}'],
    ids=["no book", "no JSON", "newer"],
)
def test_book_that_cannot_be_read_is_nobodys(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, written: bytes
) -> None:
    """Any sender can send one, and all else is to be booked."""
    lock = written % str(tmp_path).encode()
    digest = sha256(lock).hexdigest()
    assert Books([tmp_path]).get(digest) is None
    assert caplog.messages == []
    store_book(tmp_path, digest, lock)
    for _ in range(2):  # another process would say it again
        assert Books([tmp_path]).rate_again(observe(1), digest) is None
    (said,) = caplog.messages
    assert f"books/{digest}.json" in said


def test_book_as_known_at_no_instant_is_nobodys(tmp_path: Path) -> None:
    books = Books([tmp_path])
    for known in ("", "now", "-1", "1" * 5_000):
        assert books.rate_again(observe(1), f"{BOOK.digest}@{known}") is None
    assert books.rate_again(observe(1), f"{BOOK.digest}@{observe(1).end_us}") is not None


def test_book_that_comes_late_is_found(tmp_path: Path) -> None:
    books = Books([tmp_path])
    lock = BOOK.lock + b"\n"
    digest = sha256(lock).hexdigest()
    names = (digest, f"{digest}@{observe(1).end_us}")
    assert [books.get(name) for name in names] == [None, None]
    store_book(tmp_path, digest, lock)
    assert [found and found.digest for found in map(books.get, names)] == list(names)
