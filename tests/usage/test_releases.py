"""Which releases a row of the table holds for, and what becomes of the others."""

from __future__ import annotations

import pytest

from otel_genai_cost.usage.instrumentations import DIALECTS, Row
from otel_genai_cost.usage.releases import releases, version_of
from tests.usage.judge import reading_of
from tests.usage.recorded import recordings, span_with

_CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4.1",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
    "gen_ai.usage.cache_read.input_tokens": 0,
    "gen_ai.usage.cache_write.input_tokens": 0,
}
_OPENLLMETRY = "opentelemetry.instrumentation.openai.v1"


@pytest.mark.parametrize(
    ("told", "version", "holds"),
    [
        ("0.55 .. 0.62", "0.55.0", True),
        ("0.55 .. 0.62", "0.54.9", False),
        ("0.55 .. 0.62", "0.62.99", True),
        ("0.55 .. 0.62", "0.63.0", False),
        ("0.1.18 .. 0.1", "0.1.17", False),
        ("0.1.18 .. 0.1", "0.1.99", True),
        ("1 .. 3", "3.9.1", True),
        ("1 .. 3", "4.0.0", False),
        ("0.56 .. 0.60", "0.60b0", True),
        ("2", "2.68.0", True),
        ("2", "20.0.0", False),
        ("none .. 1.39", "", True),
        ("none .. 1.39", "1.39.1", True),
        ("none .. 1.39", "1.40.0", False),
        ("1", "", False),
        ("1", "nightly", False),
        ("", "", True),
        ("", "whatever", True),
    ],
)
def test_a_row_holds_from_its_first_release_to_the_last_patch_of_its_last(
    told: str, version: str, holds: bool
) -> None:
    assert releases(told).holds(version) is holds


@pytest.mark.parametrize(
    ("told", "numbers"),
    [("0.66b2", (0, 66)), ("v1", (1,)), ("5.0.277-rc.1", (5, 0, 277)), ("", None), ("x", None)],
)
def test_a_version_is_the_numbers_it_begins_with(
    told: str, numbers: tuple[int, ...] | None
) -> None:
    assert version_of(told) == numbers


@pytest.mark.parametrize(
    ("version", "quality", "doubts"),
    [
        ("0.62.4", "reported", ()),
        ("0.62.99", "reported", ()),
        ("0.99.0", "estimated", ("unrecorded_version:0.99.0",)),
        ("0.20.0", "estimated", ("unrecorded_version:0.20.0",)),
        ("", "estimated", ("unrecorded_version:",)),
    ],
)
def test_a_release_that_nobody_recorded_is_estimated_and_says_so(
    version: str, quality: str, doubts: tuple[str, ...]
) -> None:
    span = span_with(_CALL, scope=_OPENLLMETRY)._replace(scope_version=version)
    reading = reading_of(span)
    assert reading is not None
    assert (reading.usage.quality, reading.doubts) == (quality, doubts)
    assert (reading.raw is None) is (quality == "reported")


def test_no_two_rows_of_a_scope_and_a_provider_hold_for_one_release() -> None:
    for row in DIALECTS:
        others = [
            other
            for other in DIALECTS
            if (other.scope, other.provider) == (row.scope, row.provider) and other is not row
        ]
        first = row.versions.partition("..")[0].strip()
        assert not [other for other in others if releases(other.versions).holds(first)], row.scope


@pytest.mark.parametrize(
    "row", [row for row in DIALECTS if row.versions], ids=lambda row: f"{row.scope} {row.versions}"
)
def test_both_ends_of_a_row_were_recorded(row: Row) -> None:
    recorded = {
        span.scope_version
        for case in recordings()
        for span in case.spans
        if span.scope_name == row.scope
        or (row.scope.endswith((".", "-")) and span.scope_name.startswith(row.scope))
    }
    first, _, last = (each.strip() for each in row.versions.partition(".."))
    for end in {first, last or first}:
        found = [each for each in recorded if _begins_with(each, end)]
        assert found, f"no release {end or 'of it'} of {row.scope} was recorded: {sorted(recorded)}"


def _begins_with(version: str, end: str) -> bool:
    if end == "none":
        return not version
    numbers, wanted = version_of(version) or (), version_of(end) or ()
    return numbers[: len(wanted)] == wanted
