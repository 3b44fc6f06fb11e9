"""`serve link`: a link that shows a tenant its own page for a while."""

from __future__ import annotations

import re
from typing import Annotated, Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import say
from otel_genai_cost.cli.serve.access import PORT, AccessOption, KeysOption, options_at, signer_at
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pages.access.sessions import link_text
from otel_genai_cost.pages.access.who import TENANT
from otel_genai_cost.reports.selection import NOBODY

__all__ = ["register"]

_LASTS: Final = re.compile(r"([1-9]\d{0,3})([smh])", re.ASCII)
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3_600}
_LASTS_MAX_S: Final = 86_400


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost serve`."""
    group.command(name="link")(_link)


def _link(
    tenant: Annotated[str, typer.Option("--tenant", help="Whose page it shows.")],
    lasts: Annotated[
        str, typer.Option("--for", help="How long it holds: 90s, 15m, 8h; a day at most.")
    ] = "15m",
    url: Annotated[
        str | None,
        typer.Option(
            help="Where the pages are; default: public_url of --access, else this machine."
        ),
    ] = None,
    access: AccessOption = None,
    keys: KeysOption = None,
    ledger: HomeOption = None,
) -> None:
    """Print a link that shows a tenant its own usage, price, credits and budgets, to whoever has it."""
    if not TENANT.fullmatch(tenant) or tenant == NOBODY:
        raise ConfigurationError(
            "this is no tenant's id",
            value=tenant,
            where="--tenant",
            remedy="see `genai-cost tenants list`",
        )
    home, length_s = Home.to_read(ledger), _length_s(lasts)
    base = url or options_at(home, access).public_url or f"http://127.0.0.1:{PORT}"
    signer = signer_at(home, keys)
    say(f"{base.rstrip('/')}/own?link={link_text(signer, tenant, length_s)}")


def _length_s(lasts: str) -> int:
    found = _LASTS.fullmatch(lasts)
    length_s = int(found[1]) * _UNIT_S[found[2]] if found else 0
    if not 0 < length_s <= _LASTS_MAX_S:
        raise ConfigurationError(
            "not a length of time, or longer than a day",
            value=lasts,
            where="--for",
            remedy="write 90s, 15m or 8h",
        )
    return length_s
