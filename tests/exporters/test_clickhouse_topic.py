"""A topic of entries that ClickHouse reads by itself: the statements that we hand out, run on its engine.

The engine inside a process has no threads for brokers, so what a broker would bring is put where the topic's table
stands; reading it is all that is not run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from decimal import Decimal
from itertools import product
from typing import Any, Final, get_args

import pytest

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.pricing.cost import Line, Rate
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.streaming.cloud_event import Message, entry_in, entry_message, event_in
from otel_genai_cost.usage.leaves import COUNT_LEAVES, INPUT_LEAVES, OUTPUT_LEAVES
from otel_genai_cost.vocabulary import LineKind, Side
from otel_genai_exporters.clickhouse import ClickHouseSink
from otel_genai_exporters.clickhouse_tables import ENTRY_COLUMNS
from otel_genai_exporters.entry_columns import COLUMNS, row_of
from otel_genai_exporters.streams.refill import of_filling
from tests.demo.processes import ROOT
from tests.exporters.embedded_clickhouse import NEEDS_CHDB, clickhouse_in
from tests.exporters.entries import entries, with_amount

_FILE: Final = ROOT / "stream-config" / "clickhouse" / "entries.sql"
_STAND_IN: Final = (
    "CREATE TABLE entries_topic (message String, `_headers.name` Array(String), `_headers.value` Array(String))"
    " ENGINE = MergeTree ORDER BY ()"
)


def _statements() -> list[str]:
    text = re.sub(r"(?m)^--.*\n", "", _FILE.read_text("utf-8"))
    return [one.strip() for one in text.split(";\n") if one.strip()]


def test_columns_are_the_sinks() -> None:
    (table,) = (one for one in _statements() if one.startswith("CREATE TABLE entries_stored"))
    (names,) = (one for one in _statements() if "VIEW entries_read_to_stored" in one)
    found = re.findall(r"(?m)^    (\w+) (.*?),?$", table)
    assert dict(found[: len(COLUMNS)]) == ENTRY_COLUMNS
    assert re.findall(r" AS (\w+),?$", names.partition("\nSELECT")[2], re.MULTILINE) == [*COLUMNS]


@pytest.fixture
def clickhouse(tmp_path: Any) -> Generator[ClickHouseSink]:
    found = clickhouse_in(tmp_path)
    found._to.command("CREATE DATABASE {database}")
    found._to.command("USE {database}")
    for one in _statements():
        is_topic = one.startswith("CREATE TABLE entries_topic")
        found._to._opened().command(_STAND_IN if is_topic else one)
    yield found
    found.close()


def _bring(clickhouse: ClickHouseSink, messages: list[Message]) -> None:
    lines = [
        {
            "message": one.value.decode(),
            "_headers.name": [*one.headers],
            "_headers.value": [value.decode() for value in one.headers.values()],
        }
        for one in messages
    ]
    clickhouse._to.insert("entries_topic", "\n".join(map(json.dumps, lines)).encode())


def _stored(clickhouse: ClickHouseSink) -> list[tuple[object, ...]]:
    columns = (
        f"toUnixTimestamp64Micro({name})" if kind == "instant" else name
        for name, kind in COLUMNS.items()
    )
    found = clickhouse._to.rows(
        f"SELECT {', '.join(columns)} FROM {{database}}.entries ORDER BY id"
    )
    return [tuple(row) for row in found]


def _refused(clickhouse: ClickHouseSink) -> list[str]:
    found = clickhouse._to.rows("SELECT reason FROM {database}.entries_refused ORDER BY reason")
    return [str(row[0]) for row in found]


def _wanted(every: list[Entry]) -> list[tuple[object, ...]]:
    """As the sinks have it, of what a topic tells of an entry."""
    told = (entry_in(event_in(entry_message(one, "ledger-1"))) for one in every)
    return [
        row_of(one, lambda atto: Decimal(format_money(atto)))
        for one in sorted(told, key=lambda one: one.id)
    ]


def _odd() -> list[Entry]:
    """Every leaf, every kind of line on both sides, texts that JSON escapes, and digits that no float holds."""
    first, *others = entries(6)
    leaves = {
        leaf: 10**14 + n for n, leaf in enumerate((*INPUT_LEAVES, *OUTPUT_LEAVES, *COUNT_LEAVES))
    }
    rate = Rate(10**18, 1, "1", 1)
    every_line = get_args(LineKind), get_args(Side)
    lines = [
        Line(kind, "input", -1, rate, (-1) ** place * (10**35 + place), None, side)
        for place, (kind, side) in enumerate(product(*every_line))
    ]
    whom = first.attribution._replace(
        tenant='\u00e9"\\/\u2028\U0001f600', labels={"feature": 'a/"b"\\\n\t\x01é', "plan": ""}
    )
    nobody = first.attribution._replace(tenant=None, source=None, labels={})
    return [
        first._replace(
            usage=leaves, lines=tuple(lines), amount=-(10**35) - 7, attribution=whom, calls=-1
        ),
        others[0]._replace(
            attribution=nobody, flags=("a", "b"), reason="unpriced_tier", unpriced=-1
        ),
        with_amount(others[1], 10**36 - 1),
        with_amount(others[2], -1),
        *others[3:],
    ]


@NEEDS_CHDB
def test_every_column_is_the_sinks(clickhouse: ClickHouseSink) -> None:
    every = _odd()
    _bring(clickhouse, [entry_message(one, "ledger-1") for one in every])
    assert _refused(clickhouse) == []
    assert _stored(clickhouse) == _wanted(every)


@NEEDS_CHDB
def test_of_a_topic_that_was_filled_anew_the_last_filling_counts(
    clickhouse: ClickHouseSink,
) -> None:
    """A rebuilt ledger has fewer revisions, and other amounts under ids that were there."""
    first = entries(9)
    again = [with_amount(one, 10**18) for one in first[:4]]
    for refill, filling in ((0, first), (10, again), (9, first)):
        _bring(clickhouse, [of_filling(entry_message(one, "ledger-1"), refill) for one in filling])
    assert _refused(clickhouse) == []
    assert _stored(clickhouse) == _wanted(again)


@NEEDS_CHDB
def test_what_comes_again_is_there_once_and_others_messages_aside(
    clickhouse: ClickHouseSink,
) -> None:
    every = entries(40)
    messages = [entry_message(one, "ledger-1") for one in every]
    _bring(clickhouse, messages[:25])
    headers = {**messages[0].headers, "ce_type": b"otel_genai_cost.entry.v2"}
    far = entry_message(with_amount(every[0], 10**36), "ledger-1")
    old = entry_message(every[0]._replace(occurred_us=-1), "ledger-1")
    odd = [
        Message(b"hello", {}),
        Message(b"hello", messages[0].headers),
        messages[0]._replace(headers=headers),
        messages[0]._replace(headers=messages[1].headers),
        far,
        old,
    ]
    _bring(clickhouse, [*messages[10:], *odd, *messages[:3]])
    assert _stored(clickhouse) == _wanted(every)
    found = _refused(clickhouse)
    assert [one.partition(":")[0].partition(",")[0] for one in found] == [
        "a time is none",
        "an amount is none",
        "no JSON",
        "no entry of this version",
        "no entry of this version",
        "the id is not the event's",
    ]
