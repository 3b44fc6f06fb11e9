"""Overlays: a row of one's own takes the place of the book's for as long as it holds, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_genai_cost.errors import ConfigurationError, PriceBookError
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.bundle import Bundle, install
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.layers import load_layers
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.usage.leaves import partition
from tests.pricing.books import HEAD, book_of, model

_SCHEMA = 'schema = "otel-genai-cost/1"\n'
_OWN = _SCHEMA + (
    '[[source]]\nid = "deal"\nname = "our deal"\nurl = "https://example.com/deal"\n'
    "seen_at = 2026-05-01T00:00:00Z\n"
)
_RECORDED = "2026-05-02T00:00:00Z"


def _row(from_: str, rate: str, to: str | None = None, name: str = "m", more: str = "") -> str:
    until = f"to = {to}\n" if to else ""
    return (
        f'[[price]]\nmodel = "acme/{name}"\nfrom = {from_}\n{until}recorded_at = {_RECORDED}\n'
        f'source = "deal"\ninput = {rate}\n{more}'
    )


def _layered(folder: Path, base: str, *overlays: str) -> Book:
    book_of(folder, base)
    paths: list[Path] = []
    for n, text in enumerate(overlays):
        paths.append(folder / f"overlay-{n}.toml")
        paths[-1].write_text(text)
    return load_layers(folder / "prices.toml", paths)


def _input_price(book: Book, at: str, name: str = "m") -> int | None:
    return price(book, "acme", name, partition(1_000_000, 0, {}), microseconds(at), {}).total


def test_row_of_an_overlay_holds_for_its_time_and_no_longer(tmp_path: Path) -> None:
    own = _OWN + _row("2026-03-01T00:00:00Z", "2", "2026-06-01T00:00:00Z")
    book = _layered(tmp_path, model("m", "input = 3"), own)
    assert _input_price(book, "2026-02-28T23:59:59Z") == parse_money("3")
    assert _input_price(book, "2026-03-01T00:00:00Z") == parse_money("2")
    assert _input_price(book, "2026-05-31T23:59:59Z") == parse_money("2")
    assert _input_price(book, "2026-06-01T00:00:00Z") == parse_money("3")


def test_book_as_known_before_the_overlay_is_what_it_was(tmp_path: Path) -> None:
    own = _OWN + _row("2026-03-01T00:00:00Z", "2", "2026-06-01T00:00:00Z")
    book = _layered(tmp_path, model("m", "input = 3"), own)
    before = book.as_known_on(microseconds(_RECORDED) - 1)
    assert _input_price(before, "2026-04-01T00:00:00Z") == parse_money("3")
    assert _input_price(before, "2026-07-01T00:00:00Z") == parse_money("3")


def test_later_overlay_wins(tmp_path: Path) -> None:
    first = _OWN + _row("2026-03-01T00:00:00Z", "2")
    second = _OWN + _row("2026-04-01T00:00:00Z", "1", "2026-05-01T00:00:00Z")
    book = _layered(tmp_path, model("m", "input = 3"), first, second)
    rates = [_input_price(book, f"2026-{month:02}-15T00:00:00Z") for month in (2, 3, 4, 5)]
    assert rates == [parse_money(rate) for rate in ("3", "2", "1", "2")]


def test_book_that_learns_a_row_after_the_overlay_does_not_break_it(tmp_path: Path) -> None:
    newer = model("m", "input = 3").replace(
        "recorded_at = 2026-01-01T00:00:00Z", "recorded_at = 2026-09-09T00:00:00Z"
    )
    book = _layered(tmp_path, newer, _OWN + _row("2026-03-01T00:00:00Z", "2"))
    assert _input_price(book, "2026-04-01T00:00:00Z") == parse_money("2")
    assert _input_price(book, "2026-02-01T00:00:00Z") == parse_money("3")


def test_other_conditions_and_models_stay(tmp_path: Path) -> None:
    variant = "[[price.variant]]\nwhen = { batch = true }\ninput = 1.5\n"
    base = model("m", "input = 3", variant) + model("n", "input = 7")
    book = _layered(tmp_path, base, _OWN + _row("2026-03-01T00:00:00Z", "2"))
    usage, at_us = partition(1_000_000, 0, {}), microseconds("2026-04-01T00:00:00Z")
    assert price(book, "acme", "m", usage, at_us, {"batch": True}).total == parse_money("1.5")
    assert _input_price(book, "2026-04-01T00:00:00Z", "n") == parse_money("7")


def test_model_and_names_of_ones_own(tmp_path: Path) -> None:
    own = _OWN + (
        '[[model]]\nid = "m"\nprovider = "acme"\naliases = ["our-deployment"]\n'
        '[[model]]\nid = "house"\nprovider = "acme"\n'
        '[[provider]]\nid = "acme"\naliases = ["acme-gateway"]\n'
    )
    own += _row("2026-03-01T00:00:00Z", "9", name="house")
    book = _layered(tmp_path, model("m", "input = 3"), own)
    assert _input_price(book, "2026-04-01T00:00:00Z", "our-deployment") == parse_money("3")
    assert _input_price(book, "2026-04-01T00:00:00Z", "house") == parse_money("9")
    usage, at_us = partition(1_000_000, 0, {}), microseconds("2026-04-01T00:00:00Z")
    for name in ("acme-gateway", "Acme.AI"):
        assert price(book, name, "m", usage, at_us, {}).total == parse_money("3")


def test_digest_is_that_of_the_merged_book(tmp_path: Path) -> None:
    own = _OWN + _row("2026-03-01T00:00:00Z", "2")
    book = _layered(tmp_path, model("m", "input = 3"), own)
    lock = tmp_path / "merged.json"
    lock.write_bytes(book.lock)
    assert load_layers(lock, []).digest == book.digest
    assert load_layers(tmp_path / "prices.toml", [lock]).digest == book.digest
    assert load_layers(tmp_path / "prices.toml", []).digest != book.digest


def test_every_problem_names_its_file_and_line(tmp_path: Path) -> None:
    own = _OWN + _row("2026-03-01T00:00:00Z", "2", name="no-such") + "colour = 3\n"
    own += _row("2026-04-01T00:00:00Z", "1.0399999999999998")
    with pytest.raises(PriceBookError) as told:
        _layered(tmp_path, model("m", "input = 3"), own)
    text = str(told.value)
    assert f"{tmp_path / 'overlay-0.toml'}:7" in text
    assert "no-such" in text
    assert "looks like a float" in text


def test_installed_bundle_is_read_without_checking_every_row_again(tmp_path: Path) -> None:
    made = book_of(tmp_path, model("m", "input = 3"))
    path, _ = install(Bundle("book", 1, made.digest, made.lock), tmp_path / "in")
    book = load_layers(path, [])
    assert book.digest == made.digest
    assert _input_price(book, "2026-04-01T00:00:00Z") == parse_money("3")
    overlay = tmp_path / "own.toml"
    overlay.write_text(_OWN + _row("2026-03-01T00:00:00Z", "2"))
    assert _input_price(load_layers(path, [overlay]), "2026-04-01T00:00:00Z") == parse_money("2")
    path.write_bytes(made.lock.replace(b'"input":"3"', b'"input":"-3"'))
    with pytest.raises(PriceBookError, match="below zero"):
        load_layers(path, [])


def test_missing_overlay_is_told(tmp_path: Path) -> None:
    book_of(tmp_path, model("m", "input = 3"))
    with pytest.raises(ConfigurationError, match="cannot read the price overlay"):
        load_layers(tmp_path / "prices.toml", [tmp_path / "gone.toml"])


def test_folder_of_overlays(tmp_path: Path) -> None:
    book_of(tmp_path, model("m", "input = 3"))
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "a.toml").write_text(_OWN)
    (folder / "b.toml").write_text(_SCHEMA + _row("2026-03-01T00:00:00Z", "2"))
    book = load_layers(tmp_path / "prices.toml", [folder])
    assert _input_price(book, "2026-04-01T00:00:00Z") == parse_money("2")


_spans = st.tuples(st.integers(0, 11), st.integers(1, 12)).map(lambda s: (s[0], s[0] + s[1]))


def _month(n: int) -> str:
    return f"{2026 + n // 12}-{n % 12 + 1:02}-01T00:00:00Z"


@settings(max_examples=60, deadline=None)
@given(layers=st.lists(_spans, min_size=1, max_size=4))
def test_each_month_has_the_price_of_the_last_layer_that_names_it(
    tmp_path_factory: pytest.TempPathFactory, layers: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("layers")
    overlays = [
        _OWN + _row(_month(begin), str(n + 10), _month(end))
        for n, (begin, end) in enumerate(layers)
    ]
    book = _layered(folder, HEAD[:0] + model("m", "input = 3"), *overlays)
    for month in range(24):
        covering = [n + 10 for n, (begin, end) in enumerate(layers) if begin <= month < end]
        expected = parse_money(str(covering[-1] if covering else 3))
        at = rfc3339(microseconds(_month(month)) + 1)
        assert _input_price(book, at) == expected
