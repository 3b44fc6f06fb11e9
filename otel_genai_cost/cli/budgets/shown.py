"""Standings of budgets as JSON, CSV or a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from otel_genai_cost.cli.home import Home
from otel_genai_cost.cli.output import Form, note, print_csv, print_json, print_table
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.standing import Standing, standing_record

__all__ = ["asked", "no_budget", "print_standings", "standing_of_all"]

_COLUMNS: Final = (
    "budget",
    "scope",
    "period_from",
    "period_to",
    "soft",
    "hard",
    "booked",
    "held",
    "percent",
    "currency",
    "crossed",
)
_RIGHT: Final = frozenset({"soft", "hard", "booked", "held", "percent"})
_CSV: Final = (
    "budget",
    "version",
    "scope",
    "period",
    "period_from",
    "period_to",
    "zone",
    "side",
    "currency",
    "soft",
    "hard",
    "booked",
    "held",
    "committed",
    "percent",
    "crossed",
    "soft_crossed",
    "episode",
    "calls",
    "unpriced",
    "unconverted",
    "late_entries",
)


def asked(home: Home, question: Callable[[Ledger], Iterable[Standing]]) -> list[Standing]:
    """What a ledger answers, brought up to date first; nothing where there is none."""

    def at_once(opened: Ledger) -> list[Standing]:
        with opened.snapshot():
            return list(question(opened))

    return list(home.ask(at_once))


def standing_of_all(found: Iterable[Standing]) -> list[dict[str, Any]]:
    """Standings as JSON."""
    return [standing_record(one) for one in found]


def print_standings(records: Sequence[Mapping[str, Any]], form: Form) -> None:
    """Print standings as they were asked for; of a table, on stderr, what its figures leave out.

    Args:
        records: as JSON has them.
        form: how the command answers.
    """
    if form == "json":
        print_json(records)
        return
    texts = [{key: _cell(value) for key, value in record.items()} for record in records]
    if form == "csv":
        print_csv(_CSV, texts)
    elif records:
        print_table(
            _COLUMNS, [[text[name] or "-" for name in _COLUMNS] for text in texts], right=_RIGHT
        )
        _note_left_out(records)


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, dict):
        return " ".join(f"{amount} {currency}" for currency, amount in value.items())  # pyright: ignore[reportUnknownVariableType]
    return "" if value is None else str(value)


def _note_left_out(records: Sequence[Mapping[str, Any]]) -> None:
    """What is unknown is in no figure."""
    for record in records:
        where = f"{record['budget']} ({record['scope']})"
        if record["unpriced"]:
            note(f"{where}: {record['unpriced']:,} call(s) have no price, and are in no sum")
        if record["unconverted"]:
            sums = _cell(record["unconverted"])
            note(
                f"{where}: {sums} could not be converted to {record['currency']}, and is in no sum: "
                "add an [[fx]] row to the contracts"
            )


def no_budget(budget_id: str) -> ConfigurationError:
    """There is none of that id."""
    return ConfigurationError(
        "no such budget", value=budget_id, remedy="see `genai-cost budgets list`"
    )
