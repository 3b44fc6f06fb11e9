"""What an application sees and sends is what it would be without us, and every answer that is billed is charged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.transparency.cell import Cell
from tests.transparency.judge import judge
from tests.transparency.provider import Billed
from tests.transparency.rows import CELLS, ENVIRONMENTS, HERE, OFTEN
from tests.transparency.run import Outcome, recorded, run

_SHORT = (
    "chat",
    "chat_async",
    "chat_streaming_response",
    "posted",
    "posted_stream",
    "posted_async",
    "posted_to_a_url",
    "embeddings",
    "stream",
    "stream_async",
    "stream_asked",
    "stream_told_unasked",
    "stream_raw",
    "stream_helper",
    "left_by_break",
    "left_by_close_async",
    "dropped_answers",
    "dropped_streams",
    "parse_too_long",
    "responses",
    "error_arguments",
    "error_cut_stream",
    "error_never_awaited",
    "host_openai",
    "host_openai_bare_usage",
    "host_mistral",
)
"""One of each kind, with the client that the tests run with."""


def _assert_as_it_should_be(outcome: Outcome) -> None:
    assert not outcome.differences, "\n".join(outcome.differences)
    assert not outcome.judgement.wrong, "\n".join(outcome.judgement.wrong)


def test_the_client_that_is_installed(tmp_path: Path) -> None:
    modules = ("chat", "posted", "streams", "left", "dropped", "parse", "errors", "hosts")
    outcome = run(Cell("here", HERE, modules, _SHORT), tmp_path)
    _assert_as_it_should_be(outcome)
    assert outcome.judgement.exact >= len(_SHORT) // 2


@pytest.mark.environments
@pytest.mark.timeout(900)
@pytest.mark.parametrize("label", OFTEN)
def test_cell(label: str, tmp_path: Path) -> None:
    [cell] = [cell for cell in CELLS if cell.label == label]
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    outcome = run(cell, first)
    if outcome.differences or outcome.row() != recorded()[cell.label]:
        second.mkdir()  # what we change is changed every time, what timing changes is not
        outcome = run(cell, second)
    _assert_as_it_should_be(outcome)
    assert outcome.row() == recorded()[cell.label], (
        "python -m tests.transparency.run --write, then `make docs`"
    )


def test_the_table_has_every_cell_and_no_other() -> None:
    labels = [cell.label for cell in CELLS]
    assert len(labels) == len(set(labels))
    assert list(recorded()) == labels
    assert {cell.environment for cell in CELLS} == set(ENVIRONMENTS)


def _charge(response_id: str, total: str | None, **more: Any) -> dict[str, Any]:
    sure = {"status": "priced", "quality": "reported", "reason": None}
    return {"response_id": response_id, "total": total, **sure, **more}


_BILL = Billed("chat", "gpt-4o-mini", "chatcmpl-chat-1", 1_000_000, 500_000)
_EMBEDDING = Billed("embeddings", "text-embedding-3-small", "", 50_000_000, 0)


def test_a_charge_is_exact_or_says_that_it_may_not_be() -> None:
    exact = _charge("chatcmpl-chat-1", "0.45")
    marked = _charge("chatcmpl-chat-1", "0.4", quality="estimated")
    assert judge([_BILL], [exact])[2:] == (1, 0, 0, ())
    assert judge([_BILL], [marked])[2:] == (0, 1, 0, ())
    assert judge([_EMBEDDING], [_charge("", "1")])[2:] == (1, 0, 0, ())


def test_an_id_that_litellm_made_up_is_matched_by_the_amount() -> None:
    made_up = "chatcmpl-6fa97e59-f153-4c3a-a139-c47f77e3d53d"
    assert judge([_BILL], [_charge(made_up, "0.45")])[2:] == (1, 0, 0, ())
    assert judge([_BILL], [_charge(made_up, "0.44")]).wrong
    assert judge([_BILL], [_charge(made_up, "0.45"), _charge("chatcmpl-chat-1", "0.45")]).wrong


def test_a_charge_of_nothing_for_a_refused_call_is_counted() -> None:
    refused = _charge("", "0", reason="not_billed")
    told = judge([_BILL], [_charge("chatcmpl-chat-1", "0.45"), refused, refused])
    assert (told.charges, told.failed, told.wrong) == (1, 2, ())


@pytest.mark.parametrize(
    ("charges", "said"),
    [
        ([_charge("chatcmpl-chat-1", "0.4")], "0.4, not 0.45"),
        ([_charge("chatcmpl-chat-1", "0.45")] * 2, "charged 2 times"),
        ([], "not charged"),
        ([_charge("chatcmpl-chat-1", "0.45"), _charge("other", "1")], "nothing billed"),
        ([_charge("chatcmpl-chat-1", "0", reason="not_billed")], "not charged"),
    ],
)
def test_a_wrong_charge_is_found(charges: list[dict[str, Any]], said: str) -> None:
    [wrong] = judge([_BILL], charges).wrong
    assert said in wrong


def test_every_row_is_equal_to_plain_and_every_answer_is_charged() -> None:
    excluded = {cell.label for cell in CELLS if not cell.installs}
    for label, row in recorded().items():
        if label in excluded:
            assert row["equal to plain"] == "does not install", label
            continue
        counts = [int(row[key]) for key in ("programs", "billed", "exact", "marked")]
        programs, billed, exact, marked = counts
        assert row["equal to plain"] == "yes", label
        assert programs > 1, label
        assert exact + marked == billed, label


_WRITTEN_LATER = "litellm 1.110.2, its own tracer"
"""LiteLLM writes a span of a failed call after it, which no id joins with ours."""


def test_a_failed_call_is_as_many_charges_beside_others_as_alone() -> None:
    failed: dict[str, dict[str, object]] = {}
    for cell in CELLS:
        if cell.modules in (("clients",), ("claude",), ("gateway",)):
            row = recorded()[cell.label]
            failed.setdefault(cell.programs[0], {})[cell.label] = row["failed"]
    assert len(failed) >= 10
    for rows in failed.values():
        rows.pop(_WRITTEN_LATER, None)
        assert len(set(rows.values())) == 1, rows
