"""`prices import`: how the default book is made."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from otel_genai_cost.cli.output import JsonOption, note, print_json
from otel_genai_cost.pricing.importers.build import Built, build
from otel_genai_cost.pricing.importers.inputs import Rules, download, read_inputs, read_rules
from otel_genai_cost.pricing.load import WHEEL_LOCK

__all__ = ["InputsOption", "built_from", "register"]

InputsOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder with the pinned wheels, or their archive; default: pip downloads them."
    ),
]


def register(prices: typer.Typer) -> None:
    """Add the command to `genai-cost prices`."""
    prices.command(name="import")(_import)


def _import(
    inputs: InputsOption = None,
    out: Annotated[Path, typer.Option(help="Where the book's lock is written.")] = WHEEL_LOCK,
    left_out: Annotated[
        Path | None,
        typer.Option(help="Where the counts of what has no price are written, as JSON."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make the default book from the pinned lists and the price files beside it."""
    built = built_from(inputs)
    out.write_bytes(built.lock)
    if left_out is not None:
        left_out.write_text(json.dumps(built.left_out, indent=1) + "\n", encoding="utf-8")
    if as_json:
        print_json(_report(built))
        return
    note(f"{out}: {len(built.priced):,} names priced, {len(built.set_aside):,} set aside")
    for reason, count in Counter(item.reason for item in built.set_aside).most_common(10):
        note(f"{count:>6}  {reason}")


def built_from(folder: Path | None) -> Built:
    """The book made of the inputs in a folder, else of those that pip downloads."""
    rules = read_rules()
    if folder is not None:
        return build(read_inputs(folder, rules), rules)
    with TemporaryDirectory() as made:
        return _downloaded(Path(made), rules)


def _downloaded(folder: Path, rules: Rules) -> Built:
    download(folder, rules)
    return build(read_inputs(folder, rules), rules)


def _report(built: Built) -> Iterator[dict[str, Any]]:
    """What is left without a price, and why, one name a line."""
    for item in built.set_aside:
        yield {"provider": item.provider, "model": item.name, "reason": item.reason}
