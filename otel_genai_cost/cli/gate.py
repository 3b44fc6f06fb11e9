"""`genai-cost gate`: the service that calls are admitted by, and who may ask it."""

from __future__ import annotations

import logging
import re
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final

import typer

from otel_genai_cost.cli import gateway
from otel_genai_cost.cli.home import Home, HomeOption, watched_book
from otel_genai_cost.cli.ledger_settings import load_ledger_settings
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table, say
from otel_genai_cost.errors import ConfigurationError, MissingExtraError
from otel_genai_cost.gate.cached import CachedStore, open_backend
from otel_genai_cost.gate.gate import Gate, Options
from otel_genai_cost.gate.sqlite_store import SqliteStore
from otel_genai_cost.gate.store import Store
from otel_genai_cost.gate.tokens import TOKENS_FILE, Tokens, add_token, read_tokens, revoke_token
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["register", "serve"]

TokensOption = Annotated[
    Path | None,
    typer.Option("--tokens", help=f"The file of tokens; default: {TOKENS_FILE} in that folder."),
]

_LASTS: Final = re.compile(r"(\d{1,5})([hdw])", re.ASCII)
_UNIT_S: Final = {"h": 3_600, "d": 86_400, "w": 604_800}


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Admission of calls before they are made: budgets that hold.", no_args_is_help=True
    )
    group.command(name="serve")(_serve)
    gateway.register(group)
    tokens = typer.Typer(help="Who may ask the gate.", no_args_is_help=True)
    tokens.command(name="add")(_add)
    tokens.command(name="list")(_list)
    tokens.command(name="revoke")(_revoke)
    group.add_typer(tokens, name="tokens")
    app.add_typer(group, name="gate")


def _serve(
    port: Annotated[int, typer.Option(help="The port to listen at.", min=0, max=65535)] = 4180,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    store: Annotated[
        str | None,
        typer.Option(
            help="Where holds are: postgresql://… or redis://…; default: OTEL_GENAI_COST_GATE_STORE, else the ledger."
        ),
    ] = None,
    tokens: TokensOption = None,
    ttl_s: Annotated[
        int, typer.Option(help="How long a hold lasts of which nothing is heard.", min=1, max=86400)
    ] = 600,
    lost_after_s: Annotated[
        int | None,
        typer.Option(help="How long it counts after that; default: to the period's end.", min=0),
    ] = None,
    max_lag_s: Annotated[
        int, typer.Option(help="How far the books may be behind.", min=1, max=86400)
    ] = 60,
    output_limit: Annotated[
        int, typer.Option(help="Tokens taken for a call that names no limit of output.", min=1)
    ] = 16_384,
    tenant_header: gateway.TenantHeaderOption = gateway.TENANT_HEADER,
    ledger: HomeOption = None,
) -> None:
    """Answer reserve, settle and release over HTTP until SIGTERM or Ctrl-C."""
    home, clock_us = Home.at(ledger), lambda: time.time_ns() // 1000
    options = Options(
        output_limit, ttl_s, lost_after_s, max_lag_s, tenant_header=tenant_header.lower()
    )
    known = Tokens(tokens or home.folder / TOKENS_FILE, clock_us)
    if not read_tokens(tokens or home.folder / TOKENS_FILE):
        note("nobody may ask yet: give out a token with `genai-cost gate tokens add --team`")
    gate = Gate(
        _store(store, home),
        known,
        watched_book(),
        home.folder,
        options,
    )
    try:
        serve(gate, host, port)
    finally:
        gate.close()


def _store(address: str | None, home: Home) -> Store:
    address = address or load_ledger_settings().gate_store
    if address is None:
        return SqliteStore(home.folder, home.journals)
    return CachedStore(open_backend(address), lambda: time.time_ns() // 1000)


def serve(gate: Gate, host: str, port: int) -> None:
    """Answer until SIGTERM or Ctrl-C.

    Args:
        gate: that is asked.
        host: the address to listen at.
        port: the port.

    Raises:
        MissingExtraError: without starlette or uvicorn.
    """
    try:
        import uvicorn

        from otel_genai_cost.gate.service import application
    except ImportError:
        raise MissingExtraError("the gate", "starlette and uvicorn", "gate") from None
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        application(gate),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=10,
    )
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again once it has ended
        signal.signal(number, _ended)
    uvicorn.Server(config).run()


def _ended(number: int, frame: FrameType | None) -> None:
    """It has, and all is well."""


def _add(
    team: Annotated[bool, typer.Option("--team", help="For the team: every tenant.")] = False,
    tenant: Annotated[str | None, typer.Option(help="For a tenant: its own calls only.")] = None,
    lasts: Annotated[str | None, typer.Option(help="How long it holds, such as 90d.")] = None,
    tokens: TokensOption = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token, and print it: its text is written nowhere else."""
    if team == (tenant is not None):
        raise ConfigurationError("whose token is it?", remedy="pass either --team or --tenant ID")
    given = add_token(_tokens_file(tokens, ledger), tenant, _expires_us(lasts))
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
            "tenant": one.bearer.tenant,
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
    if not revoke_token(_tokens_file(tokens, ledger), token_id):
        raise ConfigurationError(
            "no such token", value=token_id, remedy="`genai-cost gate tokens list` has them"
        )


def _tokens_file(tokens: Path | None, ledger: Path | None) -> Path:
    return tokens or Home.at(ledger).folder / TOKENS_FILE


def _expires_us(lasts: str | None) -> int | None:
    if lasts is None:
        return None
    found = _LASTS.fullmatch(lasts)
    if found is None:
        raise ConfigurationError(
            "not a length of time", value=lasts, where="--lasts", remedy="write 12h, 90d or 4w"
        )
    return time.time_ns() // 1000 + int(found[1]) * _UNIT_S[found[2]] * 1_000_000
