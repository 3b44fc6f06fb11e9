"""Names: exact ids, listed aliases, their dates; never a prefix, never a guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.errors import PriceBookError
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.usage.leaves import partition
from tests.pricing.books import AT_US, book_of, model

_USAGE = partition(1_000_000, None, {})

ALIASES = """
[[alias]]
provider = "acme"
name = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2"
model = "prod"
[[alias]]
provider = "acme"
name = "Prod"
model = "opus-4-1"
to = 2026-09-01T00:00:00Z
[[alias]]
provider = "acme"
name = "prod"
model = "gpt-x"
from = 2026-09-01T00:00:00Z
"""
BOOK = (
    (
        model("opus-4-1", "input = 15")
        + model("gpt-x-2026-01-01", "input = 1")
        + model("gpt-x-2026-03-01", "input = 2")
        + model("ft:gpt-x-2026-01-01", "input = 7")
    )
    .replace(
        'id = "gpt-x-2026-01-01"\nprovider = "acme"',
        'id = "gpt-x-2026-01-01"\nprovider = "acme"\n'
        'aliases = ["gpt-x-first", { name = "gpt-x", to = 2026-05-01T00:00:00+02:00 }]',
    )
    .replace(
        'id = "gpt-x-2026-03-01"\nprovider = "acme"',
        'id = "gpt-x-2026-03-01"\nprovider = "acme"\n'
        'aliases = [{ name = "GPT-X", from = 2026-05-01T00:00:00+02:00 }]',
    )
)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return book_of(tmp_path, BOOK + ALIASES)


@pytest.mark.parametrize(
    ("provider", "name", "resolved"),
    [
        ("acme", "opus-4-1", "acme/opus-4-1"),
        ("ACME", "Opus-4-1", "acme/opus-4-1"),
        ("acme.ai", "opus-4-1", "acme/opus-4-1"),
        ("acme", "models/opus-4-1", "acme/opus-4-1"),
        ("acme", "publishers/acme/models/Opus-4-1", "acme/opus-4-1"),
        ("acme", "projects/p/locations/eu/publishers/x/models/opus-4-1", "acme/opus-4-1"),
        ("acme", "arn:aws:bedrock:us-east-1::foundation-model/opus-4-1", "acme/opus-4-1"),
        ("acme", "arn:aws-us-gov:bedrock:x-1:1:inference-profile/opus-4-1", "acme/opus-4-1"),
        (
            "acme",
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2",
            "acme/opus-4-1",
        ),
        ("acme", "PROD", "acme/opus-4-1"),
        ("acme", "acme/opus-4-1", "acme/opus-4-1"),
        ("acme.ai", "Acme.AI/Opus-4-1", "acme/opus-4-1"),
        ("acme", "acme:opus-4-1", "acme/opus-4-1"),
        ("acme", "acme/converse/models/opus-4-1", "acme/opus-4-1"),
        ("acme", "acme/ft:gpt-x-2026-01-01:org:name:9xyz", "acme/ft:gpt-x-2026-01-01"),
        ("acme", "gpt-x-first", "acme/gpt-x-2026-01-01"),
        ("acme", "ft:gpt-x-2026-01-01:org:name:9xyz", "acme/ft:gpt-x-2026-01-01"),
        ("acme", "ft:gpt-x-2026-01-01", "acme/ft:gpt-x-2026-01-01"),
    ],
)
def test_known_names_resolve(book: Book, provider: str, name: str, resolved: str) -> None:
    cost = price(book, provider, name, _USAGE, AT_US, {})
    assert (cost.status, cost.model_resolved) == ("priced", resolved)


@pytest.mark.parametrize(
    "name",
    [
        *("opus-4-10", "opus-4", "opus-4-1-banana", "my-opus-4-1", "opus-4-1 ", "opus"),
        *("ft:gpt-x-2026-03-01:org::id", "ft:gpt-x:org::id", "ft:opus-4-1:o:n:i", "ft:", "ft::"),
        *("models/", "models/models/opus-4-1", "other/opus-4-1", "gpt-x-2026-02-01"),
        *("publishers/models/opus-4-1", "x/models/opus-4-1", "endpoints/opus-4-1"),
        "arn:aws:bedrock:us-east-1:1:application-inference-profile/opus-4-1",
        "arn:aws:bedrock:us-east-1:1:provisioned-model/opus-4-1",
        "arn:aws:bedrock:us-east-1:1:inference-profile/other/opus-4-1",
        "projects/p/locations/eu/endpoints/opus-4-1",
    ],
)
def test_a_name_that_is_not_listed_is_unknown_however_alike(book: Book, name: str) -> None:
    assert price(book, "acme", name, _USAGE, AT_US, {}).reason == "unknown_model"


@pytest.mark.parametrize(
    ("at", "resolved", "total"),
    [
        ("2026-02-01T00:00:00Z", "acme/gpt-x-2026-01-01", "1"),
        ("2026-04-30T21:59:59.999999Z", "acme/gpt-x-2026-01-01", "1"),
        ("2026-04-30T22:00:00Z", "acme/gpt-x-2026-03-01", "2"),
    ],
)
def test_a_dated_alias_means_the_model_of_its_time(
    book: Book, at: str, resolved: str, total: str
) -> None:
    cost = price(book, "acme", "gpt-x", _USAGE, microseconds(at), {})
    assert (cost.model_resolved, cost.total_text) == (resolved, total)
    assert book.price(cost.price_id or "") is not None


def test_an_alias_changes_its_model_at_an_instant(book: Book) -> None:
    for at, resolved in (("2026-08-31", "opus-4-1"), ("2026-09-01", "gpt-x-2026-03-01")):
        cost = price(book, "acme", "prod", _USAGE, microseconds(f"{at}T12:00:00Z"), {})
        assert cost.model_resolved == f"acme/{resolved}"


def test_what_a_deployment_runs_is_what_it_costs(book: Book) -> None:
    context = {"deployment_model": "gpt-x-2026-03-01"}
    for name in ("my-deployment", "opus-4-1"):
        cost = price(book, "acme", name, _USAGE, AT_US, context)
        assert (cost.model_resolved, cost.total_text) == ("acme/gpt-x-2026-03-01", "2")
    for unnamed in (None, "", 7):
        cost = price(book, "acme", "opus-4-1", _USAGE, AT_US, {"deployment_model": unnamed})
        assert cost.model_resolved == "acme/opus-4-1"


@pytest.mark.parametrize(
    ("aliases", "what"),
    [
        ([("a", "b"), ("b", "a")], "alias 'a' leads in a circle"),
        ([("a", "a")], "leads in a circle"),
        ([("a", "nowhere")], "leads to 'nowhere', which is not listed"),
        ([("OPUS-4-1", "gpt-x")], "is 'opus-4-1''s already"),
        ([("a", "opus-4-1"), ("A", "gpt-x")], "already"),
    ],
)
def test_an_alias_that_means_nothing_or_two_things_is_told(
    tmp_path: Path, aliases: list[tuple[str, str]], what: str
) -> None:
    tables = "".join(
        f'[[alias]]\nprovider = "acme"\nname = "{name}"\nmodel = "{target}"\n'
        for name, target in aliases
    )
    with pytest.raises(PriceBookError, match=what):
        book_of(tmp_path, BOOK + tables)


def test_a_refused_call_by_a_dated_alias_names_the_newest_meaning(book: Book) -> None:
    cost = price(book, "acme", "gpt-x", _USAGE, AT_US, {"service_tier": "flex"})
    assert (cost.reason, cost.model_resolved) == ("unpriced_tier", "acme/gpt-x-2026-03-01")


def test_similar_names_are_suggested_and_not_used(book: Book) -> None:
    assert book.suggest("acme", "Opus-4-10")[0] == "opus-4-1"
    assert book.suggest("acmee", "opus-4-1") == ("acme", "acme.ai")
    assert book.suggest("acme", "?" * 1_000_000) == ()
    assert book.suggest(None, None) == ()


def test_a_flood_of_unknown_names_is_not_remembered_for_ever(book: Book) -> None:
    known = book.tariff("acme", "opus-4-1")
    for n in range(10_000):
        book.tariff("acme", f"unknown-{n}")
    assert len(book._memo) <= 4_096  # pyright: ignore[reportPrivateUsage]
    again = book.tariff("acme", "opus-4-1")
    assert price(book, "acme", "opus-4-1", _USAGE, AT_US, {}).total_text == "15"
    assert type(again) is type(known)
