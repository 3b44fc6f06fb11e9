"""What a person reads: all lines and what is doubtful on the face, nothing of our cost; nothing in it is markup."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.statements.exports.issuer import NOBODY
from otel_genai_cost.statements.exports.letter import letter_of
from otel_genai_cost.statements.exports.pdf import letter_pdf
from otel_genai_cost.statements.exports.web_page import letter_html
from otel_genai_cost.statements.statement import Cadence, Spread, Statement, StatementLine
from tests.reports.browser import DESK, PHONE, dom, require_browser
from tests.statements.exports.samples import (
    HOSTILE,
    ISSUER,
    hostile,
    many,
    revised,
    statement,
    used,
    usual,
)

_EVERY = [usual(), revised(), statement([]), many(400)]


def _shown(one: Statement, name: str | None = None) -> str:
    """The text of the page, without its tags."""
    page = letter_html(letter_of(one, ISSUER, name))
    return unescape(re.sub(r"<[^>]*>", " ", page.partition("<body>")[2]))


@pytest.mark.parametrize(
    ("cadence", "zone", "from_at", "to_at", "words"),
    [
        (
            "monthly",
            "Europe/Berlin",
            "2026-09-30T22:00:00Z",
            "2026-10-31T23:00:00Z",
            "October 2026",
        ),
        (
            "daily",
            "Europe/Berlin",
            "2026-10-24T22:00:00Z",
            "2026-10-25T23:00:00Z",
            "25 October 2026",
        ),
        (
            "weekly",
            "Asia/Tokyo",
            "2026-09-27T15:00:00Z",
            "2026-10-04T15:00:00Z",
            "28 September to 4 October 2026",
        ),
        (
            "anchored",
            "UTC",
            "2026-12-15T00:00:00Z",
            "2027-01-15T00:00:00Z",
            "15 December 2026 to 14 January 2027",
        ),
    ],
)
def test_a_period_is_named_in_its_own_zone(
    cadence: Cadence, zone: str, from_at: str, to_at: str, words: str
) -> None:
    one = statement(
        [],
        cadence=cadence,
        zone=zone,
        period_from_us=microseconds(from_at),
        period_to_us=microseconds(to_at),
    )
    assert letter_of(one, ISSUER).period == words


def test_both_ends_have_their_own_offset() -> None:
    assert letter_of(usual(), ISSUER).bounds == (
        "from 2026-10-01 00:00 UTC+02:00",
        "to 2026-11-01 00:00 UTC+01:00",
        "Europe/Berlin",
    )


def test_lines_stand_under_their_model() -> None:
    groups = letter_of(usual(), ISSUER).groups
    assert [(group.heading, [item.name for item in group.items]) for group in groups] == [
        ("gpt-4o", ["Input tokens", "Output tokens"]),
        ("gpt-4o-mini", ["Input tokens", "Web searches"]),
        ("", ["Pro plan"]),
        ("", ["Included usage"]),
    ]
    assert groups[0].items[0] == ("Input tokens", "412,330,120", "tokens", "1,030.83")
    assert groups[3].items[0].amount == "\N{MINUS SIGN}250.00"


@pytest.mark.parametrize(
    ("currency", "amount", "shown"), [("JPY", "1234", "1,234"), ("KWD", "1.5", "1.500")]
)
def test_amounts_have_the_places_of_their_currency(currency: str, amount: str, shown: str) -> None:
    letter = letter_of(statement([used("gpt-4o", "input", 1, amount)], currency=currency), ISSUER)
    assert (letter.total, letter.groups[0].items[0].amount) == (shown, shown)


def test_what_is_doubtful_stands_on_the_face() -> None:
    shown = _shown(revised())
    for words in (
        "Revision 2",
        "3 calls without a price",
        "2 records missing",
        "14 calls rest on estimates.",
        "Team: growth",
    ):
        assert words in shown
    assert "Preliminary" not in shown
    assert "Preliminary" in _shown(usual()._replace(state="open"))
    assert "Not closed" in _shown(usual()._replace(state="blocked"))
    assert not letter_of(usual(), ISSUER).notices


def test_a_plan_is_named() -> None:
    assert "Plan: pro" in _shown(usual()._replace(plan="pro"))


def test_a_revision_says_what_it_changes() -> None:
    letter = letter_of(revised(), ISSUER)
    assert (letter.total_name, letter.total) == ("Change", "2.81")
    assert letter.summary == (
        ("Stated before", "1,734.07"),
        ("This revision", "2.81"),
        ("Total of the period", "1,736.88"),
    )


@pytest.mark.parametrize("one", _EVERY)
def test_the_page_has_every_line_and_the_digest(one: Statement) -> None:
    shown = _shown(one, "Acme Robotics SE")
    letter = letter_of(one, ISSUER)
    for item in (item for group in letter.groups for item in group.items):
        assert item.amount in shown
        assert item.quantity in shown
    for words in (one.digest, "Acme Robotics SE", ISSUER.name, letter.total, *ISSUER.lines):
        assert words in shown


@pytest.mark.parametrize("one", _EVERY)
def test_our_cost_is_not_told(one: Statement) -> None:
    assert "777" not in _shown(one._replace(digest="", lines=()))


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_no_markup(text: str) -> None:
    one = hostile(text)
    issuer = ISSUER._replace(name=text, lines=(text,), contact=text, note=text, title=text)
    page = letter_html(letter_of(one, issuer, text))
    assert "<script" not in page
    assert not set(page) & set("\u202e\x1b\x07\x00\t\r\ud800")
    assert letter_pdf(letter_of(one, issuer, text)).startswith(b"%PDF-")


@pytest.mark.parametrize("one", _EVERY)
def test_the_page_asks_nobody_for_anything(one: Statement) -> None:
    page = letter_html(letter_of(one, ISSUER))
    assert not re.search(r"<(script|link|img|iframe|object)|https?:|url\(|@import", page)
    assert "default-src 'none'" in page


@pytest.mark.parametrize("one", _EVERY)
def test_a_rerun_is_the_same_to_the_byte(one: Statement) -> None:
    letter = letter_of(one, ISSUER)
    assert letter_html(letter) == letter_html(letter)
    first, second = letter_pdf(letter), letter_pdf(letter)
    assert first == second
    assert b"CreationDate" not in first


def test_fonts_of_ones_own_are_taken(tmp_path: Path) -> None:
    """A folder without any font changes nothing."""
    own = ISSUER._replace(fonts=tmp_path)
    assert letter_pdf(letter_of(usual(), own)) == letter_pdf(letter_of(usual(), ISSUER))


def test_without_an_issuer_there_is_no_letterhead() -> None:
    assert '<div class="issuer"></div>' in letter_html(letter_of(usual(), NOBODY))


@pytest.mark.service
@pytest.mark.parametrize("size", [DESK, PHONE])
@pytest.mark.parametrize("text", ["x" * 128, "wide " * 40])
def test_nothing_is_wider_than_the_screen(size: tuple[int, int], text: str, tmp_path: Path) -> None:
    require_browser()
    page = tmp_path / "page.html"
    measured = (
        "<script>document.title = document.documentElement.scrollWidth - innerWidth</script></body>"
    )
    written = letter_html(letter_of(hostile(text), ISSUER, text)).replace("</body>", measured)
    page.write_text(written.replace("default-src 'none'", "default-src 'unsafe-inline'"), "utf-8")
    title = re.search(r"<title>(-?\d+)</title>", dom(page, size))
    assert title is not None
    assert int(title[1]) <= 0


def test_a_part_of_what_is_nobodys_says_its_rule_and_share_and_no_weight() -> None:
    part = StatementLine(
        "Unattributed use, spread by cost", 0, "spread", parse_money("0.30"), parse_money("0.3")
    )
    one = statement([part], spread=Spread("cost", 123456789 * 10**10, 10**22, 10**18 // 4))
    shown = _shown(one)
    assert "Unattributed use, spread by cost" in shown
    assert "spread by cost, 25.0000 % of it here" in shown
    assert "1.23456789" not in shown, "what all cost us is no business of the customer"
    (group,) = letter_of(one, ISSUER).groups
    assert (group.items[0].quantity, group.items[0].unit) == ("", "")
