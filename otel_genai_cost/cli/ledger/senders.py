"""`ledger senders`: who may send journals to a ledger or an agent, and who does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.lasting import LastsOption, expires_us
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table, say
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.intake.replica import is_sender_name
from otel_genai_cost.intake.sender_tokens import SENDERS_FILE, sender_token_file
from otel_genai_cost.intake.senders import SenderState, leave, sender_states
from otel_genai_cost.ledger.storage.keeping import refuse_standby
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.tokens import TokenFile

__all__ = ["SenderTokensOption", "register"]

SenderTokensOption = Annotated[
    Path | None,
    typer.Option("--tokens", help=f"The file of tokens; default: {SENDERS_FILE} in that folder."),
]


def register(group: typer.Typer) -> None:
    """Add the commands to `genai-cost ledger`."""
    own = typer.Typer(help="Who sends journals.", no_args_is_help=True)
    for name, command in (("add", _add), ("list", _list), ("revoke", _revoke), ("left", _left)):
        own.command(name=name)(command)
    group.add_typer(own, name="senders")


def _add(
    name: Annotated[
        str, typer.Argument(help="Of the sender: a pod's workload, a node, a function.")
    ],
    lasts: LastsOption = None,
    tokens: SenderTokensOption = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token, and print it: its text is written nowhere else. From the first one on, all need one."""
    if not is_sender_name(name):
        raise ConfigurationError(
            "no sender's name",
            value=name,
            remedy="write at most 63 letters, digits, dots, hyphens and underscores",
        )
    given = _file_to_write(tokens, ledger).add(name, expires_us(lasts))
    if as_json:
        print_json([{"token": given, "id": given.split("_")[1], "sender": name}])
    else:
        say(given)


def _list(
    tokens: SenderTokensOption = None, ledger: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Who was given a token, and who sends: how many segments there are, of how many more is to come, and when each was
    last heard of."""
    known = {one.name: one for one in _senders(Home.at(ledger))}
    given = _file(tokens, ledger).read()
    records: list[dict[str, Any]] = [
        {
            "sender": name,
            "tokens": [
                {"id": one.id, "expires": one.expires_us and rfc3339(one.expires_us)}
                for one in given
                if one.holder == name
            ],
            **(
                known[name].record() if name in known else {"segments": 0, "open": 0, "heard": None}
            ),
        }
        for name in sorted({*known, *(str(one.holder) for one in given)})
    ]
    if as_json:
        print_json(records)
    elif records:
        columns = ("sender", "tokens", "segments", "open", "heard")
        rows = [[one["sender"], _ids(one), *_cells(one)] for one in records]
        print_table(columns, rows, right=frozenset({"segments", "open"}))
    else:
        note(
            "nobody has sent anything, and no token was given out: `genai-cost ledger senders add NAME`"
        )


def _ids(one: dict[str, Any]) -> str:
    return ", ".join(each["id"] for each in one["tokens"]) or "-"


def _cells(one: dict[str, Any]) -> list[str]:
    return [f"{one['segments']:,}", f"{one['open']:,}", one["heard"] or "-"]


def _revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` has it.")],
    tokens: SenderTokensOption = None,
    ledger: HomeOption = None,
) -> None:
    """Let a token hold no longer; a receiver that runs knows within two seconds."""
    if not _file_to_write(tokens, ledger).revoke(token_id):
        raise ConfigurationError(
            "no such token", value=token_id, remedy="`genai-cost ledger senders list` has them"
        )


def _left(
    name: Annotated[
        str, typer.Argument(help="Of a sender that is gone for good: its node was lost.")
    ],
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that nothing more comes of what a sender has begun: its calls that began end, and count as unfinished. What
    it would still send of these segments is refused."""
    home = Home.to_read(ledger)
    found = [one for one in _senders(home) if one.name == name]
    if not found:
        raise ConfigurationError(
            "no such sender", value=name, remedy="`genai-cost ledger senders list` has them"
        )
    count = sum(leave(home.folder, one) for one in found)
    if as_json:
        print_json([{"sender": name, "finished": count}])
    else:
        note(f"{name} has left: {count} segment(s) are finished by that")


def _senders(home: Home) -> list[SenderState]:
    return [one for folder in home.journals for one in sender_states(folder)]


def _file(tokens: Path | None, ledger: Path | None) -> TokenFile:
    return sender_token_file(tokens or Home.at(ledger).folder / SENDERS_FILE)


def _file_to_write(tokens: Path | None, ledger: Path | None) -> TokenFile:
    """The same. That of a copy which stands by is put back to what it was by the next backup."""
    file = _file(tokens, ledger)
    refuse_standby(file.path.parent)
    return file
