"""Leaves streams open in every kind of process: `python -m tests.e2e.leaver KIND`; a Celery application as well."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import sys
from importlib import import_module
from typing import Any, Final

from celery import Celery
from openai import OpenAI

_KEPT: Final[list[Any]] = []
_ASKED: Final[dict[str, Any]] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "hello"}],
    "stream": True,
}

app: Any = Celery("leaver", broker="filesystem://", set_as_current=False)  # type: ignore[no-untyped-call]


def leave(left: str) -> None:
    """A stream is left as soon as it has begun: kept to the end, or thrown away."""
    stream = OpenAI(max_retries=0).chat.completions.create(**_ASKED)
    next(iter(stream))
    if left == "kept":
        _KEPT.append(stream)
    os.write(1, f"left {left}\n".encode())


leave_later: Any = app.task(leave, name="leave")


def main(kind: str) -> None:
    if kind == "itself":
        leave("kept")
    elif kind == "executor":
        context = multiprocessing.get_context("fork")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            pool.submit(leave, "kept").result()
    elif kind == "billiard":
        billiard: Any = import_module("billiard")
        _joined(billiard.Process(target=leave, args=("kept",)))
    else:
        _joined(multiprocessing.get_context(kind).Process(target=leave, args=("kept",)))  # type: ignore[attr-defined]


def _joined(child: Any) -> None:
    child.start()
    child.join()


if __name__ == "__main__":
    main(sys.argv[1])
