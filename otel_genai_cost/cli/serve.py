"""`serve`: the live pages."""

from __future__ import annotations

import ipaddress
import logging
import signal
import socket
import sys
import time
from contextlib import closing
from types import FrameType
from typing import Annotated, Any, Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption, watched_book
from otel_genai_cost.cli.output import say
from otel_genai_cost.cli.registry import names_at, registry_path
from otel_genai_cost.errors import ConfigurationError, MissingExtraError
from otel_genai_cost.pages.trace_link import TraceLink, trace_link
from otel_genai_cost.pricing.watch import Watched
from otel_genai_cost.reports.asking import zone_named

__all__ = ["register"]

_LOCAL: Final = "localhost"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="serve")(_serve)


def _serve(
    port: Annotated[int, typer.Option(help="The port to listen at.", min=0, max=65535)] = 4190,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    tz: Annotated[
        str, typer.Option("--tz", help="Whose days and hours, where a page's address names none.")
    ] = "UTC",
    trace_url: Annotated[
        str,
        typer.Option(
            "--trace-url",
            metavar="TEMPLATE",
            help="Where a call's trace is seen: https://traces.example.com/trace/{trace_id}?span={span_id}; "
            "{start_ms} and {end_ms} as well.",
        ),
    ] = "",
    ledger: HomeOption = None,
) -> None:
    """Pages of what calls cost, which follow the ledger, until SIGTERM or Ctrl-C."""
    zone_named(tz, "--tz")
    traces = trace_link(trace_url) if trace_url else None
    _check_host(host)
    home = Home.to_read(ledger)
    home.fresh()
    _run(home, host, port, tz, traces)


def _check_host(host: str) -> None:
    """Who may see what is not asked on the machine itself; elsewhere somebody has to be asked."""
    try:
        is_local = host == _LOCAL or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = False
    if not is_local:
        raise ConfigurationError(
            "pages are served to this machine alone, since nobody is asked who they are",
            value=host,
            where="--host",
            remedy="leave it out, and forward the port: ssh -L 4190:127.0.0.1:4190 …",
        )


def _run(home: Home, host: str, port: int, tz: str, traces: TraceLink | None) -> None:
    try:
        import uvicorn

        from otel_genai_cost.cli.conditions import conditions
        from otel_genai_cost.pages.app import application
        from otel_genai_cost.pages.data import Source
        from otel_genai_cost.pages.figures import Figures
        from otel_genai_cost.pages.following import Following
        from otel_genai_cost.pages.what_ifs import Runs
    except ImportError:
        raise MissingExtraError("serve", "starlette, uvicorn and jinja2", "serve") from None
    tenants = Watched("the tenants' registry", lambda: names_at(home), [registry_path(home)])
    figures = Figures(home.folder)

    def directory() -> Any:
        tenants.refresh()
        return tenants.value

    source = Source(
        figures=figures,
        folder=home.folder,
        journals=home.journals,
        book_of=home.book_of(),
        clock_us=lambda: time.time_ns() // 1000,
        directory=directory,
        tz=tz,
        book=watched_book(),
        traces=traces,
        what_ifs=Runs(),
        conditions=conditions(home),
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        application(source, Following(figures)),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again once it has ended
        signal.signal(number, _ended)
    with closing(figures), _listening(host, port) as listening:
        port = listening.getsockname()[1]
        say(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
        sys.stdout.flush()
        uvicorn.Server(config).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigurationError(
            "cannot listen",
            value=f"{host}:{port}",
            where=str(error),
            remedy="pass another --port, or 0 for any that is free",
        ) from None


def _ended(number: int, frame: FrameType | None) -> None:
    """It has, and all is well."""
