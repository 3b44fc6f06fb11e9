"""An application of one tenant: it calls a model from several threads until it has had enough answers or is refused for
good, directly with a hold of its own, or through a gateway that holds. Both ways it is metered by the processor.

Usage: python -m tests.gateways.application URL KEY ANSWERS THREADS
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from typing import Final

from openai import APIStatusError, OpenAI
from opentelemetry.propagate import inject
from opentelemetry.sdk.trace import TracerProvider

import otel_genai_cost
from otel_genai_instrumentors.entry import OpenAIInstrumentor

_AGAIN_S: Final = 0.2
_UNTIL_S: Final = 60.0


def main() -> None:
    """Call, and say how many were answered, told to come again, or refused."""
    url, key, answers, threads = sys.argv[1:]
    provider = TracerProvider()
    otel_genai_cost.attach(provider, quiet=True)
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    client = OpenAI(base_url=url, api_key=key, max_retries=0)
    counts: Counter[str] = Counter()
    left = threading.Semaphore(int(answers))
    tracer = provider.get_tracer("application")

    def work() -> None:
        until_s = time.monotonic() + _UNTIL_S
        while left.acquire(blocking=False):
            while (said := call()) == "again" and time.monotonic() < until_s:
                counts["again"] += 1
                time.sleep(_AGAIN_S)
            counts[said] += 1

    def call() -> str:
        headers: dict[str, str] = {}
        with otel_genai_cost.tenant("acme"), tracer.start_as_current_span("request"):
            inject(headers)
            try:
                client.chat.completions.create(
                    model="gpt-4o-mini",
                    max_tokens=100,
                    messages=[{"role": "user", "content": "hello"}],
                    extra_headers=headers,
                )
            except APIStatusError as error:
                return "again" if error.status_code == 429 else f"status {error.status_code}"
        return "answered"

    running = [threading.Thread(target=work) for _ in range(int(threads))]
    for one in running:
        one.start()
    for one in running:
        one.join()
    print(", ".join(f"{count} {what}" for what, count in sorted(counts.items())), flush=True)
    provider.shutdown()


if __name__ == "__main__":
    main()
