"""OpenRouter's activity beside the ledger: keys of one's own, calls that say no cost, and days that are not over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.errors import BillsError
from otel_genai_cost.reconciliation.reading import read_bill
from tests.cli.program import call, rows_of

Capture = pytest.CaptureFixture[str]

MODEL: Final = "anthropic/claude-opus-5"
_OWN_KEY: Final = {"cost": 0.95, "is_byok": True, "cost_details": {"upstream_inference_cost": 19}}
_CALLS: Final[tuple[dict[str, Any], ...]] = (
    {"cost": 0.00197, "cost_details": {"upstream_inference_cost": 0.00197}},
    _OWN_KEY,
    {"cost": 0, "is_byok": True},  # what the provider takes is untold: our price
    {},
)
"""What the reply says of each of four days, beside its 1,000 and 100 tokens."""


def _span(day: int, said: dict[str, Any]) -> dict[str, Any]:
    tokens = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}
    reply = {"id": f"gen-{day}", "model": MODEL, "usage": {**tokens, **said}}
    begin = 1_795_132_800 + day * 86_400  # 2026-11-20
    values = {
        "openinference.span.kind": "LLM",
        "llm.provider": "openrouter",
        "llm.model_name": MODEL,
        "output.value": json.dumps(reply),
    }
    counts = {"llm.token_count.prompt": "1000", "llm.token_count.completion": "100"}
    return {
        "traceId": f"{day + 1:032x}",
        "spanId": f"{day + 1:016x}",
        "name": "ChatCompletion",
        "startTimeUnixNano": str(begin * 10**9),
        "endTimeUnixNano": str((begin + 1) * 10**9),
        "attributes": [
            *({"key": key, "value": {"stringValue": text}} for key, text in values.items()),
            *({"key": key, "value": {"intValue": text}} for key, text in counts.items()),
        ],
    }


def _item(day: int, usage: object, upstream: object, requests: int = 1) -> dict[str, Any]:
    return {
        "date": f"2026-11-{20 + day}",
        "model": MODEL,
        "model_permaslug": f"{MODEL}-20260401",
        "endpoint_id": f"550e8400-{day}",
        "provider_name": "Anthropic",
        "usage": usage,
        "byok_usage_inference": upstream,
        "requests": requests,
        "prompt_tokens": 1_000,
        "completion_tokens": 100,
        "reasoning_tokens": 0,
    }


_ACTIVITY: Final = (
    _item(0, 0.00197, 0),
    _item(1, 0.95, 19),
    _item(2, 0, 0.0075),
    _item(3, 0.0075, 0),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openrouter")
    scope = {"name": "openinference.instrumentation.openai", "version": "0.1.66"}
    spans = [_span(day, said) for day, said in enumerate(_CALLS)]
    request = {"resourceSpans": [{"scopeSpans": [{"scope": scope, "spans": spans}]}]}
    (folder / "spans.jsonl").write_text(json.dumps(request), encoding="utf-8")
    return folder


def _reconciled(
    capsys: Capture, home: Path, *items: dict[str, Any], more: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    if not (home / "ledger").exists():
        done = call(
            capsys, "replay", str(home / "spans.jsonl"), "--into", str(home / "ledger"), "--json"
        )
        assert [row["total"] for row in done.rows] == ["0.00197", "19.95", "0.0075", "0.0075"]
    (home / "ledger" / "bills.sqlite").unlink(missing_ok=True)
    path = home / "activity.json"
    path.write_text(json.dumps({"data": items}), encoding="utf-8")
    command = ("reconcile", "--provider", "openrouter", str(path), "--ledger", str(home / "ledger"))
    return rows_of(capsys, *command, *more)


def test_what_the_provider_takes_with_a_key_of_ones_own_is_in_it(
    capsys: Capture, home: Path
) -> None:
    *cells, last = _reconciled(capsys, home, *_ACTIVITY)
    assert [cell["class"] for cell in cells] == ["equal"] * 4
    assert cells[1]["theirs"] == {"quantity": 1, "amount": "19.95"}
    assert last["summary"]["ours"] == last["summary"]["theirs"] == "19.96697"


def test_calls_that_say_no_cost_are_compared_by_requests(capsys: Capture, home: Path) -> None:
    """Whether the ledger has a call by its bill or by its tokens, the activity counts it as one request."""
    items = (
        _ACTIVITY[0],
        _item(1, 1.9, 38, 2),  # a call more, like ours
        _item(2, 0, 0.0076),
        _item(3, 0.0075, 0),
    )
    *cells, last = _reconciled(capsys, home, *items, more=("--calls",))
    assert [(cell["class"], cell["volume"], cell["rate"]) for cell in cells] == [
        ("equal", "0", "0"),
        ("volume", "19.95", "0"),
        ("rate", "0", "0.0001"),
        ("equal", "0", "0"),
    ]
    assert [len(cell.get("calls", ())) for cell in cells] == [0, 1, 1, 0]
    assert last["summary"]["unexplained"] == "0"


def test_endpoints_of_a_model_add_up(capsys: Capture, home: Path) -> None:
    items = (_item(1, 0.95, 0, 1), {**_item(1, 0, 19, 1), "endpoint_id": "other"})
    cell, _ = _reconciled(capsys, home, *items)
    assert cell["theirs"] == {"quantity": 2, "amount": "19.95"}


def test_a_finished_day_is_not_yet_final(capsys: Capture, home: Path) -> None:
    """The activity has finished days alone: the day after is not compared, and nothing is posted unasked."""
    cells = _reconciled(capsys, home, *_ACTIVITY[:3])[:-1]
    assert {cell["day"] for cell in cells} == {"2026-11-20", "2026-11-21", "2026-11-22"}
    assert {cell["final"] for cell in cells} == {False}


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("byok_usage_inference", None, "not an amount: 'None'"),
        ("usage", "much", "not an amount: 'much'"),
        ("date", "today", "no day: 'today'"),
        ("requests", "many", "not a quantity"),
        ("model", ["a"], "not a name"),
    ],
)
def test_a_bad_item_is_refused(
    capsys: Capture, home: Path, name: str, value: object, what: str
) -> None:
    path = home / "bad.json"
    path.write_text(json.dumps({"data": [{**_ACTIVITY[0], name: value}]}), encoding="utf-8")
    done = call(capsys, "reconcile", "--provider", "openrouter", str(path))
    assert (done.code, done.out) == (2, "")
    assert what in done.err


def test_without_the_provider_s_part_it_is_refused(capsys: Capture, home: Path) -> None:
    item = {key: value for key, value in _ACTIVITY[1].items() if key != "byok_usage_inference"}
    path = home / "bad.json"
    path.write_text(json.dumps({"data": [item]}), encoding="utf-8")
    done = call(capsys, "reconcile", "--provider", "openrouter", str(path))
    assert (done.code, done.out) == (2, "")
    assert "'byok_usage_inference' is missing" in done.err


_HEAD = (
    "generation_id,created_at,cost_total,cost_web_search,cost_cache,byok_usage_inference,tokens_prompt,"
    "tokens_completion,model_permaslug,provider_name,variant,cancelled,api_key_name"
)


def _export(folder: Path, name: str, *rows: str) -> str:
    path = folder / name
    path.write_text("\n".join((_HEAD, *rows, "")), encoding="utf-8")
    return str(path)


def test_an_export_of_generations_says_what_the_activity_does(capsys: Capture, home: Path) -> None:
    """Files that overlap have each generation once; the name of the model ends in a date."""
    slug = "anthropic/claude-opus-5-20260710,Anthropic,standard,false,"
    rows = [
        f"gen-1,2026-11-20 23:59:59.999,0.00197,0,0,0,1000,100,{slug}",
        f"gen-2,2026-11-21 00:00:00.000,0.95,0,0,19,1000,100,{slug}",
        f"gen-3,2026-11-22 10:00:00.713,0,0,0,0.0075,1000,100,{slug}",
        f"gen-4,2026-11-23 10:00:00,0.0075,0,0,,1000,100,{slug}",
    ]
    files = [
        *(_export(home, "a.csv", *rows[:3]), _export(home, "b.csv", *rows[1:])),
        _export(home, "c.csv", rows[3], rows[3]),
    ]
    command = ("reconcile", "--provider", "openrouter", *files, "--ledger", str(home / "ledger"))
    *cells, last = rows_of(capsys, *command)
    assert [(cell["class"], cell["theirs"]["quantity"]) for cell in cells] == [("equal", 1)] * 4
    assert last["summary"]["ours"] == last["summary"]["theirs"] == "19.96697"


def test_a_variant_and_a_key_of_a_generation_are_told_apart(home: Path) -> None:
    rows = [
        "gen-1,2026-11-20 10:00:00,0,0,0,0,1,1,openai/gpt-oss-120b,Chutes,free,false,batch jobs",
        "gen-2,2026-11-20 10:00:00,0.1,0,0,0,1,1,openai/gpt-oss-120b,Groq,,true,",
    ]
    cells = read_bill("openrouter", [Path(_export(home, "a.csv", *rows))]).cells
    assert {(cell.model, cell.key) for cell in cells} == {
        ("openai/gpt-oss-120b:free", "batch jobs"),
        ("openai/gpt-oss-120b", None),
    }


@pytest.mark.parametrize("row", ["gen-1,,1", ",2026-11-20,1", "gen-1,2026-11-20,much"])
def test_a_bad_generation_is_refused_with_its_line(home: Path, row: str) -> None:
    path = _export(home, "bad.csv", f"{row},0,0,0,1,1,openai/gpt-4o,OpenAI,,false,")
    with pytest.raises(BillsError, match=r"bad\.csv:2: "):
        read_bill("openrouter", [Path(path)])
