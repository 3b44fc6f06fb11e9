"""Every billed reply of every recording is read to the leaf, or somebody has reviewed why it cannot be."""

from __future__ import annotations

from collections import Counter
from typing import Final

import pytest

from otel_genai_cost.usage.leaves import INPUT_LEAVES, OUTPUT_LEAVES
from tests.usage.judge import VERDICTS, Reviewed, reading_of, replies, reviewed, unreviewed
from tests.usage.recorded import RecordedCase, recordings

_NAMES: Final = tuple(dict.fromkeys(case.instrumentation for case in recordings()))
_UNTOLD: Final = ("silent", "unseen")


def _of(name: str) -> list[RecordedCase]:
    return [case for case in recordings() if case.instrumentation == name]


@pytest.mark.parametrize("name", _NAMES)
def test_every_reply_is_exact_or_reviewed(name: str) -> None:
    found = {case.case_id: list(unreviewed(case)) for case in _of(name)}
    assert {case_id: verdicts for case_id, verdicts in found.items() if verdicts} == {}


def test_nothing_is_wrong_and_nearly_all_that_is_told_is_exact() -> None:
    counts = Counter(verdict for case in recordings() for verdict in replies(case))
    assert counts["wrong"] == 0
    told = counts["exact"] + counts["merged"] + counts["short"]
    assert (counts["exact"] + counts["merged"]) / told > 0.98
    assert counts["exact"] >= 1000


@pytest.mark.parametrize("entry", reviewed(), ids=lambda entry: entry.reason[:40])
def test_a_reviewed_entry_speaks_of_cases_that_there_are(entry: Reviewed) -> None:
    assert entry.verdict in VERDICTS and entry.reason
    verdicts = {case.case_id: set(replies(case)) for case in recordings()}
    for pattern in entry.cases:
        alone = entry._replace(cases=(pattern,))
        assert any(
            alone.holds(case_id, verdict) for case_id, told in verdicts.items() for verdict in told
        ), f"{pattern} is stale"


@pytest.mark.parametrize("name", _NAMES)
def test_leaves_of_every_reading_re_add_to_its_totals(name: str) -> None:
    readings = [reading_of(span) for case in _of(name) for span in case.spans]
    for usage in [reading.usage for reading in readings if reading is not None]:
        if usage.leaves:
            sums = [
                sum(usage.leaves.get(leaf, 0) for leaf in side)
                for side in (INPUT_LEAVES, OUTPUT_LEAVES)
            ]
            assert sums == [usage.input_total or 0, usage.output_total or 0]


@pytest.mark.parametrize("name", _NAMES)
def test_usage_that_is_no_plain_report_keeps_its_raw_attributes(name: str) -> None:
    readings = [reading_of(span) for case in _of(name) for span in case.spans]
    for reading in readings:
        if reading is not None and reading.usage.quality in ("estimated", "inconsistent"):
            assert reading.raw
