"""The demo's verdict over what a run left in its folder."""

from __future__ import annotations

import json
from pathlib import Path

from tests.demo.command import genai_cost_rows
from tests.demo.verdict import (
    Row,
    Table,
    arithmetic,
    billed,
    differences,
    of_charges,
    of_entries,
    of_report,
)

__all__ = ["judge"]


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


def _bill(path: Path) -> Table:
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    answered: list[Row] = [line for line in lines if line["status"] == 200]
    questions = (
        {"provider": "openai", "model": line["model"], "usage": line["usage"]} for line in answered
    )
    stdin = "".join(json.dumps(question) + "\n" for question in questions)
    return billed(answered, genai_cost_rows("price", "--jsonl", stdin=stdin))
