"""`gate serve`: the service that calls are admitted by."""

from __future__ import annotations

import logging
import signal
import time
from types import FrameType
from typing import Annotated

import typer

from otel_genai_cost.cli.gate.ext_proc import TENANT_HEADER, TenantHeaderOption
from otel_genai_cost.cli.gate.tokens import TokensOption
from otel_genai_cost.cli.home import Home, HomeOption, watched_book, watched_contracts
from otel_genai_cost.cli.ledger_settings import usable_ledger_settings
from otel_genai_cost.cli.output import note
from otel_genai_cost.errors import MissingExtraError
from otel_genai_cost.gate.cached import CachedStore, open_backend
from otel_genai_cost.gate.gate import Gate, Options
from otel_genai_cost.gate.sqlite_store import SqliteStore
from otel_genai_cost.gate.store import Store
from otel_genai_cost.gate.tokens import TOKENS_FILE, Tokens, read_tokens
from otel_genai_cost.ledger.storage.keeping import CONTRACTS_FILE

__all__ = ["register", "serve"]


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost gate`."""
    group.command(name="serve")(_serve)


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
    tenant_header: TenantHeaderOption = TENANT_HEADER,
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
    address = store or usable_ledger_settings().gate_store
    gate = Gate(
        _store(address, home),
        known,
        watched_book(),
        home.folder,
        options,
        is_shared=address is not None,
        agreed=None if (home.folder / CONTRACTS_FILE).exists() else watched_contracts(),
    )
    try:
        serve(gate, host, port)
    finally:
        gate.close()


def _store(address: str | None, home: Home) -> Store:
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
