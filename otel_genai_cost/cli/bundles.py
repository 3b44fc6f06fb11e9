"""`prices validate|lock|fetch`: books that travel apart from the wheel."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from otel_genai_cost.cli.home import JsonOption, book_of, tell
from otel_genai_cost.cli.output import print_json, say
from otel_genai_cost.errors import ConfigurationError, PriceBookError, Problem
from otel_genai_cost.ledger.contracts.file import load_contracts, read_contracts
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.pricing.bundle import Bundle, install, pack, unpack
from otel_genai_cost.pricing.fetch import fetch
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.layers import load_layers
from otel_genai_cost.pricing.load import load_book, read_lock

__all__ = ["register"]

_HIDDEN_LIMIT_BYTES: Final = 64 * 1024
ContractsFlag = Annotated[
    bool, typer.Option("--contracts", help="It holds contracts instead of prices.")
]


def register(prices: typer.Typer) -> None:
    """Add the commands to `genai-cost prices`."""
    prices.command(name="validate")(_validate)
    prices.command(name="lock")(_lock)
    prices.command(name="fetch")(_fetch)


def _validate(
    paths: Annotated[list[Path], typer.Argument(help="Price files or folders.")],
    overlay: Annotated[
        bool, typer.Option("--overlay", help="They are laid over the configured book.")
    ] = False,
    contracts: ContractsFlag = False,
    as_json: JsonOption = False,
) -> None:
    """Every problem of price files, overlays or contracts; exit code 1 if there is one."""
    if overlay:
        base = load_settings().settings.book
        found = _problems(lambda: load_layers(base, paths))
    else:
        read = load_contracts if contracts else load_book
        found = [problem for path in paths for problem in _problems(partial(read, path))]
    if as_json:
        print_json(problem._asdict() for problem in found)
    else:
        say("\n".join(map(str, found)) if found else "no problem")
    if found:
        raise typer.Exit(1)


def _problems(read: Callable[[], object]) -> list[Problem]:
    try:
        read()
    except PriceBookError as error:
        return list(error.problems)
    return []


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
            private_key=_key(sign),
        )
    if out is None:
        sys.stdout.buffer.write(content)
    else:
        _write(out, content)
    tell(f"{digest}  {len(payload):,} bytes" + (f"  {out}" if out else ""))


def _payload(path: Path | None, contracts: bool) -> tuple[bytes, str]:
    if not contracts:
        book = book_of(path)
        return book.lock, book.digest
    found = path or load_settings().settings.contracts
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


def _key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HIDDEN_LIMIT_BYTES)
    except OSError as error:
        raise ConfigurationError(
            "cannot read the key", value=str(path), where=str(error), remedy="name a PEM file"
        ) from None


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
    public = None if key is None else _key(key)
    bundle = unpack(fetch(source), source=source, public_key=public, digest=digest or None)
    _check(bundle, source)
    folder = into or load_settings().settings.home / "prices"
    path, changed = install(bundle, folder, older=older)
    if as_json:
        told = {"kind": bundle.kind, "digest": bundle.digest, "made_at": rfc3339(bundle.made_at_us)}
        print_json([{**told, "path": str(path), "changed": changed}])
        return
    say(f"{path}   {bundle.digest[:12]}, {'changed' if changed else 'as it was'}")


def _check(bundle: Bundle, source: str) -> None:
    """Even what is signed is used only if it is sound. Raises PriceBookError with every problem."""
    if bundle.kind == "contracts":
        read_contracts(bundle.payload, source)
    else:
        read_lock(bundle.payload, source)
