"""The options that say which calls are meant, the same for every command that reports."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Annotated, Any

import typer

from otel_genai_cost.reports import asking
from otel_genai_cost.reports.asking import Texts
from otel_genai_cost.reports.selection import Selection

__all__ = ["selecting"]

_AsOfOption = Annotated[
    str,
    typer.Option(
        "--as-of",
        help="With the names, plans and parents of then, or of `now`, instead of each call's own time.",
    ),
]


def selecting(command: Callable[..., None], without: Collection[str] = ()) -> Callable[..., None]:
    """A command with the options that select calls in place of its parameter `selection`.

    Args:
        command: has a parameter `selection`, and is to be registered with typer.
        without: parameters of `selection_of` that the command has another use for.

    Returns:
        What to register. It raises ConfigurationError for values that select nothing.
    """
    own = inspect.signature(command, eval_str=True).parameters.values()
    every = inspect.signature(selection_of, eval_str=True).parameters
    options = {name: one for name, one in every.items() if name not in without}
    parameters: list[inspect.Parameter] = []
    for one in own:
        more = list(options.values()) if one.name == "selection" else [one]
        parameters += [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in more]

    def selected(**values: Any) -> None:
        asked = {name: values.pop(name) for name in options}
        command(**values, selection=selection_of(**asked))

    selected.__doc__, selected.__module__ = command.__doc__, command.__module__
    selected.__annotations__ = {one.name: one.annotation for one in parameters}
    selected.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return selected


def selection_of(
    from_: Annotated[
        str, typer.Option("--from", help="First instant, RFC 3339 with an offset, or a date.")
    ] = "",
    to: Annotated[
        str, typer.Option("--to", help="First instant that no longer counts, or a date.")
    ] = "",
    last: Annotated[
        str, typer.Option("--last", help="Until now: 90m, 24h, 7d or 2w, for example.")
    ] = "",
    since: Annotated[
        str, typer.Option("--since", help="From the beginning of today, yesterday or a date.")
    ] = "",
    tz: Annotated[
        str, typer.Option("--tz", help="Whose days and hours: Europe/Berlin, for example.")
    ] = "UTC",
    tenant: Annotated[
        list[str] | None,
        typer.Option("--tenant", help="Only this tenant's; unattributed: without one. Repeatable."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="Only calls of this model. Repeatable.")
    ] = None,
    feature: Annotated[
        list[str] | None, typer.Option("--feature", help="Only this feature's calls. Repeatable.")
    ] = None,
    as_of: _AsOfOption = "",
) -> Selection:
    """The calls that a command's options select.

    Args:
        from_: the first instant, RFC 3339 with an offset, or a date; "" for no limit, as for all texts here.
        to: the first instant that no longer counts, likewise.
        last: a duration until now, such as 24h, instead of `from_`.
        since: the beginning of a day, instead of `from_`.
        tz: the IANA name of the zone whose days and hours are meant.
        tenant: any of these; None or empty for all.
        model: any of these; None or empty for all.
        feature: any of these; None or empty for all.
        as_of: whose rows of the registry hold for all calls: `now`, a day or an instant.

    Raises:
        ConfigurationError: if an option cannot be read, or two contradict each other.
    """
    texts = Texts(
        from_=from_,
        to=to,
        last=last,
        since=since,
        tz=tz,
        tenants=tuple(tenant or ()),
        models=tuple(model or ()),
        features=tuple(feature or ()),
        as_of=as_of,
    )
    return asking.selection_of(texts)
