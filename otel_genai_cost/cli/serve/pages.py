"""`serve`: the live pages."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from otel_genai_cost.cli.home import Home, HomeOption, watched_book
from otel_genai_cost.cli.output import say
from otel_genai_cost.cli.registry import directory_at, is_query, names_at, registry_path
from otel_genai_cost.cli.serve.access import PORT, AccessOption, KeysOption, access_of, now_us
from otel_genai_cost.cli.tls_files import TlsCert, TlsKey, server_tls
from otel_genai_cost.errors import ConfigurationError, GenAICostError, MissingExtraError
from otel_genai_cost.ledger.tenants.directory import Directory
from otel_genai_cost.pages.access.options import AccessOptions
from otel_genai_cost.pages.recent import Recent
from otel_genai_cost.pages.trace_link import TraceLink, trace_link
from otel_genai_cost.pricing.watch import Watched
from otel_genai_cost.reports.asking import zone_named
from otel_genai_cost.transport.tls import server_context

if TYPE_CHECKING:
    from otel_genai_cost.pages.access.access import Access

__all__ = ["register", "registry_of"]

_ASKED_S: Final = 60.0
"""How often a registry that is a query is asked again: nothing says that its rows are others."""


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.callback(invoke_without_command=True)(_serve)


def _serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="The port to listen at.", min=0, max=65535)] = PORT,
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
    access: AccessOption = None,
    keys: KeysOption = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    ledger: HomeOption = None,
) -> None:
    """Pages of what calls cost, which follow the ledger, until SIGTERM or Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    zone_named(tz, "--tz")
    traces = trace_link(trace_url) if trace_url else None
    home = Home.to_read(ledger)
    serving = _Serving(host, port, access_of(home, host, access, keys), _tls(tls_cert, tls_key))
    home.fresh()
    _run(home, serving, tz, traces)


class _Serving(NamedTuple):
    """Where pages are served, to whom, and with which files of a certificate and its key."""

    host: str
    port: int
    access: Access
    tls: tuple[str, str] | None


def _tls(cert: Path | None, key: Path | None) -> tuple[str, str] | None:
    tls = server_tls(cert, key, None)
    if tls is None:
        return None
    server_context(tls)  # what cannot be used is said before anything is served
    return str(cert), str(key)


def _run(home: Home, serving: _Serving, tz: str, traces: TraceLink | None) -> None:
    try:
        import uvicorn

        from otel_genai_cost.cli.conditions import conditions
        from otel_genai_cost.pages.app import application
        from otel_genai_cost.pages.data import Source
        from otel_genai_cost.pages.figures import Figures
        from otel_genai_cost.pages.following import Following
        from otel_genai_cost.pages.warming import warm
        from otel_genai_cost.pages.what_ifs import Runs
    except ImportError:
        raise MissingExtraError("serve", "starlette, uvicorn and jinja2", "serve") from None
    tenants = registry_of(home, serving.access.options, now_us)
    figures = Figures(home.folder)
    source = Source(
        figures=figures,
        folder=home.folder,
        journals=home.journals,
        book_of=home.book_of(),
        clock_us=now_us,
        directory=tenants,
        tz=tz,
        book=watched_book(),
        traces=traces,
        what_ifs=Runs(),
        conditions=conditions(home),
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        application(source, Following(figures, warm=lambda: warm(source)), serving.access),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        ssl_certfile=serving.tls and serving.tls[0],
        ssl_keyfile=serving.tls and serving.tls[1],
    )

    class Server(uvicorn.Server):
        """Ends what is open as long as a page is, else every open one is an error at the end."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            figures.is_closing = True
            super().handle_exit(sig, frame)

    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again once it has ended
        signal.signal(number, _ended)
    with closing(figures), _listening(serving.host, serving.port) as listening:
        say(_address(serving, listening.getsockname()[1]))
        sys.stdout.flush()
        Server(config).run(sockets=[listening])


def registry_of(
    home: Home, options: AccessOptions, clock_us: Callable[[], int]
) -> Callable[[], Directory]:
    """The registry as it is now: read again when its file changes, and where that is a query, asked each minute. Where
    somebody sees some tenants' calls only, whose a call is may not be a guess: a registry that is broken from the first
    serves nobody. One that breaks later leaves the one before in use.

    Args:
        home: the ledger's.
        options: who may see the pages.
        clock_us: the time, unix microseconds.

    Raises:
        ConfigurationError: if it is broken and somebody is asked who they are.
    """

    def names_alone(error: GenAICostError) -> Directory:
        if options.knows_people:
            raise error
        return names_at(home)

    path = registry_path(home)
    watched = Watched("the tenants' registry", lambda: directory_at(home), [path], names_alone)
    if not is_query(path):
        return watched.current
    asked = Recent(lambda: directory_at(home), _ASKED_S, clock_us)

    def current() -> Directory:
        found = asked.get()
        return watched.value if found is None else found[0]

    return current


def _address(serving: _Serving, port: int) -> str:
    public_url = serving.access.options.public_url
    if public_url is not None:
        return f"{public_url}/"
    host = f"[{serving.host}]" if ":" in serving.host else serving.host
    return f"http{'' if serving.tls is None else 's'}://{host}:{port}/"


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
