"""Beside any distribution, every call is charged once to its tenant, and the distribution exports what it would without
us."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environments.distribution_program import CALLS, SET_UPS
from tests.environments.distribution_run import Ran, copied, problems_of, recorded, run
from tests.environments.distributions import ENVIRONMENTS, ROWS, Row

_LINE = "genai-cost: metering every LLM call, sampled or not; spans to OTLPSpanExporter"


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("wheel"))


@pytest.mark.environments
@pytest.mark.timeout(600)
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_beside_a_distribution(row: Row, ours: Path, tmp_path: Path) -> None:
    outcome = run(row, tmp_path, ours)
    assert not outcome.problems, "\n".join(outcome.problems)
    assert outcome.charged == CALLS and outcome.spans > 0
    assert outcome.row() == recorded()[row.name], (
        "python -m tests.environments.distribution_run --write, then `make docs`"
    )


def test_the_table_has_every_row_and_no_other() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))
    assert list(recorded()) == names
    assert all(each["problems"] == 0 for each in recorded().values())
    assert {row.environment for row in ROWS} == set(ENVIRONMENTS)
    assert {row.set_up for row in ROWS} == set(SET_UPS)


def test_what_is_not_as_it_should_be_is_told() -> None:
    plain = Ran(0, "a warning of 3 things\n", ["one span", "one span"])
    assert [*problems_of(plain, Ran(0, f"{_LINE}\na warning of 4 things\n", plain.spans))] == []
    cases = {
        "ended with 0, 1": plain._replace(code=1, stderr=_LINE),
        "the start-up line": plain,
        "said with us alone": plain._replace(stderr=f"{_LINE}\nTraceback\n"),
        "exported without us alone: ['one span']": plain._replace(stderr=_LINE, spans=["one span"]),
        "with us alone: ['two']": plain._replace(stderr=_LINE, spans=[*plain.spans, "two"]),
    }
    for said, metered in cases.items():
        assert any(said in each for each in problems_of(plain, metered)), said
