"""The recordings of other languages are in the corpus's format, and say nothing of the machine they were made on."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*/*.jsonl.gz"))


@pytest.fixture(params=FILES, ids=lambda path: path.name.removesuffix(".jsonl.gz"))
def packed(request: pytest.FixtureRequest) -> bytes:
    return Path(request.param).read_bytes()


def _cases(packed: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(packed).splitlines()]


def test_there_are_some() -> None:
    assert {path.parent.name for path in FILES} == {"javascript", "go", "java", "python"}


def test_packing_the_same_recordings_again_gives_the_same_header(packed: bytes) -> None:
    assert packed[4:8] == bytes(4), "the time of packing is part of the file"


def test_nothing_of_the_machine_is_in_it(packed: bytes) -> None:
    text = gzip.decompress(packed).decode()
    assert not [word for word in ("/work", "/tmp", "/root", "/home", "host.name") if word in text]


def test_every_case_says_what_was_billed(packed: bytes) -> None:
    for case in _cases(packed):
        expected = case["expected"]
        answered = [one for one in expected["http_exchanges"] if one["status"] == 200]
        assert expected["billable"] == [one["usage_normalised"] for one in answered]
        assert len(answered) == expected["llm_calls_ok"]
        assert expected["http_requests"] == len(expected["http_exchanges"]) > 0
        assert case["spans_finished"] == len(_spans(case["otlp"]))


def test_every_case_is_told_from_the_others_by_its_numbers(packed: bytes) -> None:
    cases = _cases(packed)
    for release in {case["meta"]["instrumentation"] for case in cases}:
        totals = [
            {one["input_total"] for one in case["expected"]["billable"]}
            for case in cases
            if case["meta"]["instrumentation"] == release
        ]
        assert sum(map(len, totals)) == len(set[int]().union(*totals))


def _spans(otlp: Mapping[str, Any]) -> list[Any]:
    return [
        span
        for resource in otlp["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
