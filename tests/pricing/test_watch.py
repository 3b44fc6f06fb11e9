"""Files that are read again when they change: whole or not at all."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.pricing.watch import Watched, reloads


class _File:
    """A file with a number, and how often it was read."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "number"
        self.reads = 0
        self.write("1")

    def write(self, text: str) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.replace(self.path)

    def read(self) -> int:
        self.reads += 1
        try:
            return int(self.path.read_text())
        except (OSError, ValueError) as error:
            raise ConfigurationError("no number", value=str(error)) from None


@pytest.fixture
def file(tmp_path: Path) -> _File:
    reloads.clear()
    return _File(tmp_path)


def _watched(file: _File) -> Watched[int]:
    return Watched("the number", file.read, [file.path])


def _look_twice(watched: Watched[int]) -> bool:
    return watched.refresh() or watched.refresh()


def test_unchanged_file_is_not_read_again(file: _File) -> None:
    watched = _watched(file)
    assert [watched.refresh() for _ in range(3)] == [False] * 3
    assert file.reads == 1


def test_changed_file_is_read_once_it_looks_the_same_twice(file: _File) -> None:
    watched = _watched(file)
    file.write("22")
    assert (watched.refresh(), watched.value) == (False, 1)
    file.write("333")  # somebody is writing still
    assert (watched.refresh(), watched.value) == (False, 1)
    assert (watched.refresh(), watched.value) == (True, 333)
    assert file.reads == 2
    assert reloads == {"loaded": 1}


def test_a_file_that_is_only_ever_replaced_is_read_at_once(file: _File) -> None:
    watched = Watched("the number", file.read, [file.path], at_once=True)
    file.write("22")
    assert watched.current() == 22
    assert (watched.refresh(), file.reads) == (False, 2)


def test_whoever_looks_while_another_thread_reads_does_not_get_the_old_value(file: _File) -> None:
    is_reading, may_end = threading.Event(), threading.Event()

    def read() -> int:
        found = file.read()
        if threading.current_thread() is other:
            is_reading.set()
            assert may_end.wait(20)
        return found

    other = threading.Thread(target=lambda: watched.refresh())
    watched = Watched("the number", read, [file.path], at_once=True)
    file.write("22")
    other.start()
    assert is_reading.wait(20)
    assert watched.current() == 22
    may_end.set()
    other.join()
    assert watched.value == 22


def test_broken_file_keeps_what_was_read_and_says_so_once(
    file: _File, caplog: pytest.LogCaptureFixture
) -> None:
    watched = _watched(file)
    file.write("no number")
    with caplog.at_level(logging.ERROR):
        assert not any(watched.refresh() for _ in range(4))
    assert watched.value == 1
    assert len(caplog.records) == 1
    assert "what was read before stays in use" in caplog.text
    file.write("4")
    assert _look_twice(watched)
    assert watched.value == 4
    assert reloads == {"failed": 1, "loaded": 1}


def test_file_that_goes_away_and_comes_back(file: _File) -> None:
    watched = _watched(file)
    file.path.unlink()
    assert not _look_twice(watched)
    assert watched.value == 1
    file.write("5")
    assert _look_twice(watched)
    assert watched.value == 5


def test_first_reading_raises_or_is_replaced(file: _File) -> None:
    file.write("none")
    with pytest.raises(GenAICostError, match="no number"):
        _watched(file)
    watched = Watched("the number", file.read, [file.path], lambda error: -1)
    assert watched.value == -1
    file.write("6")
    assert _look_twice(watched)
    assert watched.value == 6


def test_value_that_cannot_be_kept_is_not_used(file: _File) -> None:
    watched = _watched(file)
    file.write("7")

    def full(value: int) -> None:
        raise OSError("no space left")

    assert not (watched.refresh(full) or watched.refresh(full))
    assert watched.value == 1


def test_new_file_in_a_folder_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    watched = Watched("names", lambda: sorted(p.name for p in tmp_path.iterdir()), [tmp_path])
    (tmp_path / "b").touch()
    assert watched.refresh() or watched.refresh()
    assert watched.value == ["a", "b"]
