"""Every way to another process, from requests of two tenants and of none: prints whom each call was for."""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing.pool import ThreadPool
from typing import Any

from otel_genai_cost import detached, tenant
from otel_genai_cost.tenancy.binding import attribution_of, capture
from otel_genai_instrumentors.queues.multiprocessing import MultiprocessingInstrumentor

MultiprocessingInstrumentor().instrument()  # in a child that is spawned, too

TENANTS = ("acme", "globex", None)


def now(*_: object) -> str:
    """Whom a call would be for."""
    found = attribution_of(capture(None))
    return found.tenant or str(found.absent)


def request(name: str | None) -> Any:
    return nullcontext() if name is None else tenant(name)


def tell(answers: Any, asked: Any, is_over: Any) -> None:
    """Three calls: at once, when it is asked for, and when the request is over."""
    answers.put(now())
    asked.wait(30)
    answers.put(now())
    is_over.wait(30)
    answers.put(now())


def started(kind: Any) -> dict[str, list[str]]:
    """A process of each request, the second of which is detached, and all of which outlive it."""
    found: dict[str, list[str]] = {}
    for name in TENANTS:
        answers, asked, is_over = kind.Queue(), kind.Event(), kind.Event()
        with request(name):
            process = kind.Process(target=tell, args=(answers, asked, is_over))
            with detached() if name == "globex" else nullcontext():
                process.start()
            seen = [answers.get(timeout=30)]
            asked.set()
            seen.append(answers.get(timeout=30))
        is_over.set()
        seen.append(answers.get(timeout=30))
        process.join()
        found[str(name)] = seen
    return found


def nested(answers: Any) -> None:
    """A process of a process."""
    child = multiprocessing.get_context("spawn").Process(target=put, args=(answers,))
    child.start()
    child.join()


def put(answers: Any) -> None:
    answers.put(now())


def pooled(kind: Any) -> dict[str, list[Any]]:
    """Pools whose workers begin in the first tenant's request."""
    found: dict[str, list[Any]] = {}
    with ProcessPoolExecutor(1, mp_context=kind) as executor:
        for name in TENANTS:
            with request(name):
                seen = [executor.submit(now).result(), *executor.map(now, range(2), chunksize=2)]
            found[f"executor {name}"] = seen
    with request("acme"):
        pool = kind.Pool(1)
    with pool:
        found |= {f"pool {name}": in_pool(pool, name) for name in TENANTS}
    return found


def in_pool(pool: Any, name: str | None) -> list[Any]:
    with request(name):
        lists: tuple[Callable[[], Any], ...] = (
            lambda: [pool.apply(now), pool.apply_async(now).get()],
            lambda: pool.map(now, range(2)),
            lambda: pool.map_async(now, [1]).get(),
            lambda: pool.starmap(now, [(1, 2)]),
            lambda: pool.starmap_async(now, [(1, 2)]).get(),
            lambda: list(pool.imap(now, [1])),
            lambda: list(pool.imap(now, range(2), chunksize=2)),
            lambda: list(pool.imap_unordered(now, [1])),
        )
        return [one for each in lists for one in each()]


def main() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for way in ("fork", "spawn", "forkserver"):
        kind = multiprocessing.get_context(way)
        found[way] = {"started": started(kind), **pooled(kind)}
    with request("acme"):
        pool = ThreadPool(1)
    with pool:
        found["threads"] = {str(name): in_pool(pool, name) for name in TENANTS}
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()
    with request("acme"):
        process = spawn.Process(target=nested, args=(answers,))
        process.start()
        process.join()
    found["nested"] = answers.get(timeout=30)
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main()))
