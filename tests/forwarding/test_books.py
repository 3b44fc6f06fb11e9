"""When a forwarder sends a price book: before lines that name it, and only where it is not there yet."""

from __future__ import annotations

from hashlib import sha256

import pytest

from otel_genai_cost.forwarding.folder import Life
from otel_genai_cost.forwarding.forwarder import Forwarder
from otel_genai_cost.forwarding.messages import Complaints
from otel_genai_cost.forwarding.wire import BookFile
from tests.forwarding.simulated import SimulatedFolder, SimulatedReceiver

_LOCK = b'{"a":1}'
_DIGEST = sha256(_LOCK).hexdigest()


def _forwarder(folder: SimulatedFolder, receiver: SimulatedReceiver) -> Forwarder:
    return Forwarder(folder, receiver, Complaints("http://ledger"))


def test_books_go_before_lines_and_once() -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    folder.locks[_DIGEST] = _LOCK
    folder.write("a", b"1\n")
    forwarder = _forwarder(folder, receiver)
    for _ in range(2):
        forwarder.round()
        folder.write("a", b"2\n")
    kinds = [type(part).__name__ for request in receiver.requests for part in request]
    assert kinds == ["BookOffer", "BookFile", "Lines", "Lines"]


def test_a_book_is_sent_once_by_all_processes_of_a_folder() -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    folder.locks[_DIGEST] = _LOCK
    folder.write("a", b"1\n")
    _forwarder(folder, receiver).round()
    again = _forwarder(folder, receiver)
    again.round()
    assert sum(isinstance(part, BookFile) for one in receiver.requests for part in one) == 1
    receiver.files, receiver.books = {}, {}
    folder.write("a", b"2\n")
    again.round()  # it has lost lines, and so perhaps the book
    again.round()
    assert receiver.books == {_DIGEST: _LOCK}
    receiver.life, receiver.books = Life("other", 1), {}
    folder.write("a", b"3\n")
    again.round()
    again.round()
    assert receiver.books == {_DIGEST: _LOCK}


def test_a_book_that_is_there_is_offered_and_not_sent() -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    folder.locks[_DIGEST] = receiver.books[_DIGEST] = _LOCK
    folder.write("a", b"1\n")
    forwarder = _forwarder(folder, receiver)
    forwarder.round()
    forwarder.round()
    kinds = [type(part).__name__ for request in receiver.requests for part in request]
    assert kinds == ["BookOffer", "Lines"]


def test_a_receiver_that_knows_no_offers_is_sent_the_book() -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    receiver.is_older = True
    folder.locks[_DIGEST] = _LOCK
    folder.write("a", b"1\n")
    forwarder = _forwarder(folder, receiver)
    assert forwarder.round() is None
    assert receiver.books == {_DIGEST: _LOCK}
    folder.write("a", b"2\n")
    assert forwarder.round() is None
    kinds = [type(part).__name__ for request in receiver.requests for part in request]
    assert kinds == ["BookOffer", "BookFile", "Lines", "Lines"]


def test_while_another_sends_the_book_lines_wait_for_it(caplog: pytest.LogCaptureFixture) -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    receiver.wanted = "later"
    folder.locks[_DIGEST] = _LOCK
    folder.write("a", b"1\n")
    forwarder = _forwarder(folder, receiver)
    failed = forwarder.round()
    assert failed is not None and failed.refusal is not None
    assert failed.refusal.reason == "UNKNOWN_BOOK"
    assert receiver.files == {} == receiver.books
    receiver.books[_DIGEST] = _LOCK
    assert forwarder.round() is None
    assert bytes(receiver.files["a"]) == b"1\n"
    assert caplog.text == ""


def test_a_book_that_is_not_what_its_name_says_holds_no_line_up() -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    folder.locks[_DIGEST] = b"torn"
    folder.write("a", b"1\n")
    assert _forwarder(folder, receiver).round() is None
    assert (receiver.books, bytes(receiver.files["a"])) == ({}, b"1\n")
