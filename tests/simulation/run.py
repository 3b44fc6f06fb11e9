"""Many seeds, and how many a minute: `python -m tests.simulation.run [--seeds N] [--from N]`."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.simulation.story import Verdict, told

__all__ = ["every", "main", "tried"]

_MEMORY: Final = Path("/dev/shm")


@contextmanager
def _folder() -> Generator[Path]:
    """In memory, where there is such a folder: the disks are simulated anyway."""
    place = str(_MEMORY) if os.access(_MEMORY, os.W_OK) else None
    name = tempfile.mkdtemp(prefix="simulation-", dir=place)
    try:
        yield Path(name)
    finally:
        shutil.rmtree(name, ignore_errors=True)


def tried(seed: int) -> tuple[int, Verdict]:
    """What becomes of a seed.

    Args:
        seed: decides everything.
    """
    with _folder() as folder:
        return seed, told(seed, folder)


def _be_quiet() -> None:
    """In a process of its own: what fails says so, and here everything does."""
    logging.getLogger("otel_genai_cost").setLevel(logging.CRITICAL)


def every(seeds: Iterable[int]) -> Iterator[tuple[int, Verdict]]:
    """What becomes of each of these, in processes of their own.

    Args:
        seeds: which.
    """
    with ProcessPoolExecutor(initializer=_be_quiet) as pool:
        yield from pool.map(tried, seeds, chunksize=8)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2_000, help="how many")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first")
    options = parser.parse_args()
    began_s, made, charged, failed = time.monotonic(), 0, 0, 0
    for seed, found in every(range(options.first, options.first + options.seeds)):
        made, charged = made + found.made, charged + found.charged
        if found.lost or found.wrong:
            failed += 1
            print(f"seed {seed}: lost {found.lost}, wrong {found.wrong}, after {found.faults}")
    minutes = (time.monotonic() - began_s) / 60
    print(
        f"{options.seeds} seeds, {options.seeds / minutes:,.0f} a minute: {made} calls made, {charged} charged, "
        f"{failed} seeds with a call lost, doubled or wrong"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
