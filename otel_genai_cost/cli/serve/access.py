"""Who may see the live pages, as the commands that serve them and make links find it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from otel_genai_cost.cli.home import Home
from otel_genai_cost.errors import ConfigurationError, MissingExtraError
from otel_genai_cost.pages.access.hosts import is_loopback
from otel_genai_cost.pages.access.keys import KEYS_FILE, watched_keys
from otel_genai_cost.pages.access.options import LOCAL_ACCESS, AccessOptions, access_options
from otel_genai_cost.pages.access.signed import Signer

if TYPE_CHECKING:
    from otel_genai_cost.pages.access.access import Access, SigningIn

__all__ = ["PORT", "AccessOption", "KeysOption", "access_of", "now_us", "options_at", "signer_at"]

PORT: Final = 4190
"""Where pages are served, if nobody says otherwise."""

_FILE: Final = "access.toml"

AccessOption = Annotated[
    Path | None,
    typer.Option(
        "--access",
        help=f"Who may see the pages; default: {_FILE} in the ledger's folder, if there.",
    ),
]
KeysOption = Annotated[
    Path | None,
    typer.Option("--keys", help=f"What signs sessions and links; default: {KEYS_FILE} there."),
]


def now_us() -> int:
    """The present, unix microseconds."""
    return time.time_ns() // 1000


def options_at(home: Home, file: Path | None) -> AccessOptions:
    """What is written of who may see the pages of a ledger.

    Args:
        home: the ledger's.
        file: where; None for that in the ledger's folder, without which whoever is on this machine does.

    Raises:
        ConfigurationError: if it is broken, or cannot be read.
    """
    path = file or home.folder / _FILE
    return access_options(path) if file is not None or path.exists() else LOCAL_ACCESS


def access_of(home: Home, host: str, file: Path | None, keys: Path | None) -> Access:
    """Who may see the pages of a ledger that are served at an address.

    Args:
        home: the ledger's.
        host: the address.
        file: says who may; None for that in the ledger's folder, without which only this machine is served.
        keys: the file of keys; None for that in the ledger's folder.

    Raises:
        ConfigurationError: if others than this machine could ask without saying who they are, or a file is broken.
        MissingExtraError: if a library is not installed.
    """
    from otel_genai_cost.pages.access.access import Access
    from otel_genai_cost.pages.access.limits import Limits

    options = options_at(home, file)
    if not is_loopback(host):
        _check_elsewhere(options, host)
    signer = signer_at(home, keys)
    return Access(options, signer, Limits(), _signing_in(options, signer))


def signer_at(home: Home, keys: Path | None) -> Signer:
    """What signs sessions and links of the pages of a ledger.

    Args:
        home: the ledger's.
        keys: the file of keys; None for that in the ledger's folder.

    Raises:
        ConfigurationError: if it cannot be written, or is none of keys.
    """
    return Signer(watched_keys(keys or home.folder / KEYS_FILE, now_us()), now_us)


def _check_elsewhere(options: AccessOptions, host: str) -> None:
    if not options.knows_people:
        raise ConfigurationError(
            "pages are served to this machine alone, since nobody is asked who they are",
            value=host,
            where="--host",
            remedy="say with --access FILE who may see them, or leave --host out and forward the port: "
            f"ssh -L {PORT}:127.0.0.1:{PORT} …",
        )
    if options.public_url is None:
        raise ConfigurationError(
            "it is not known by what name browsers ask",
            value=host,
            where="--host",
            remedy="write public_url in the file of --access",
        )


def _signing_in(options: AccessOptions, signer: Signer) -> SigningIn | None:
    if options.oidc is None:
        return None
    try:
        from otel_genai_cost.pages.access.access import SIGNING_IN, cookie_name
        from otel_genai_cost.pages.access.oidc import Oidc
    except ImportError:
        raise MissingExtraError("signing in", "authlib and httpx", "serve-oidc") from None
    return Oidc(
        options.oidc,
        options.who,
        options.public_url or "",
        signer,
        cookie=cookie_name(options, SIGNING_IN),
        is_secure=options.is_secure,
    )
