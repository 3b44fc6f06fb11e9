"""Celery: processes that are forked, threads, or greenlets; with spans that are linked instead of below the sender's,
and with no other instrumentation than ours. Beside one of them runs beat, which is started in the worker's request."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from celery import Celery, chain, group
from celery.beat import EmbeddedService

from tests.queues.application import NAME, Failed, further, main, sending, wait_until_finished, work

__all__: list[str] = []

_WAY = os.environ.get("QUEUE_WAY", "prefork")


def _link() -> None:
    from opentelemetry.instrumentation.celery import CeleryInstrumentor

    CeleryInstrumentor().instrument(use_span_links=True)


if _WAY == "links":
    _link()

app = Celery("q", broker=os.environ["QUEUE_ADDRESS"])
app.conf.task_default_queue = NAME
app.conf.beat_schedule = {"cron": {"task": "cron", "schedule": 1}}


@app.task(name="job", bind=True, max_retries=2)
def job(self: object, message: str) -> None:
    try:
        work(message)
    except Failed as error:
        raise self.retry(exc=error, countdown=0) from None  # type: ignore[attr-defined]


@app.task(name="next")
def following(name: str) -> None:
    further(name)


@app.task(name="cron")
def cron() -> None:
    further("none-cron/body")


def produce() -> None:
    for message in sending():
        job.apply_async((message,), link=following.si(f"{message}/next"))
        if message.endswith("-0"):
            chain(following.si(f"{message}/step"), following.si(f"{message}/last")).apply_async()
            group(following.si(f"{message}/{one}") for one in ("one", "other")).apply_async()
            following.apply_async((f"{message}/later",), countdown=1)


def consume() -> None:
    threading.Thread(target=_end, daemon=True).start()
    pool = _WAY.partition("-")[0]
    kind = pool if pool in ("threads", "gevent") else "prefork"
    with _beating() if _WAY == "threads" else nullcontext():
        app.worker_main(["worker", "-P", kind, "-c", "1", "-l", "WARNING", "--without-mingle"])


@contextmanager
def _beating() -> Iterator[None]:
    schedule = os.environ["QUEUE_FOLDER"] + "/beat"
    beat = EmbeddedService(app, thread=True, schedule_filename=schedule)
    beat.start()
    yield
    beat.stop()


def _end() -> None:
    wait_until_finished()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(produce, consume)
