"""Names of tenants in ClickHouse: the statements of the documentation, run on its engine."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from pathlib import Path

import pytest

from otel_genai_exporters.clickhouse import ClickHouseSink
from tests.exporters.embedded_clickhouse import NEEDS_CHDB, clickhouse_in
from tests.exporters.entries import entries


@pytest.fixture
def sink(tmp_path: Path) -> Generator[ClickHouseSink]:
    found = clickhouse_in(tmp_path)
    yield found
    found.close()


@NEEDS_CHDB
def test_view_of_the_documentation_follows_the_registry(sink: ClickHouseSink) -> None:
    """An id that means another tenant from an instant on, one that is in no row, and nobody's."""
    page = (Path(__file__).parents[2] / "docs" / "stores.md").read_text("utf-8")
    (words,) = re.findall(r"```sql\n(CREATE TABLE tenants.*?)```", page, re.DOTALL)
    us = 1_795_000_000_000_000
    whose = [("t-1", us - 1), ("t-1", us), ("old", us), ("stranger", us), (None, us)]
    every = [
        one._replace(occurred_us=at_us, attribution=one.attribution._replace(tenant=name))
        for one, (name, at_us) in zip(entries(5), whose, strict=True)
    ]
    sink.append("ledger-1", every)
    sink._to.command("USE genai_cost")
    for one in words.replace("costs.", "genai_cost.").split(";\n"):
        if one.strip():
            sink._to.command(one)
    instant = "2026-11-18T11:06:40Z"
    rows = [
        {"id": "t-1", "from": None, "to": instant, "tenant": "t-1", "top": "t-1", "name": "One"},
        {"id": "t-1", "from": instant, "to": None, "tenant": "t-2", "top": "t-9", "name": None},
        {"id": "old", "from": None, "to": None, "tenant": "t-2", "top": "t-9", "name": "Two"},
    ]
    lines = "\n".join(map(json.dumps, rows)).encode()
    sink._to._opened().raw_insert(
        "genai_cost.tenants",
        insert_block=lines,
        fmt="JSONEachRow",
        settings={"date_time_input_format": "best_effort", "async_insert": 0},
    )
    found = sink._to.rows(
        "SELECT booked_tenant, tenant, tenant_name FROM {database}.entries_of_tenants ORDER BY seq",
    )
    assert [tuple(row) for row in found] == [
        ("t-1", "t-1", "One"),
        ("t-1", "t-2", "t-2"),
        ("old", "t-2", "Two"),
        ("stranger", "stranger", "stranger"),
        (None, None, None),
    ]
