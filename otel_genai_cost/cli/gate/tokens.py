"""`gate tokens`: who may ask the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.lasting import LastsOption, expires_us
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table, say
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.gate.tokens import TOKENS_FILE, add_token, read_tokens, revoke_token
from otel_genai_cost.ledger.storage.keeping import refuse_standby
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["TokensOption", "register"]

TokensOption = Annotated[
    Path | None,
    typer.Option("--tokens", help=f"The file of tokens; default: {TOKENS_FILE} in that folder."),
]


def register(group: typer.Typer) -> None:
    """Add the commands to `genai-cost gate`."""
    tokens = typer.Typer(help="Who may ask the gate.", no_args_is_help=True)
    for name, command in (("add", _add), ("list", _list), ("revoke", _revoke)):
        tokens.command(name=name)(command)
    group.add_typer(tokens, name="tokens")


def _add(
    team: Annotated[bool, typer.Option("--team", help="For the team: every tenant.")] = False,
    tenant: Annotated[str | None, typer.Option(help="For a tenant: its own calls only.")] = None,
    lasts: LastsOption = None,
    tokens: TokensOption = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token, and print it: its text is written nowhere else."""
    if team == (tenant is not None):
        raise ConfigurationError("whose token is it?", remedy="pass either --team or --tenant ID")
    given = add_token(_file_to_write(tokens, ledger), tenant, expires_us(lasts))
    if as_json:
        print_json([{"token": given, "id": given.split("_")[1], "tenant": tenant}])
    else:
        say(given)


def _list(
    tokens: TokensOption = None, ledger: HomeOption = None, as_json: JsonOption = False
) -> None:
    """The tokens that were given out, without their text."""
    records: list[dict[str, Any]] = [
        {
            "id": one.id,
            "tenant": one.holder,
            "expires": None if one.expires_us is None else rfc3339(one.expires_us),
        }
        for one in read_tokens(_tokens_file(tokens, ledger))
    ]
    if as_json:
        print_json(records)
    elif records:
        rows = [[one["id"], one["tenant"] or "(team)", one["expires"] or "-"] for one in records]
        print_table(("id", "tenant", "expires"), rows, right=frozenset())
    else:
        note("nobody may ask yet: give out a token with `genai-cost gate tokens add --team`")


def _revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` has it.")],
    tokens: TokensOption = None,
    ledger: HomeOption = None,
) -> None:
    """Let a token hold no longer; a gate that runs knows within two seconds."""
    if not revoke_token(_file_to_write(tokens, ledger), token_id):
        raise ConfigurationError(
            "no such token", value=token_id, remedy="`genai-cost gate tokens list` has them"
        )


def _tokens_file(tokens: Path | None, ledger: Path | None) -> Path:
    return tokens or Home.at(ledger).folder / TOKENS_FILE


def _file_to_write(tokens: Path | None, ledger: Path | None) -> Path:
    """The same. That of a copy which stands by is put back to what it was by the next backup."""
    path = _tokens_file(tokens, ledger)
    refuse_standby(path.parent)
    return path
