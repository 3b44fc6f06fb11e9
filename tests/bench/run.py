"""`make bench`: prints a table and writes bench.json.

    python -m tests.bench.run [--write] [BENCH…]

runs the named ones, without a name all but the heavy ones; `--write` keeps their rows in `recorded.json`, from which
`make docs` makes a table.

What a call costs is counted in instructions, which nothing disturbs. Other figures are ratios of things measured
alternately in one run; they are not for continuous integration, where a busy neighbour would decide. `machine_noise`
says how far the peer itself spread: above 0.5, run it again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tests.bench.anomalies import anomalies
from tests.bench.budgets import budgets
from tests.bench.calls.compare import calls, other_clients
from tests.bench.collector import collector
from tests.bench.credits import credits_of_calls
from tests.bench.dialects import dialects
from tests.bench.envelopes import envelopes, messages
from tests.bench.gate import gate
from tests.bench.gated_calls import gated_calls
from tests.bench.journal import journal
from tests.bench.ledger import ledger, reports
from tests.bench.local_queues import local_queues
from tests.bench.measure import Result
from tests.bench.pages import pages
from tests.bench.prices import prices
from tests.bench.reading import reading
from tests.bench.receivers import receivers
from tests.bench.recorded import keep, write
from tests.bench.rerate import rerating
from tests.bench.settlement import settlement
from tests.bench.shipping import shipping
from tests.bench.sinks import heavy_sinks, sinks
from tests.bench.spans import imports, spans
from tests.bench.streams import streams
from tests.bench.tokens import tokens

_BENCHES: Final[dict[str, Callable[[], Iterator[Result]]]] = {
    "calls": calls,
    "clients": other_clients,
    "spans": spans,
    "dialects": dialects,
    "tokens": tokens,
    "envelopes": envelopes,
    "messages": messages,
    "local_queues": local_queues,
    "collector": collector,
    "imports": imports,
    "prices": prices,
    "journal": journal,
    "receivers": receivers,
    "ledger": ledger,
    "shipping": shipping,
    "sinks": sinks,
    "budgets": budgets,
    "credits": credits_of_calls,
    "gate": gate,
    "gated-calls": gated_calls,
    "settlement": settlement,
    "rerating": rerating,
    "reports": reports,
    "reading": reading,
    "anomalies": anomalies,
    "pages": pages,
    "heavy-sinks": heavy_sinks,
    "streams": streams,
}
_HEAVY: Final = ("heavy-sinks", "streams")
"""Groups that need what `make bench-heavy` fetches: it runs them."""


def main(arguments: list[str]) -> int:
    """Run the named benches, or all that are not heavy; exit 1 if a bound is missed."""
    names = [name for name in arguments if name != "--write"]
    results: list[Result] = []
    print(f"{'':44} {'ours':>12} {'theirs':>12} unit    {'ratio':>8}  goal      noise  peer")
    for name in names or (one for one in _BENCHES if one not in _HEAVY):
        for result in _BENCHES[name]():
            results.append(result)
            print(_row(result), flush=True)
    if not names:
        print(f"- {', '.join(_HEAVY)}: make bench-heavy")
    write(Path("bench.json"), results)
    if "--write" in arguments:
        keep(result for result in results if "openai" not in result.name)
    return 0 if all(result.met or not result.is_bound for result in results) else 1


def _row(result: Result) -> str:
    mark = " " if result.met else "!" if result.is_bound else "~"
    return (
        f"{mark} {result.name:42} {result.ours:12,.3f} {result.theirs:12,.3f} {result.unit:6} "
        f"{result.ratio:9,.3f}  {result.goal:8} {result.machine_noise:6.2f}  {result.peer}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
