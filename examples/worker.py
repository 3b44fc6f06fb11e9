"""A worker that takes jobs from a queue.

    opentelemetry-instrument python worker.py

A message carries whom it is for in its headers, as it carries its trace, so that the worker needs no table of tenants.
Work that nobody's request set off says itself whose it is; and a job without a tenant is nobody's, never the last
one's.
"""

from __future__ import annotations

import queue
import threading
from typing import NamedTuple

import openai

from otel_genai_cost import for_tenant, system, tenant
from otel_genai_cost.tenancy.envelope import inject, job


class Message(NamedTuple):
    """A job and its headers, as a broker has them."""

    headers: dict[str, str]
    text: str


client = openai.OpenAI()
jobs: queue.Queue[Message | None] = queue.Queue()


def summarise(text: str) -> None:
    client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": f"Summarise: {text}"}]
    )


def work() -> None:
    while (message := jobs.get()) is not None:
        with job(message.headers):
            summarise(message.text)


def send(text: str) -> None:
    headers: dict[str, str] = {}
    inject(headers)
    jobs.put(Message(headers, text))


def main() -> None:
    worker = threading.Thread(target=work)
    worker.start()
    for customer in ("acme", "globex"):
        with tenant(customer, feature="inbox"):  # an edge does this where a request came in
            send(f"the letters of {customer}")
    send("a letter that nobody claims")
    jobs.put(None)
    worker.join()
    with for_tenant("acme", reason="nightly digest"):
        summarise("all letters of the day")
    with system("reindex"):
        client.embeddings.create(model="text-embedding-3-small", input="the manual")


if __name__ == "__main__":
    main()
