"""The demo's background worker: takes documents off a queue and summarises them with an LLM.

An ordinary Celery application. The queue is a folder (kombu's `filesystem://`), so that the demo needs no broker.
Nothing here knows about cost or tenants of traces: the customer's name is passed because the provider's bill
carries it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar, cast

from celery import Celery
from openai import OpenAI, omit

__all__ = ["Job", "queue", "result_of", "summarise"]

_FOLDER = Path(os.environ["DEMO_QUEUE"])
_R_co = TypeVar("_R_co", covariant=True)


class Job(Protocol[_R_co]):
    """What Celery gives for a job under way; celery ships no types."""

    @property
    def id(self) -> str: ...
    def ready(self) -> bool: ...
    def get(self) -> _R_co: ...


class _Task(Protocol[_R_co]):
    def delay(self, *arguments: str | None) -> Job[_R_co]: ...


class _Queue(Protocol):
    """The part of a Celery application that is used here."""

    def task(self, *, name: str) -> Callable[[Callable[[str, str | None], str]], _Task[str]]: ...
    def AsyncResult(self, job_id: str, /) -> Job[str]: ...


def _make_queue() -> _Queue:
    for name in ("messages", "control", "results"):
        (_FOLDER / name).mkdir(parents=True, exist_ok=True)
    messages, control = str(_FOLDER / "messages"), str(_FOLDER / "control")
    options = {"data_folder_in": messages, "data_folder_out": messages, "control_folder": control}
    return cast(Callable[..., _Queue], Celery)(
        "demo",
        broker="filesystem://",
        backend=f"file://{_FOLDER / 'results'}",
        changes={
            "broker_transport_options": {**options, "polling_interval": 0.1},
            "worker_prefetch_multiplier": 1,
        },
    )


queue = _make_queue()


@queue.task(name="summarise")
def summarise(document: str, customer: str | None) -> str:
    """Index the document, then summarise it: two calls for the customer who sent it."""
    client = OpenAI()
    client.embeddings.create(model="text-embedding-3-small", input=document, user=customer or omit)
    answer = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": f"Summarise in one sentence: {document}"}],
        user=customer or omit,
    )
    return answer.choices[0].message.content or ""


def result_of(job_id: str) -> Job[str]:
    """The job of that id, under way or done."""
    return queue.AsyncResult(job_id)
