"""Measures calls of the client with a tool: instructions, which don't vary, and CPU time, which does.

Instructions are counted by callgrind for the calls alone; where valgrind or a C compiler is missing there are none.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from tests.bench.calls.mocked import Shape
from tests.bench.calls.variants import ALONE, Client, Variant
from tests.bench.counting import KEPT, counter, million_instructions, run_program
from tests.environments.made import python_with

__all__ = ["Added", "added", "calls_of"]

_PROGRAM: Final = Path(__file__).with_name("program.py")
_CALLS: Final[Mapping[Shape, int]] = {"plain": 200, "stream": 40, "short_stream": 100, "async": 200}
_TIMED: Final = 3
"""How often times are taken; the least of each is kept, since what disturbs only adds."""

_PARTS: Final = ("httpx", "httpx2", "pydantic", "pydantic_core", "anyio", "jiter", "urllib3")
"""Of clients."""


class _Cost(NamedTuple):
    """Of one call, the client's own included."""

    minstr: float | None
    cpu_us: float


class Added(NamedTuple):
    """What a tool adds to a call. `client_*` is what the client alone takes.

    `minstr` is in million instructions, None where they cannot be counted; `cpu_us` in microseconds of CPU time.
    """

    variant: str
    client: str
    shape: Shape
    minstr: float | None
    cpu_us: float
    client_minstr: float | None
    client_cpu_us: float


def added(variants: Sequence[Variant], client: Client, shape: Shape) -> list[Added]:
    """What each adds to a call of this shape, in the order given.

    Args:
        variants: The tools; each is compared with the client alone in an environment with the same client.
        client: Whose calls.
        shape: Of the calls.
    """
    pythons = {variant: _python(variant, client) for variant in (ALONE, *variants)}
    alone = {
        variant: (ALONE, _alone_like(pythons[variant], pythons[ALONE])) for variant in variants
    }
    runs = {*alone.values(), *((variant, pythons[variant]) for variant in variants)}
    costs = _costs(client, sorted(runs), shape)
    found: list[Added] = []
    for variant in variants:
        cost, base = costs[variant, pythons[variant]], costs[alone[variant]]
        minstr = None if cost.minstr is None or base.minstr is None else cost.minstr - base.minstr
        found.append(
            Added(
                variant.name,
                client.name,
                shape,
                minstr,
                cost.cpu_us - base.cpu_us,
                base.minstr,
                base.cpu_us,
            )
        )
    return found


_Run: TypeAlias = tuple[Variant, Path]
"""A tool, and the interpreter it is measured with."""


def _python(variant: Variant, client: Client) -> Path:
    ours = "[fast]" if variant.is_ours else None
    return python_with(KEPT, f"{client.library}=={client.version}", *variant.packages, ours=ours)


def _alone_like(python: Path, usual: Path) -> Path:
    """Where the client is measured alone: in the tool's own environment if that has other versions of its parts."""
    return usual if _parts(python) == _parts(usual) else python


@cache
def _parts(python: Path) -> str:
    """The versions of what the client consists of."""
    code = (
        "from importlib.metadata import distributions as d\n"
        f"print(sorted((x.name, x.version) for x in d() if x.name in {_PARTS}))"
    )
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout


def _costs(client: Client, runs: Sequence[_Run], shape: Shape) -> dict[_Run, _Cost]:
    """Timed in turn, one at a time; then counted beside each other, since nothing disturbs that, but that an
    environment which was just made compiles what it imports first."""
    times_us: dict[_Run, list[float]] = {run: [] for run in runs}
    for _ in range(_TIMED):
        for run in runs:
            times_us[run].append(float(_calls_of(client, run, shape).stdout))
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        counted = list(pool.map(lambda run: _count_minstr(client, run, shape), runs))
    return {
        run: _Cost(minstr, min(times_us[run])) for run, minstr in zip(runs, counted, strict=True)
    }


def _count_minstr(client: Client, run: _Run, shape: Shape) -> float | None:
    if counter() is None:
        return None
    return million_instructions(_calls_of(client, run, shape, counter())) / _CALLS[shape]


def _calls_of(
    client: Client, run: _Run, shape: Shape, counted_by: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """With its journal in a folder on disk that is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=KEPT) as folder:
        return calls_of(client.library, *run, shape, _CALLS[shape], Path(folder), counted_by)


def calls_of(
    library: str,
    variant: Variant,
    python: Path,
    shape: Shape,
    calls: int,
    folder: Path,
    counted_by: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the measured program.

    Args:
        library: Whose calls.
        variant: What is set up.
        python: The interpreter.
        shape: Of the calls.
        calls: How many are measured, after those for warming up.
        folder: Where the journal is.
        counted_by: What starts callgrind's counting; None to run without valgrind.
    """
    command = [str(python), str(_PROGRAM), library, shape, variant.setup, str(folder), str(calls)]
    return run_program(command, folder, counted_by)
