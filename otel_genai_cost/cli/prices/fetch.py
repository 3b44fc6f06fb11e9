"""`prices fetch`: a signed book from elsewhere, checked whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from otel_genai_cost.cli.output import JsonOption, print_json, say
from otel_genai_cost.cli.prices.keys import key_at
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.contracts.file import read_contracts
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.pricing.bundle import Bundle, install, unpack
from otel_genai_cost.pricing.fetch import fetch
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.load import read_lock

__all__ = ["register"]


def register(prices: typer.Typer) -> None:
    """Add the command to `genai-cost prices`."""
    prices.command(name="fetch")(_fetch)


def _fetch(
    source: Annotated[
        str, typer.Argument(help="A file, or an https://, s3://, gs:// or az:// address.")
    ],
    key: Annotated[
        Path | None, typer.Option(help="Ed25519 public key (PEM) that must have signed it.")
    ] = None,
    digest: Annotated[str, typer.Option(help="sha256 that its content must have.")] = "",
    into: Annotated[
        Path | None, typer.Option(help="Folder for it; default: prices/ in the ledger's home.")
    ] = None,
    older: Annotated[
        bool, typer.Option("--older", help="Also if a newer one is installed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Get a signed bundle, check it whole, and put it where OTEL_GENAI_COST_BOOK may point."""
    if key is None and not digest:
        raise ConfigurationError(
            "nothing says whom to believe", remedy="pass --key FILE, or --digest SHA256"
        )
    public = None if key is None else key_at(key)
    bundle = unpack(fetch(source), source=source, public_key=public, digest=digest or None)
    _check(bundle, source)
    folder = into or load_settings().settings.home / "prices"
    path, changed = install(bundle, folder, older=older)
    if as_json:
        made = {"kind": bundle.kind, "digest": bundle.digest, "made_at": rfc3339(bundle.made_at_us)}
        print_json([{**made, "path": str(path), "changed": changed}])
        return
    say(f"{path}   {bundle.digest[:12]}, {'changed' if changed else 'as it was'}")


def _check(bundle: Bundle, source: str) -> None:
    """Even what is signed is used only if it is sound. Raises PriceBookError with every problem."""
    if bundle.kind == "contracts":
        read_contracts(bundle.payload, source)
    else:
        read_lock(bundle.payload, source)
