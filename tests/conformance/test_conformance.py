"""The bar, over every recorded instrumentation: nothing is wrong, doubled or missed, and all else is reviewed."""

from __future__ import annotations

from collections import Counter
from typing import Final

import pytest

from tests.conformance.judge import MARKS, judge
from tests.conformance.recorded import Case, cases, replayed
from tests.conformance.run import BAD, is_reviewed, judgements
from tests.ledger.build import BOOK

_CASES: Final = {case.case_id: case for case in cases()}


def test_nothing_is_wrong_doubled_or_missed() -> None:
    assert [one for one in judgements() if one.mark in BAD] == []


def test_whatever_is_not_exact_is_reviewed() -> None:
    assert [one for one in judgements() if one.mark not in BAD and not is_reviewed(one)] == []


def test_nearly_all_that_spans_tell_is_exact() -> None:
    counts = Counter(one.mark for one in judgements())
    right = counts["exact"] + counts["cautious"]
    assert right / (right + counts["merged"] + counts["short"]) > 0.9
    assert right >= 1000


def _marks(case: Case) -> list[str]:
    return [one.mark for one in judge(case, replayed(case, BOOK))]


@pytest.mark.parametrize(
    "case_id", ["otel-genai-openai/openai-chat", "strands-native/strands-anthropic-agent"]
)
def test_the_judge_sees_what_is_wrong(case_id: str) -> None:
    """A bill that is not what the spans tell is found out, in either direction."""
    case = _CASES[case_id]
    assert set(_marks(case)) == {"exact"}
    less = [{**one, "output_total": one["output_total"] - 1} for one in case.billable]
    assert set(_marks(case._replace(billable=less))) == {"wrong"}
    assert _marks(case._replace(billable=case.billable[1:]))[-1] == "doubled"
    assert _marks(case._replace(billable=[*case.billable, case.billable[0]]))[-1] == "unseen"
    assert set(MARKS) >= {"exact", "wrong", "doubled", "unseen"}
