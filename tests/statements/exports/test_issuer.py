"""The issuer's file: what it holds, and every problem of it in one go."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.errors import ConfigurationError, IssuerError
from otel_genai_cost.statements.exports.issuer import Issuer, issuer_of


def _file(folder: Path, text: str) -> Path:
    path = folder / "issuer.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_it_says_who_issues(tmp_path: Path) -> None:
    (tmp_path / "fonts").mkdir()
    text = """
name = "Northwind"
lines = ["Street 1", "VAT 1"]
contact = "billing@northwind.example"
note = "Payable within 30 days."
accent = "#7a3b8f"
currency = "EUR"
fonts = "fonts"
"""
    assert issuer_of(_file(tmp_path, text)) == Issuer(
        name="Northwind",
        lines=("Street 1", "VAT 1"),
        contact="billing@northwind.example",
        note="Payable within 30 days.",
        accent="#7a3b8f",
        currency="EUR",
        fonts=tmp_path / "fonts",
    )


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = """
lines = "Street 1"
accent = "red; } body { display: none"
currency = "ACU"
fonts = "nowhere"
colour = "#ffffff"
"""
    with pytest.raises(IssuerError) as caught:
        issuer_of(_file(tmp_path, text))
    told = [problem.what for problem in caught.value.problems]
    for key in ("name", "lines", "accent", "currency", "fonts", "colour"):
        assert any(key in what for what in told), key
    assert len(told) == 6


@pytest.mark.parametrize("content", [b"\xff\xfe", b"name = ", b'name = ["x"]'])
def test_what_is_no_issuer_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "issuer.toml"
    path.write_bytes(content)
    with pytest.raises(IssuerError, match=r"issuer\.toml"):
        issuer_of(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        issuer_of(tmp_path / "issuer.toml")
