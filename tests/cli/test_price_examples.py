"""`genai-cost price` on worked examples and hostile lines, and the command that makes the default book."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cli.command import rows, run

_PRICING: Final = Path(__file__).resolve().parents[1] / "pricing"
_EXAMPLES: Final = (_PRICING / "examples.jsonl").read_text("utf-8")
_CALLS: Final = (_PRICING / "calls.jsonl").read_text("utf-8")
"""Some hundred calls over all providers, each with its total from the lists that `source` names, or its reason."""

_CALL: Final = {
    "id": "a",
    "provider": "anthropic",
    "model": "claude-sonnet-4-5",
    "usage": {"input_tokens": 1000, "output_tokens": 10},
    "at": "2026-11-20T12:00:00Z",
}


def _answer(**changes: Any) -> dict[str, Any]:
    (answer,) = rows("price", "--jsonl", stdin=json.dumps({**_CALL, **changes}) + "\n")
    return answer


def test_the_worked_examples_are_answered_in_their_order_exact_to_the_last_digit() -> None:
    asked = [json.loads(line) for line in _EXAMPLES.splitlines()]
    answers = rows("price", "--jsonl", stdin=_EXAMPLES)
    assert [(a["id"], a["total"], a["reason"]) for a in answers] == [
        (e["id"], e["expected_usd"], e.get("reason")) for e in asked
    ]
    for answer in answers:
        assert (answer["status"] == "priced") == (answer["reason"] is None)
        assert len(answer["book"]) == 64


def test_calls_of_all_providers_cost_what_the_lists_say_or_are_refused_for_their_reason() -> None:
    asked = [json.loads(line) for line in _CALLS.splitlines()]
    answers = rows("price", "--jsonl", stdin=_CALLS)
    assert len(asked) > 350
    assert [(a["id"], a["total"] or a["reason"]) for a in answers] == [
        (call["id"], call["expected"]) for call in asked
    ]


@pytest.mark.parametrize(
    "count", ["5", 5.0, 1.5, True, -1, 10**18, [], {}, float("nan"), float("inf"), 1e300]
)
@pytest.mark.parametrize("key", ["input_tokens", "cache_write_12h_tokens", "web_searches"])
def test_a_count_that_is_no_whole_number_is_refused(key: str, count: object) -> None:
    usage = {"input_tokens": 1000, "output_tokens": 10, key: count}
    answer = _answer(usage=usage)
    assert (answer["status"], answer["reason"]) == ("unpriced", "invalid_usage")
    assert (answer["total"], answer["lines"]) == (None, [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"at": "2026-11-20T12:00:00"}, "invalid_time"),
        ({"at": 5}, "invalid_time"),
        ({"at": "1999-01-01T00:00:00Z"}, "out_of_effective_range"),
        ({"provider": None}, "unknown_provider"),
        ({"provider": "nobody"}, "unknown_provider"),
        ({"model": None}, "missing_model"),
        ({"model": "claude-opus-4-10"}, "unknown_model"),
        ({"usage": None}, "missing_usage"),
        ({"usage": {"input_tokens": 5, "cache_read_tokens": 6}}, "invalid_usage"),
        ({"usage": {"imput_tokens": 5}}, "invalid_usage"),
        ({"context": {"service_tier": "priority"}}, "unpriced_tier"),
        ({"context": ["batch"]}, "unpriced_tier"),
        (
            {"provider": "aws.bedrock", "model": "anthropic.claude-sonnet-4-5-20250929-v1:0"},
            "ambiguous_scope",
        ),
    ],
)
def test_every_refusal_names_its_reason(changes: dict[str, Any], reason: str) -> None:
    answer = _answer(**changes)
    assert (answer["total"], answer["reason"]) == (None, reason)


def test_null_and_missing_keys_are_alike() -> None:
    plain = _answer()
    assert _answer(context=None, at=_CALL["at"]) == plain
    assert _answer(context={"batch": None, "region": None}) == plain
    assert _answer(usage={**_CALL["usage"], "cache_read_tokens": None}) == plain  # type: ignore[dict-item]


def test_similar_names_are_shown_and_not_used() -> None:
    answer = _answer(model="claude-sonnet-4-5-banana")
    assert (answer["status"], answer["model_resolved"]) == ("unpriced", None)
    assert "claude-sonnet-4-5" in answer["message"]


def test_the_book_can_be_made_again_and_says_what_it_left_out(tmp_path: Path) -> None:
    checked = run("prices", "check", "--inputs", str(_PRICING))
    assert (checked.returncode, checked.stderr) == (0, "the book is what its inputs say\n")
    out = tmp_path / "book.json"
    left = rows("prices", "import", "--inputs", str(_PRICING), "--out", str(out), "--json")
    assert len(left) > 500
    assert {"provider", "model", "reason"} == set(left[0])
    assert rows("price", "--jsonl", "--book", str(out), stdin=json.dumps(_CALL))[0]["total"]


def test_other_inputs_than_the_pinned_are_refused(tmp_path: Path) -> None:
    done = run("prices", "import", "--inputs", str(tmp_path), "--out", str(tmp_path / "b.json"))
    assert done.returncode == 2
    assert "the inputs are not the pinned ones" in done.stderr
    assert done.stderr.count("\n") == 1


def test_one_call_without_a_price_ends_with_exit_code_1() -> None:
    asked = ("price", "--provider", "openai", "--input-tokens", "10", "--model")
    assert run(*asked, "gpt-4o").returncode == 0
    assert run(*asked, "gpt-none").returncode == 1


def test_an_estimate_says_so_with_both_bounds() -> None:
    written = {"input_tokens": 1_000, "cache_write_tokens": 500, "output_tokens": 10}
    asked = {**_CALL, "provider": "anthropic", "model": "claude-opus-4-8", "usage": written}
    (answer,) = rows("price", "--jsonl", stdin=json.dumps(asked) + "\n")
    assert (answer["status"], answer["total"], answer["quality"]) == (
        "priced",
        "0.005875",
        "estimated",
    )
    assert answer["bounds"] == {"low": "0.005875", "high": "0.00775"}
