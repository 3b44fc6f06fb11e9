"""`margin`: what customers bring, less what their calls cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import typer

from otel_genai_cost.cli.home import ContractsOption, Home, HomeOption, watched_contracts
from otel_genai_cost.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    cell,
    form_of,
    note,
    print_csv,
    print_json,
    print_table,
)
from otel_genai_cost.cli.registry import joined
from otel_genai_cost.cli.selecting import selecting
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.tenants.named import name_of
from otel_genai_cost.limits.currency import CURRENCIES
from otel_genai_cost.pricing.money import ATTO, money_in
from otel_genai_cost.reports.margin.asked import TARGET, usual_currency
from otel_genai_cost.reports.margin.assembly import BYS, REVENUE_RULES
from otel_genai_cost.reports.margin.record import ROW_COLUMNS, row_record, summary_record
from otel_genai_cost.reports.margin.report import Known, MarginReport, Question, currencies, margin
from otel_genai_cost.reports.margin.spreading import SPREAD_RULES
from otel_genai_cost.reports.revenue.store import revenue_in
from otel_genai_cost.reports.selection import Selection

__all__ = ["Asked", "margin_if_known", "margin_of", "question_of", "register"]

_T = TypeVar("_T", bound=str)

_SHOWN: Final = (
    *("calls", "revenue", "cost", "margin", "margin_percent", "trend"),
    *("price_at_target", "currency"),
)
_RIGHT: Final = frozenset(_SHOWN) - {"currency"}


class Asked(NamedTuple):
    """The options as they were written; "" for what was not given."""

    by: str
    target: str
    spread: str
    revenue_by: str
    currency: str


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="margin")(selecting(_margin, without=("model", "feature")))


def _margin(
    by: Annotated[
        str,
        typer.Option("--by", help=f"One of {', '.join(BYS)}.", autocompletion=lambda: list(BYS)),
    ] = "tenant",
    *,
    selection: Selection,
    target: Annotated[
        str, typer.Option(help="What part of revenue margin should be; below it come first.")
    ] = TARGET,
    spread: Annotated[
        str,
        typer.Option(
            help=f"Spread what is nobody's: by {', '.join(SPREAD_RULES)}; else it has its own rows.",
            autocompletion=lambda: list(SPREAD_RULES),
        ),
    ] = "",
    revenue_by: Annotated[
        str,
        typer.Option(
            help=f"Give a tenant's revenue to its features: by {', '.join(REVENUE_RULES)}.",
            autocompletion=lambda: list(REVENUE_RULES),
        ),
    ] = "",
    currency: Annotated[
        str, typer.Option(help="Of the report; others are converted by the contracts' rates.")
    ] = "",
    contracts: ContractsOption = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Revenue less cost by tenant, plan or feature: those below the target first, and what prices would have to be."""
    form, home = form_of(as_json=as_json, as_csv=as_csv), Home.to_read(ledger)
    asked = Asked(by, target, spread, revenue_by, currency)
    question_of(asked, [])
    has_ledger, selection = home.fresh(), joined(home, selection)
    if not has_ledger:
        home.note_why_empty(selection)
        return
    found = margin_of(home, selection, asked, contracts)
    _print(found, form)
    if not found.rows:
        home.note_why_empty(selection)


def question_of(asked: Asked, found: Sequence[str]) -> Question:
    """What is asked.

    Args:
        asked: the options.
        found: the currencies that revenue and costs are in.

    Raises:
        ConfigurationError: if an option cannot be read.
    """
    target = money_in(asked.target)
    if target is None or not 0 <= target < ATTO:
        raise ConfigurationError(
            "--target is no share of revenue", value=asked.target, remedy=f"write {TARGET}"
        )
    if asked.currency and asked.currency not in CURRENCIES:
        raise ConfigurationError(
            "--currency is none", value=asked.currency, remedy='write an ISO 4217 code, "USD"'
        )
    return Question(
        currency=asked.currency or usual_currency(found),
        by=_word("--by", asked.by, BYS),
        target=target,
        spread=_word("--spread", asked.spread, SPREAD_RULES) if asked.spread else None,
        revenue_by=_word("--revenue-by", asked.revenue_by, REVENUE_RULES)
        if asked.revenue_by
        else None,
    )


def _word(option: str, text: str, words: Sequence[_T]) -> _T:
    for one in words:
        if one == text:
            return one
    raise ConfigurationError(
        f"{option} is none of its words", value=text, remedy=f"write {' or '.join(words)}"
    )


def margin_of(
    home: Home,
    selection: Selection,
    asked: Asked,
    contracts: Path | None = None,
    until_seq: int | None = None,
) -> MarginReport:
    """The report of a ledger, and a note where several currencies became one.

    Args:
        home: where the ledger is.
        selection: which calls; it has the registry
        asked: the options.
        contracts: a file with exchange rates; None for the configured one, else that by which the ledger bills.
        until_seq: the last entry that counts; None for all.

    Raises:
        ConfigurationError: if an option or the file cannot be read.
    """
    rows, store = revenue_in(home.folder), home.store()
    found = currencies(store, selection, rows)
    question = question_of(asked, found)
    watched = watched_contracts(contracts)
    with closing(home.ledger()) as opened:
        terms = opened.contracts if watched is None else watched()
        known = Known(rows, list(opened.credits.burnt()), terms, time.time_ns() // 1000, until_seq)
        report = margin(store, known, selection, question)
    if set(found) - {question.currency}:
        note(
            f"in {question.currency}; what is in {', '.join(sorted(set(found) - {question.currency}))} is converted by "
            "the rates of the contracts, and left out where there is none"
        )
    if question.by == "feature" and question.revenue_by is None:
        note("revenue is of no feature alone; --revenue-by cost gives it to features")
    return report


def margin_if_known(home: Home, selection: Selection, until_seq: int) -> MarginReport | None:
    """The report by tenant, as it is without any option; None where no revenue is known of any tenant, and for a
    selection of models or features, which revenue is not of.

    Args:
        home: where the ledger is.
        selection: which calls; the registry is in it
        until_seq: the last entry that counts.
    """
    if selection.models or selection.features or not _has_revenue(home, selection):
        return None
    report = margin_of(home, selection, Asked("tenant", TARGET, "", "", ""), until_seq=until_seq)
    is_known = any(row.figures.known_revenue is not None for row in report.rows)
    return report if is_known else None


def _has_revenue(home: Home, selection: Selection) -> bool:
    """Whether there is any of whomever: without, nothing needs to be added up to know of no tenant's."""
    if any(row.revenue for row in selection.directory.rows) or revenue_in(home.folder):
        return True
    with closing(home.ledger()) as opened:
        return next(opened.credits.burnt(), None) is not None


def _print(report: MarginReport, form: Form) -> None:
    records = [row_record(row, report) for row in report.rows]
    name = report.question.by
    if form == "json":
        print_json([*records, {"summary": summary_record(report)}])
    elif form == "csv":
        print_csv([name, *ROW_COLUMNS], records)
    elif records:
        rows = [[_named(name, one), *(cell(one[key]) for key in _SHOWN)] for one in records]
        print_table([name, *_SHOWN], rows, right=_RIGHT)
        _note_summary(summary_record(report))


def _named(by: str, record: dict[str, Any]) -> str:
    if record["what"] != by:
        return str(record["what"]).replace("_", " ")
    return name_of(record[by]) if by == "tenant" else cell(record[by])


def _note_summary(summary: dict[str, Any]) -> None:
    """What a reader should know of the whole."""
    whole = [
        f"{summary['below_target']} of {summary['accounts']} accounts are below a margin of {summary['target']}",
    ]
    if summary["unknown_revenue"]:
        whole.append(f"the revenue of {summary['unknown_revenue']} is unknown")
    if summary["top_share"] is not None:
        whole.append(
            f"the dearest {summary['top_tenants']} tenants are {summary['top_share']} of cost"
        )
    if summary["spread_costs"]:
        spread = ", ".join(f"{name} {amount}" for name, amount in summary["spread_costs"].items())
        whole.append(f"spread by {summary['spread']}: {spread}")
    note("; ".join(whole))
