"""The demo's verdict over what a run left in its folder."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from tests.demo.capped import INBOX, STORY
from tests.demo.command import genai_cost_rows
from tests.demo.verdict import (
    Row,
    Table,
    arithmetic,
    billed,
    budget_problems,
    differences,
    of_charges,
    of_entries,
    of_report,
)

__all__ = ["judge", "judge_capped"]


def judge(folder: Path, bill: Path | None) -> list[str]:
    """Every figure that does not hold, in words; empty if all do. Without a bill the ledger is checked in itself."""
    home = ("--ledger", folder)
    entries = genai_cost_rows("entries", "--json", *home)
    charges = genai_cost_rows("charges", "--json", *home)
    report = genai_cost_rows("report", "--by", "tenant,model", "--json", *home)
    booked, net = of_entries(entries), of_charges(charges)
    problems = ["the ledger is empty"] if not charges else []
    problems += arithmetic(entries)
    problems += differences("the entries", booked, "the charges", net)
    problems += differences("the report", of_report(report), "the charges", net)
    if bill is not None:
        of_provider = [charge for charge in charges if charge["reason"] != "not_billed"]
        problems += differences("the bill", _bill(bill), "the charges", of_charges(of_provider))
    return problems


def judge_capped(folder: Path) -> list[str]:
    """What does not hold of the customer with a budget: its figures, and its cap by the provider's own bill.

    Args:
        folder: what `capped.perform` left.
    """
    bill = folder / "provider.jsonl"
    story = json.loads((folder / STORY).read_text("utf-8"))
    amounts = [Decimal(answer["total"]) for answer in _priced(bill)]
    notices = (folder / INBOX).read_text("utf-8").splitlines()
    said = [json.loads(line)["type"] for line in notices]
    return [*judge(folder, bill), *budget_problems(story, amounts, said)]


def _bill(path: Path) -> Table:
    return billed(_answered(path), _priced(path))


def _answered(path: Path) -> list[Row]:
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [line for line in lines if line["status"] == 200]


def _priced(path: Path) -> list[Row]:
    """What each answer on the bill costs by the price book."""
    questions = (
        {"provider": "openai", "model": line["model"], "usage": line["usage"]}
        for line in _answered(path)
    )
    stdin = "".join(json.dumps(question) + "\n" for question in questions)
    return list(genai_cost_rows("price", "--jsonl", stdin=stdin))
