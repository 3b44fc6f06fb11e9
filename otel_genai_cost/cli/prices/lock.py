"""`prices lock`: a book, or contracts, as one file that can be signed."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from otel_genai_cost.cli.home import book_of
from otel_genai_cost.cli.ledger_settings import load_ledger_settings
from otel_genai_cost.cli.output import note
from otel_genai_cost.cli.prices.keys import key_at
from otel_genai_cost.cli.prices.rows import ContractsFlag
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.contracts.file import load_contracts
from otel_genai_cost.pricing.bundle import pack

__all__ = ["register"]


def register(prices: typer.Typer) -> None:
    """Add the command to `genai-cost prices`."""
    prices.command(name="lock")(_lock)


def _lock(
    path: Annotated[
        Path | None, typer.Argument(help="A book; default: the configured one with its overlays.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write here; default: stdout.")] = None,
    sign: Annotated[
        Path | None, typer.Option(help="Make a bundle, signed with this Ed25519 key (PEM).")
    ] = None,
    contracts: ContractsFlag = False,
) -> None:
    """The canonical JSON of a book, or a signed bundle of it; its digest goes to stderr."""
    payload, digest = _payload(path, contracts)
    content = payload
    if sign is not None:
        content = pack(
            payload,
            kind="contracts" if contracts else "book",
            made_at_us=time.time_ns() // 1000,
            private_key=key_at(sign),
        )
    if out is None:
        sys.stdout.buffer.write(content)
    else:
        _write(out, content)
    note(f"{digest}  {len(payload):,} bytes" + (f"  {out}" if out else ""))


def _payload(path: Path | None, contracts: bool) -> tuple[bytes, str]:
    if not contracts:
        book = book_of(path)
        return book.lock, book.digest
    found = path or load_ledger_settings().contracts
    if found is None:
        raise ConfigurationError("no contracts file", remedy="name one after --contracts")
    agreed = load_contracts(found)
    return agreed.document, str(agreed.digest)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigurationError(
            "cannot write",
            value=str(path),
            where=str(error),
            remedy="name a file in a folder of yours",
        ) from None
