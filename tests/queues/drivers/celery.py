"""Celery: processes that are forked, or threads; with spans that are linked instead of below the sender's."""

from __future__ import annotations

import os
import signal
import threading

from celery import Celery

from tests.queues.application import Failed, further, main, sending, wait_until_finished, work

__all__: list[str] = []

_WAY = os.environ.get("QUEUE_WAY", "prefork")


def _link() -> None:
    from opentelemetry.instrumentation.celery import CeleryInstrumentor

    CeleryInstrumentor().instrument(use_span_links=True)


if _WAY == "links":
    _link()

app = Celery("q", broker=os.environ["QUEUE_ADDRESS"])


@app.task(name="job", bind=True, max_retries=2)
def job(self: object, message: str) -> None:
    try:
        work(message)
    except Failed as error:
        raise self.retry(exc=error, countdown=0) from None  # type: ignore[attr-defined]


@app.task(name="next")
def following(name: str) -> None:
    further(name)


def produce() -> None:
    for message in sending():
        job.apply_async((message,), link=following.si(f"{message}/next"))


def consume() -> None:
    threading.Thread(target=_end, daemon=True).start()
    kind = "threads" if _WAY == "threads" else "prefork"
    app.worker_main(["worker", "-P", kind, "-c", "1", "-l", "WARNING", "--without-mingle"])


def _end() -> None:
    wait_until_finished()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(produce, consume)
