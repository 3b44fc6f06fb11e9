"""Price files: what is wrong is told with file, line and remedy, all of it in one go."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.errors import (
    ConfigurationError,
    FormatTooNewError,
    PriceBookError,
    Problem,
)
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.load import FILE_LIMIT_BYTES, canonical, load_book, lock_of, read_lock
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.usage.leaves import partition
from tests.pricing.books import AT_US, HEAD, book_from, book_of, document, model

GOOD = model("m", "input = 2.50", "output = 10")
MODEL_LINE = HEAD.count("\n") + 1
PRICE_LINE = MODEL_LINE + 3


def problems_of(folder: Path, text: str) -> tuple[Problem, ...]:
    with pytest.raises(PriceBookError) as raised:
        book_of(folder, text)
    assert all(problem.remedy for problem in raised.value.problems)
    return raised.value.problems


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("input", "inptu", PRICE_LINE, "unknown key 'inptu'"),
        ("2.50", "1.0399999999999998", PRICE_LINE, "looks like a float"),
        ("2.50", "-2", PRICE_LINE, "below zero"),
        ("2.50", "0.0", PRICE_LINE, "zero"),
        ("2.50", "nan", PRICE_LINE, "not a finite amount"),
        ("2.50", "1e999999999", PRICE_LINE, "not a finite amount"),
        ("2.50", "true", PRICE_LINE, "not a decimal amount"),
        ("2.50", "[2]", PRICE_LINE, "not a decimal amount"),
        ("2.50", "1e-20", PRICE_LINE, "finer than 1e-18"),
        ("from = 2026-01-01T00:00:00Z", "from = 2026-01-01T00:00:00", PRICE_LINE, "from is"),
        ("from = 2026-01-01T00:00:00Z", "from = 2026-01-01", PRICE_LINE, "from is"),
        ("from = 2026-01-01T00:00:00Z", "from = 9999-12-31T23:59:59-23:59", PRICE_LINE, "from is"),
        ("recorded_at = 2026-01-01T00:00:00Z\n", "", PRICE_LINE, "without 'recorded_at'"),
        ('source = "page"\ninput', "input", PRICE_LINE, "without 'source'"),
        ('source = "page"\ninput', 'source = "blog"\ninput', PRICE_LINE, "'blog' is not listed"),
        ('model = "acme/m"', 'model = "acme/n"', PRICE_LINE, "'n' is not listed"),
        ('model = "acme/m"', 'model = "acne/m"', PRICE_LINE, "'m' is not listed"),
        ('model = "acme/m"', 'model = "m"', PRICE_LINE, "without 'provider'"),
        ('provider = "acme"', 'provider = "acne"', MODEL_LINE, "'acne' is not listed"),
        (
            "recorded",
            "to = 2025-01-01T00:00:00Z\nrecorded",
            PRICE_LINE,
            "the end must be after the start",
        ),
        ("output = 10", 'currency = "dollars"', PRICE_LINE, "currency is 'dollars'"),
        ("output = 10", "refuse = true", PRICE_LINE, "not both"),
        ("output = 10", "cache_read = 2.51", PRICE_LINE, "cache_read is above input"),
        ("input = 2.50\noutput = 10", "", PRICE_LINE, "needs rates"),
        ("output = 10", "tier = 5", PRICE_LINE, "tier is no table"),
        ("output = 10", "when = 5", PRICE_LINE, "when is '5'"),
        ("output = 10", 'when = { moon = "full" }', PRICE_LINE, "unknown condition 'moon'"),
        ("output = 10", "when = { batch = false }", PRICE_LINE, "batch is False"),
        ("output = 10", 'when = { speed = "Fast" }', PRICE_LINE, "speed is 'Fast'"),
        ("output = 10", "when = { speed = [] }", PRICE_LINE, "speed is []"),
        ("output = 10", "when = { input_tokens_gt = 1.5 }", PRICE_LINE, "input_tokens_gt is"),
        (
            "output = 10",
            "when = { input_tokens_gt = 1, input_tokens_gte = 2 }",
            PRICE_LINE,
            "both of",
        ),
        ("output = 10", 'supersedes = "acme/m@1999"', PRICE_LINE, "no row of this model"),
        ('id = "m"', f'id = "{"m" * 257}"', MODEL_LINE, "id is"),
        ('id = "m"', 'id = "m"\naliases = "x"', MODEL_LINE, "aliases is 'x'"),
        ('id = "m"', 'id = "m"\naliases = [{ name = "x" }]', MODEL_LINE, "aliases is"),
        ('id = "m"', 'id = "m"\ncolour = "red"', MODEL_LINE, "unknown key 'colour'"),
    ],
)
def test_a_broken_entry_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, what: str
) -> None:
    assert old in GOOD
    told = [
        (p.line, f"{p.what}; {p.remedy}") for p in problems_of(tmp_path, GOOD.replace(old, new))
    ]
    assert any(at == line and what in text for at, text in told), told


def test_rows_that_contradict_each_other_are_told_at_the_later_one(tmp_path: Path) -> None:
    later = GOOD[GOOD.index("[[price]]") :].replace("from = 2026-01", "from = 2026-02")
    (problem,) = problems_of(tmp_path, GOOD + later)
    assert (problem.line, "overlaps" in problem.what) == (PRICE_LINE + 7, True)


def test_lists_of_conditions_overlap_word_by_word(tmp_path: Path) -> None:
    variants = (
        '[[price.variant]]\nwhen = { service_tier = ["fast", "flex"] }\ninput = 1\n'
        '[[price.variant]]\nwhen = { service_tier = "flex" }\ninput = 2\n'
    )
    (problem,) = problems_of(tmp_path, GOOD + variants)
    assert "overlaps" in problem.what


def test_tiers_go_up(tmp_path: Path) -> None:
    tiers = "".join(
        f"[[price.tier]]\nwhen = {{ input_tokens_gt = {n} }}\ninput = 3\n" for n in (200, 100)
    )
    assert "tier 100 follows 200" in problems_of(tmp_path, GOOD + tiers)[0].what


def test_a_name_means_one_thing_at_a_time(tmp_path: Path) -> None:
    other = model("n", "input = 1").replace('"acme"\n', '"acme"\naliases = ["M"]\n', 1)
    (problem,) = problems_of(tmp_path, GOOD + other)
    assert "alias 'm' is 'm''s already" in problem.what


def test_an_entry_that_stands_twice_is_told_once(tmp_path: Path) -> None:
    told = [problem.what for problem in problems_of(tmp_path, GOOD + GOOD)]
    assert told == ["model 'm' stands twice", "price 'acme/m@2026-01-01T00:00:00Z' stands twice"]


def test_all_problems_of_all_files_come_in_one_go(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(HEAD + GOOD.replace("2.50", "-1").replace("10", "0"))
    (tmp_path / "b.toml").write_text("not toml at all\n")
    (tmp_path / "c.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "d.toml").write_text('schema = "otel-genai-cost/2"\n[[prize]]\n')
    with pytest.raises(PriceBookError) as raised:
        load_book(tmp_path)
    files = [Path(problem.file).name for problem in raised.value.problems]
    assert sorted(files) == ["a.toml", "a.toml", "b.toml", "c.toml", "d.toml", "d.toml"]
    assert f"{tmp_path / 'a.toml'}:{PRICE_LINE}: input is '-1'" in str(raised.value)
    assert f"{tmp_path / 'b.toml'}:1: not TOML" in str(raised.value)


@pytest.mark.parametrize(
    "rewrite", [lambda text: b"\xef\xbb\xbf" + text, lambda text: text.replace(b"\n", b"\r\n")]
)
def test_a_byte_order_mark_and_crlf_change_nothing(
    tmp_path: Path, rewrite: Callable[[bytes], bytes]
) -> None:
    plain = book_of(tmp_path, GOOD)
    other = tmp_path / "other.toml"
    other.write_bytes(rewrite((HEAD + GOOD).encode()))
    assert load_book(other).digest == plain.digest


def test_a_price_file_cannot_be_too_large_or_endless(tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(FILE_LIMIT_BYTES + 1)
    with pytest.raises(PriceBookError, match="larger than"):
        load_book(large)
    with pytest.raises(ConfigurationError, match="cannot read the price book"):
        load_book(Path("/dev/zero"))
    with pytest.raises(ConfigurationError, match="cannot read the price book"):
        load_book(tmp_path / "nowhere.toml")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ConfigurationError, match=r"no \.toml file"):
        load_book(empty)


@pytest.mark.parametrize(
    "text",
    ["x = " + "[" * 50_000, "x = " + "1" * 50_000, "", "schema = 1", "price = [1]", "price = 1"],
)
def test_hostile_toml_is_a_problem_not_a_crash(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hostile.toml"
    path.write_text(text)
    with pytest.raises(PriceBookError):
        load_book(path)


def _rows(book: dict[str, Any], **changes: Any) -> None:
    book["prices"][0].update(changes)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: _rows(d, rates={"input": 2.5}),
        lambda d: _rows(d, rates={"input": 2}),
        lambda d: _rows(d, rates=["input"]),
        lambda d: _rows(d, when=["batch"]),
        lambda d: _rows(d, when={"service_tier": {"a": 1}}),
        lambda d: _rows(d, when={"service_tier": [["a"]]}),
        lambda d: _rows(d, **{"from": None}),
        lambda d: _rows(d, **{"from": 5}),
        lambda d: _rows(d, id=["x"]),
        lambda d: _rows(d, free="yes"),
        lambda d: d["models"][0].update(aliases=[5]),
        lambda d: d["sources"][0].update(url="javascript:alert(1)"),
        lambda d: d.update(prices={}),
        lambda d: d.update(prices=[None]),
        lambda d: d.pop("models"),
        lambda d: d.update(schema=7),
    ],
)
def test_a_lock_that_was_tampered_with_is_refused(spoil: Callable[[Any], None]) -> None:
    lock = json.loads(canonical(document([{"rates": {"input": "1"}}])))
    read_lock(json.dumps(lock).encode())
    spoil(lock)
    with pytest.raises(PriceBookError):
        read_lock(json.dumps(lock).encode())


@pytest.mark.parametrize("lock", [b"", b"\x00", b"[]", b"[" * 200_000, b"7", b'{"schema":NaN}'])
def test_what_is_no_lock_is_refused(lock: bytes) -> None:
    with pytest.raises(PriceBookError):
        read_lock(lock)


def test_a_lock_of_a_newer_major_version_says_so() -> None:
    with pytest.raises(FormatTooNewError, match="upgrade"):
        read_lock(b'{"schema":"otel-genai-cost/2"}')


def test_lock_and_source_are_the_same_book(tmp_path: Path) -> None:
    source = book_of(tmp_path, GOOD)
    path = tmp_path / "book.json"
    path.write_bytes(source.lock)
    lock = load_book(path)
    assert (lock.digest, lock.rows, lock.lock) == (source.digest, 1, source.lock)
    assert lock_of(tmp_path / "prices.toml") == source.lock
    assert json.loads(source.lock)["prices"][0]["rates"] == {"input": "2.5", "output": "10"}


def _input_rate(book: Book) -> str | None:
    return price(book, "acme", "m", partition(1_000_000, None, {}), AT_US, {}).total_text


def test_a_correction_is_a_later_row_and_what_was_known_before_can_be_asked() -> None:
    first = {"rates": {"input": "1"}}
    wrong = book_from([first])
    row_id = json.loads(wrong.lock)["prices"][0]["id"]
    correction = {
        "rates": {"input": "2"},
        "supersedes": row_id,
        "recorded_at": "2026-04-01T00:00:00Z",
    }
    book = book_from([first, correction])
    assert _input_rate(wrong) == "1"
    assert _input_rate(book) == "2"
    assert _input_rate(book.as_known_on(book.newest_recorded_at_us - 1)) == "1"
    assert book.price(row_id) is not None
    with pytest.raises(PriceBookError, match="not recorded earlier"):
        book_from([first, {**correction, "recorded_at": "2026-01-01T00:00:00Z"}])
