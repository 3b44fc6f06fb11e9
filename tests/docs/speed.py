"""What is said of speed, from what `make bench-calls` and `make bench` wrote down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from tests.bench import recorded as bench
from tests.bench.calls.compare import chunk, recorded
from tests.bench.calls.measure import Added
from tests.bench.calls.mocked import CHUNKS, Shape
from tests.bench.calls.variants import OPENAI, OPENTELEMETRY, OURS, VARIANTS

__all__ = ["at_a_glance", "speed"]

_CLIENTS: Final = tuple(client.name for client in OPENAI)
_NEWEST: Final = _CLIENTS[-1]
_SHAPES: Final[dict[Shape, str]] = {
    "plain": "plain",
    "stream": f"stream of {CHUNKS['stream']} chunks",
    "async": "async",
}
_HEAD: Final = ("| --- | ---: | ---: |",)


def at_a_glance() -> str:
    """What each tool adds to a plain call of the newest client it works with; ours first, then who adds least."""
    rows = recorded().rows
    plain = [row for one in VARIANTS for row in _newest(rows, one.name)]
    others = sorted((row for row in plain if row.variant != OURS.name), key=_amount)
    lines = [_glance(row, rows) for row in (*(r for r in plain if r.variant == OURS.name), *others)]
    head = ("| a call with | adds | of OpenTelemetry's own |", *_HEAD)
    return "\n".join((*head, *lines)) + "\n\n" + _said(rows)


def _newest(rows: Sequence[Added], variant: str) -> list[Added]:
    """Of a plain call, with the newest client that was measured."""
    found = [row for row in rows if row.variant == variant and row.shape == "plain"]
    return sorted(found, key=lambda row: _CLIENTS.index(row.client))[-1:]


def _glance(row: Added, rows: Iterable[Added]) -> str:
    name = row.variant if row.client == _NEWEST else f"{row.variant} ({row.client})"
    if row.variant == OURS.name:
        name = f"**{name}: span, price, tenant, journal**"
    return f"| {name} | {_shown(row)} | {_relative(row, rows)} |"


def _said(rows: Sequence[Added]) -> str:
    found = recorded()
    [client] = _newest(rows, OURS.name)
    own = f"{client.client_minstr:.1f} million" if client.client_minstr else "not counted"
    unit = "Million instructions" if found.counted else "Microseconds of CPU time"
    return (
        f"{unit} on top of the `{client.client}` client's own {own}; measured on {found.day} with\n"
        f"{found.machine}. `make bench-calls` repeats it; [speed](docs/reference/speed.md) has streams and times."
    )


def speed() -> str:
    """Every shape and client, then the other rows of `make bench`."""
    found = recorded()
    sections = [
        _section(client, shape, [r for r in found.rows if (r.client, r.shape) == (client, shape)])
        for client in reversed(_CLIENTS)
        for shape in _SHAPES
        if any((r.client, r.shape) == (client, shape) for r in found.rows)
    ]
    chunks = [line for client in reversed(_CLIENTS) for line in _chunk(client, found.rows)]
    return (
        "# Speed\n\n"
        "What a call of the real `openai` client costs on top of the client alone; the transport is mocked, so that\n"
        "nothing but the client and the tool runs. Each tool has its defaults, a real SDK and an exporter that drops\n"
        "what it gets; none has metrics. Ours includes the instrumentor, the span, the price, a tenant and its line\n"
        "in the journal on disk. Instructions are counted by callgrind, for 200 calls or 40 streams after 60 to\n"
        "warm up, and are the same in every run to 0.2 % of the call; CPU times, the least of three, vary by half.\n"
        f"Measured on {found.day} with {found.machine}; `make bench-calls` repeats it.\n\n"
        + "\n\n".join((*sections, *chunks))
        + "\n\n## The rest of `make bench`\n\n"
        "Ours and a peer measured in one run, on shared cores; the bound is on the ratio, of instructions where they\n"
        "can be counted. An aim is no bound: what misses it is slower than we should like. OpenTelemetry has no\n"
        "instrumentation of its own for `mistralai`, `cohere`, `groq`, `ollama`, `together` and `litellm`: calls of\n"
        "these have no row.\n\n" + _rest()
    )


def _chunk(client: str, rows: Sequence[Added]) -> list[str]:
    """What ours adds to one more chunk of a stream, where both lengths were counted."""
    by_shape = {row.shape: row for row in rows if (row.client, row.variant) == (client, OURS.name)}
    if "stream" not in by_shape or "short_stream" not in by_shape:
        return []
    found = chunk(by_shape["stream"], by_shape["short_stream"])
    return [
        f"One more chunk of a stream, {client}: {found.ours:.4f} {found.unit} on top of the client's own\n"
        f"{found.theirs:.4f}, {found.ratio:.1%} of it."
    ]


def _rest() -> str:
    lines = [
        f"| {row.name} | {_figure(row.ours)} {row.unit} | {_figure(row.theirs)} ({row.peer}) "
        f"| {row.ratio:,.2f} | {row.goal} |"
        for row in bench.recorded()
    ]
    head = ("| what | ours | against | ratio | bound |", "| --- | ---: | ---: | ---: | --- |")
    return "\n".join((*head, *lines))


def _figure(value: float) -> str:
    return f"{value:,.2f}" if value >= 1 else f"{value:.3f}"


def _section(client: str, shape: Shape, rows: Sequence[Added]) -> str:
    own = rows[0]
    alone = "" if own.client_minstr is None else f"{own.client_minstr:.2f} million instructions, "
    head = (
        f"{client}, {_SHAPES[shape]}; the client alone: {alone}{own.client_cpu_us:,.0f} µs",
        "",
        "| adds | million instructions | of OpenTelemetry's own | CPU time, µs |",
        "| --- | ---: | ---: | ---: |",
    )
    lines = [
        f"| {row.variant} | {'' if row.minstr is None else f'{row.minstr:.3f}'} "
        f"| {_relative(row, rows)} | {row.cpu_us:,.0f} |"
        for row in sorted(rows, key=_amount)
    ]
    return "\n".join((*head, *lines))


def _amount(row: Added) -> float:
    return row.cpu_us if row.minstr is None else row.minstr


def _shown(row: Added) -> str:
    return f"{row.cpu_us:,.0f}" if row.minstr is None else f"{row.minstr:.2f}"


def _relative(row: Added, rows: Iterable[Added]) -> str:
    """As a multiple of what OpenTelemetry's own adds with the same client."""
    for other in rows:
        is_same = (other.client, other.shape) == (row.client, row.shape)
        if is_same and other.variant == OPENTELEMETRY.name:
            return f"{_amount(row) / _amount(other):.2f}"
    return ""
