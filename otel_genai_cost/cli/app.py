"""The application: imports a command once it is named, and turns usage errors into one line."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, Final, cast

import typer
import typer.core
import typer.main

from otel_genai_cost.cli.output import note

__all__ = ["command", "run"]

_PROGRAM: Final = "genai-cost"

_COMMANDS: Final = (
    *("report", "top", "unpriced", "worker", "worker-sums", "coverage", "anomalies", "actions"),
    *("margin", "explain", "charges", "entries", "estimates", "compare", "reconcile", "ship"),
    *("agent", "forward", "rerate", "price", "replay", "config", "doctor", "revenue", "plans"),
    *("serve", "alerts", "prices", "tenants", "statements", "budgets", "billing", "bills"),
    *("credits", "corpus", "collector", "gate", "journal", "ledger", "sinks"),
)
"""As help lists them; each is registered by the module of its name."""

_SETTINGS: Final[dict[str, Any]] = {"rich_markup_mode": None, "pretty_exceptions_enable": False}


class _Commands(typer.core.TyperGroup):
    """Imports a command, and what it needs, once somebody asks for it: all of them take several times as long as most
    commands themselves."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        for name in [cmd_name] if cmd_name in _COMMANDS else _COMMANDS:  # to suggest one of all
            if name not in self.commands:
                self.commands[name] = _imported(name)
        return self.commands.get(cmd_name)


def _imported(name: str) -> Any:
    app = typer.Typer(**_SETTINGS)
    import_module(f"{__package__}.{name.replace('-', '_')}").register(app)
    return typer.main.get_group(app).commands[name]


@lru_cache(maxsize=1)
def command() -> Any:
    """The whole command line as click runs it; what it has imported stays for the next line that a process runs."""
    app = typer.Typer(
        cls=_Commands,
        help="What each GenAI call cost, and who it was for.",
        context_settings={"help_option_names": ["-h", "--help"]},
        **_SETTINGS,
    )
    app.callback()(_program)
    return typer.main.get_command(app)


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
