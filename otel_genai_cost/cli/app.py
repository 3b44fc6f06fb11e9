"""The application: registers every command group and turns usage errors into one line."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from typing import Annotated, Any, Final, cast

import typer
import typer.main

from otel_genai_cost.cli import (
    actions,
    agent,
    alerts,
    anomalies,
    billing,
    bills,
    budgets,
    charges,
    collector,
    compare,
    config,
    corpus,
    coverage,
    doctor,
    entries,
    estimates,
    explain,
    forward,
    gate,
    journal,
    ledger,
    margin,
    plans,
    price,
    prices,
    reconcile,
    replay,
    report,
    rerate,
    revenue,
    serve,
    ship,
    sinks,
    statements,
    tenants,
    top,
    unpriced,
    worker,
    worker_sums,
)
from otel_genai_cost.cli import (
    credits as credits_,
)
from otel_genai_cost.cli.output import note

__all__ = ["command", "run"]

_PROGRAM: Final = "genai-cost"


@lru_cache(maxsize=1)
def command() -> Any:
    """The whole command line as click runs it; made once, since reading what a hundred commands take is most of what a
    short one does."""
    return typer.main.get_command(_application())


def _application() -> typer.Typer:
    app = typer.Typer(
        help="What each GenAI call cost, and who it was for.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_program)
    for named in (
        report,
        top,
        unpriced,
        worker,
        worker_sums,
        coverage,
        anomalies,
        actions,
        margin,
        revenue,
        plans,
        explain,
        charges,
        entries,
        estimates,
        compare,
        reconcile,
        serve,
        ship,
        agent,
        forward,
        alerts,
        rerate,
        price,
        replay,
        config,
        doctor,
        prices,
        tenants,
        statements,
        budgets,
        billing,
        bills,
        credits_,
        corpus,
        collector,
        gate,
        journal,
        ledger,
        sinks,
    ):
        named.register(app)
    return app


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"otel-genai-cost {version('otel-genai-cost')}")
        raise typer.Exit


def _program(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="The installed version."),
    ] = False,
) -> None:
    """What each GenAI call cost, and who it was for."""


def _click_exception() -> type[Exception]:
    """Usage errors' base class; typer brings its own copy of click, or uses the one that is installed."""
    return next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def run(arguments: list[str]) -> int:
    """Run a command line; the exit code."""
    try:
        result = command()(arguments or ["--help"], prog_name=_PROGRAM, standalone_mode=False)
    except typer.Exit as end:
        return end.exit_code
    except typer.Abort:
        return 130
    except SystemExit:  # how click and rich end if whoever read the output has gone
        return 0
    except _click_exception() as error:
        note(_usage_error(cast("Any", error)))
        return 2
    return result if isinstance(result, int) else 0


def _usage_error(error: Any) -> str:
    """One line: what is wrong, and the help of the command that it is wrong with."""
    message: str = error.format_message()  # names the option, which str() does not
    context = getattr(error, "ctx", None)
    command = _PROGRAM if context is None else context.command_path
    return f"{' '.join(message.split()).rstrip('.')}; see {command} --help"
