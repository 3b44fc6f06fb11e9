"""`explain`: the receipt of a call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json, say
from otel_genai_cost.cli.records import print_rows
from otel_genai_cost.cli.registry import names_at
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.charge import Explanation, explain
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.reports.receipt import charge_record, receipt_record, receipt_text

__all__ = ["register"]

_FOUND: Final = ("occurred", "charge_id", "tenant", "model", "amount", "currency")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="explain")(_explain)


def _explain(
    id: Annotated[  # noqa: A002 -- the argument's name in the help
        str,
        typer.Argument(
            help="A charge, observation, span or trace id, or its first 8 digits; or a provider's response id."
        ),
    ],
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The receipt: every observation of a call, and each line's arithmetic."""
    home = Home.to_read(ledger)
    found = list(home.ask(lambda ledger: explain(ledger, id)))
    forgotten = home.ask(lambda ledger: [ledger.candidates.forgotten_before_us()])
    if not found:
        raise ConfigurationError(
            "nothing in the ledger has this id",
            value=id,
            where=str(home.folder),
            remedy="give at least 8 hex digits of a charge, observation, span or trace id, or a whole response id",
        )
    if as_json:
        print_json(receipt_record(one, home.book_of()) for one in found)
    elif len(found) > 1 and all(_is_response(one, id) for one in found):
        _print_choice(found)
    else:
        who = names_at(home)
        say("\n\n".join(receipt_text(one, home.book_of(), who) for one in found))
        _note_forgotten(found, sum(forgotten))


def _note_forgotten(found: Sequence[Explanation], before_us: int) -> None:
    """What of a call is not kept any more: what others of it could be found by."""
    members = [member for one in found for member in one.members]
    if members and all(member.ingested_us < before_us for member in members):
        note(
            "its observations and entries are kept, evidence of overlap is forgotten (that of what was ingested before "
            f"{rfc3339(before_us)}): what else reports this call now, without its response id, is a charge of its own, "
            "flagged late"
        )


def _is_response(found: Explanation, asked: str) -> bool:
    return any(one.observation.reading.response_id == asked for one in found.asked)


def _print_choice(found: Sequence[Explanation]) -> None:
    """Several charges of one response id, to choose from."""
    priced = [one.charge for one in found if one.charge is not None]
    records = [record for charge in priced for record in charge_record(charge)]
    print_rows(_FOUND, records)
    note(f"{len(found)} calls have this response id; `genai-cost explain CHARGE_ID` shows one")
