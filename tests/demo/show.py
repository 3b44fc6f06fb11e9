"""What the demo prints: one trace as a tree, the reports and a few receipts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.demo.command import genai_cost, genai_cost_rows
from tests.demo.trace import Span, read_spans, traces, tree

__all__ = ["receipts", "reports", "ship", "statements", "trace_of_a_document"]


def ship(folder: Path) -> str:
    """Settle and book what the application and its worker journalled; gives the command's last line."""
    return genai_cost("ship", "--drain", "--ledger", folder).strip().splitlines()[-1]


def trace_of_a_document(folder: Path) -> None:
    """The request that crossed into the worker: the trace with most services, then most spans."""
    found = traces(read_spans(folder / "spans.jsonl")).values()
    widest = max(found, key=lambda spans: (len({span.service for span in spans}), len(spans)))
    _section(f"one trace, as the OTLP receiver got it: {widest[0].trace_id}")
    print("\n".join(tree(widest)))


def reports(folder: Path) -> None:
    """Cost by tenant, model, feature and hour, and the page."""
    for dimension in ("tenant", "tenant,model", "tenant,feature", "hour"):
        _section(f"genai-cost report --by {dimension}")
        print(genai_cost("report", "--by", dimension, "--ledger", folder).rstrip())
    genai_cost("report", "--ledger", folder, "--html", folder / "report.html")


def statements(folder: Path) -> str:
    """What is charged to whom for the day of the last call, as far as it goes; gives what states that later."""
    day = max(
        charge["occurred"][:10]
        for charge in genai_cost_rows("charges", "--json", "--ledger", folder)
    )
    run = ("statements", "run", "--period", day)
    _section(f"genai-cost {' '.join(run)}   # preliminary")
    print(genai_cost(*run, "--ledger", folder).rstrip())
    return f"genai-cost {' '.join(run)} --grace 0d --with-unpriced; genai-cost statements export --help"


def receipts(folder: Path) -> None:
    """One call that was told of twice, one with cached or reasoning tokens, one without a price."""
    charges = genai_cost_rows("charges", "--json", "--ledger", folder)
    spans = read_spans(folder / "spans.jsonl")
    for title, found in (
        ("a charge", _with_most_leaves(charges)),
        ("a span of a call that two spans told of", _duplicate(spans)),
        ("a charge without a price", _first(charges, unpriced=1)),
    ):
        if found:
            _section(f"genai-cost explain {found}   # {title}")
            print(genai_cost("explain", found, "--ledger", folder).rstrip())


def _with_most_leaves(charges: Iterable[Mapping[str, Any]]) -> str | None:
    richest = max(charges, key=lambda charge: len(charge["lines"]), default=None)
    return None if richest is None else str(richest["charge_id"])


def _duplicate(spans: Iterable[Span]) -> str | None:
    marked = (span for span in spans if span.attributes.get("genai_cost.status") == "duplicate")
    return next((span.span_id for span in marked), None)


def _first(charges: Iterable[Mapping[str, Any]], unpriced: int) -> str | None:
    found = (charge for charge in charges if charge["unpriced"] == unpriced)
    return next((str(charge["charge_id"]) for charge in found), None)


def _section(title: str) -> None:
    print(f"\n── {title} " + "─" * max(0, 112 - len(title)) + "\n")
