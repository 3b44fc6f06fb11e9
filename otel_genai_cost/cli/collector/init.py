"""`collector init`: how an existing configuration of a collector would have to change."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from otel_genai_cost.cli.output import note
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.tenancy.edge import span_attribute_of

_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")
_NO_NEWLINE: Final = "\n\\ No newline at end of file\n"


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command(name="init")(_init)


def _init(
    from_: Annotated[
        str, typer.Option("--from", help="Your collector's configuration; - for standard input.")
    ],
    pipeline: Annotated[
        list[str] | None, typer.Option(help="A pipeline to price, if not all where spans come in.")
    ] = None,
    listen: Annotated[
        str, typer.Option(help="Where `collector serve` will listen: host:port.")
    ] = "127.0.0.1:5317",
    to: Annotated[
        str, typer.Option(help="Where it will send priced spans: host:port.")
    ] = "127.0.0.1:5319",
    name: Annotated[str, typer.Option(help="In the names of what is added.")] = "genai_cost",
    queue: Annotated[
        str, typer.Option(help="The collector's folder for what the hop has not taken yet.")
    ] = "/var/lib/otelcol/genai_cost",
) -> None:
    """Print the change that puts `collector serve` into a collector's configuration, as a unified diff. Writes nothing:
    pass the output to `patch` if you like it."""
    from otel_genai_cost.collector.configuration.addition import Wanted, addition

    text, file = _text(from_)
    tenant = span_attribute_of(load_settings().settings.tenant)
    added = addition(text, file, Wanted(listen, to, pipeline or (), name, queue, tenant))
    sys.stdout.buffer.write("".join(_diff(text, added.text, file)).encode())
    for line in added.notes:
        note(line)
    if added.text != text:
        note(f"then run: genai-cost collector serve --listen {listen} --to {to}")


def _text(path: str) -> tuple[str, str]:
    try:
        read = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return read.decode("utf-8"), "otelcol.yaml" if path == "-" else path
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"not UTF-8 at byte {error.start}", where=path, remedy="save it as UTF-8"
        ) from None


def _diff(before: str, after: str, file: str) -> Iterator[str]:
    """A unified diff that `patch` takes, whatever the lines end with."""
    lines = difflib.unified_diff(_LINE.findall(before), _LINE.findall(after), file, file)
    for line in lines:
        yield line if line.endswith("\n") else line + _NO_NEWLINE
