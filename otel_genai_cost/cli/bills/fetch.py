"""`bills fetch`: a provider's bill from its API, as files that `reconcile` reads."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated

import typer

from otel_genai_cost.cli.api_key import ApiKeyOption, api_key
from otel_genai_cost.cli.output import JsonOption, note, print_json, say
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.reconciliation.fetch import APIS, Api, fetch_report
from otel_genai_cost.whole_files import replace_file

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost bills`."""
    group.command(name="fetch")(_fetch)


def _fetch(
    provider: Annotated[
        str,
        typer.Argument(help=f"{', '.join(APIS)}.", autocompletion=lambda: list(APIS)),
    ],
    from_: Annotated[str, typer.Option("--from", help="The first day, of UTC.")],
    key: ApiKeyOption = "",
    to: Annotated[str, typer.Option("--to", help="The last day; default: yesterday.")] = "",
    report: Annotated[
        list[str] | None, typer.Option("--report", help="Which reports; default: those of a bill.")
    ] = None,
    into: Annotated[Path, typer.Option("--into", help="The folder for the files.")] = Path(),
    url: Annotated[str, typer.Option(help="Where the API is, if not at the provider's.")] = "",
    as_json: JsonOption = False,
) -> None:
    """A provider's bill from its API, as a file for each report: all of its pages, or no file."""
    if provider not in APIS:
        raise ConfigurationError(
            "no such provider", value=provider, remedy=f"write {' or '.join(APIS)}"
        )
    api = APIS[provider]
    names, days, secret = _reports(api, report), _days(api, from_, to), api_key(key)
    fetched = {name: fetch_report(api, name, secret, days, url) for name in names}
    paths = [
        _keep(into / f"{provider}-{name}-{days[0]}-{days[1]}.jsonl", pages)
        for name, pages in fetched.items()
    ]
    if as_json:
        print_json(
            {"file": str(path), "report": name, "pages": len(fetched[name])}
            for name, path in zip(names, paths, strict=True)
        )
        return
    for path in paths:
        say(str(path))
    note(f"now: genai-cost reconcile --provider {provider} {shlex.join(map(str, paths))}")


def _reports(api: Api, wanted: Sequence[str] | None) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(wanted or api.default))
    if unknown := [name for name in names if name not in api.reports]:
        raise ConfigurationError(
            "no such report", value=unknown[0], remedy=f"one of: {', '.join(api.reports)}"
        )
    if {"analytics", "cost_report"} <= set(names):
        raise ConfigurationError(
            "these reports have the same costs",
            value="analytics, cost_report",
            remedy="fetch one of them",
        )
    return names


def _days(api: Api, from_: str, to: str) -> tuple[date, date]:
    today = datetime.now(timezone.utc).date()
    yesterday = today - timedelta(days=1)
    first, last = _day(from_, "--from"), _day(to, "--to") if to else yesterday
    earliest = today - timedelta(days=api.reaches_back or (today - date.min).days)
    if last > yesterday:
        what, value, remedy = "the day is not over", last, f"pass --to {yesterday}"
    elif first > last:
        what, value, remedy = "the time ends before it begins", first, "pass an earlier --from"
    elif first < earliest:
        what, value, remedy = "the API has no such day any more", first, f"pass --from {earliest}"
    else:
        return first, last
    raise ConfigurationError(what, value=str(value), remedy=remedy)


def _day(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            "no day", value=text, where=where, remedy="write 2026-10-01"
        ) from None


def _keep(path: Path, pages: Sequence[bytes]) -> Path:
    """One file of all pages: of a bill that is fetched again none of the old ones is left."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, b"".join(page.strip() + b"\n" for page in pages))
    except OSError as error:
        raise ConfigurationError(
            "the bill cannot be written",
            value=str(path),
            where=str(error.strerror),
            remedy="name another folder with --into",
        ) from None
    return path
