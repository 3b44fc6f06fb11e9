"""Bars of many tenants: those that few rows are asked for by name, and those that are among all, are the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.pages import chart
from otel_genai_cost.pages.views import overview
from tests.cli.homes import week
from tests.pages.views import ask, source_of


@pytest.mark.parametrize("by", ["tenant", "model", "feature"])
def test_it_does_not_matter_where_rows_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    with source_of(week(tmp_path)) as source:
        address = f"by={by}&unit=hour&table=time"
        among_all = ask(source, overview.view, address)
        monkeypatch.setattr(chart, "_ROWS_MAX", 0)
        by_name = ask(source, overview.view, address)
    assert among_all.table is not None
    assert by_name.table is not None
    assert list(among_all.table.rows) == list(by_name.table.rows)
    assert len(list(among_all.table.rows)) > 2
