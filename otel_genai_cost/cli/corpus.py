"""`corpus record`: a recording of real calls, for the compatibility of everybody's instrumentation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from otel_genai_cost.cli.output import note, say
from otel_genai_cost.cli.usage_json import usage_record
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.otlp.json_request import json_request
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.replay.batch import replay
from otel_genai_cost.replay.corpus import billed_by, case_of
from otel_genai_cost.replay.recordings import Recording, recordings

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Recordings that show how an instrumentation writes usage.", no_args_is_help=True
    )
    group.command(name="record")(_record)
    group.callback()(_group)
    app.add_typer(group, name="corpus")


def _group() -> None:
    """Recordings that show how an instrumentation writes usage."""


def _record(
    case: Annotated[str, typer.Argument(help="<instrumentation>/<provider>-<case>")],
    spans: Annotated[list[str], typer.Argument(help="OTLP files or folders of that case, or -.")],
    usage: Annotated[
        Path,
        typer.Option(
            help="What the provider billed: one JSON object a line for each reply, its `usage` as it was sent."
        ),
    ],
    into: Annotated[Path, typer.Option(help="Folder of the recordings.")] = Path(),
    keep_text: Annotated[
        bool, typer.Option("--keep-text", help="Keep prompts and answers; for synthetic ones only.")
    ] = False,
) -> None:
    """Add a recording: the spans of one case beside what the provider billed, without prompts and answers."""
    billable = [billed_by(one) for one in _objects(usage)]
    found = [span for one in recordings(spans, sys.stdin.buffer) for span in one.request.spans]
    if not found:
        raise ConfigurationError("no spans", value=", ".join(spans), remedy="name OTLP files")
    line = case_of(case, found, billable, keep_text=keep_text)
    path = into / f"recordings-{case.partition('/')[0]}.jsonl"
    try:
        into.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
    except OSError as error:
        raise ConfigurationError(
            "cannot write the recording", value=str(path), where=str(error), remedy="name a folder"
        ) from None
    note(f"{len(found)} span(s) and {len(billable)} billed reply(s) added to {path}")
    _show(line)


def _objects(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        records: list[Any] = [json.loads(one) for one in text.splitlines() if one.strip()]
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            "cannot read what was billed",
            value=str(path),
            where=str(error),
            remedy="write one JSON object a line",
        ) from None
    return [cast("dict[str, Any]", one) for one in records if isinstance(one, dict)]


def _show(line: dict[str, Any]) -> None:
    """What a replay of the recording charges, beside what was billed."""
    book = load_book(load_settings().settings.book)
    for one in replay([Recording(1, json_request(line["otlp"]))], book):
        if one.kind == "charge" and one.verdict is not None:
            usage = one.verdict.richest.reading.usage
            say(f"charged  {json.dumps(usage_record(usage))}  ({usage.quality})")
    for billed in line["expected"]["billable"]:
        say(f"billed   {json.dumps(billed)}")
