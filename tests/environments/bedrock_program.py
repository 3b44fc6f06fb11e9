"""The measured program: boto3 or aioboto3 calls Amazon Bedrock beside other instrumentations, and prints what came of
it.

    python bedrock_program.py CLIENT FOLDER MODULE:CLASS ...

CLIENT is `boto3` or `aioboto3`; the others are instrumentors, set up before ours. It prints a line of JSON for each
call: the charges, and the headers that were sent of those that must not leave; and for calls and streams that are
cancelled, which only aioboto3 has, how well their usage is known, and between which bounds.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Coroutine
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_genai_cost import attach, tenant
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.testing.standin import Answer, StandIn, Usage
from otel_genai_instrumentors.clients.botocore import BotocoreInstrumentor
from otel_genai_instrumentors.open_calls import drain
from tests.e2e.rig import observations_in

CLAUDE: Final = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
MESSAGES: Final = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "what?"}],
}
USED: Final = Usage(2041, 997, cache_read_tokens=1823, cache_write_tokens=157)


async def _call(client: Any, name: str) -> None:
    """One call, read to its end; what is awaited in one client is at hand in the other."""
    asked: dict[str, Any] = {"modelId": CLAUDE}
    if name.startswith("converse"):
        asked["messages"] = [{"role": "user", "content": [{"text": "what?"}]}]
    else:
        asked["body"] = json.dumps(MESSAGES)
    pending = getattr(client, name)(**asked)
    answer = await _done(pending)
    if name == "invoke_model":
        await _done(answer["body"].read())
    elif name != "converse":
        parts = answer.get("stream", answer.get("body"))
        if isinstance(pending, Coroutine):
            assert [part async for part in parts]
        else:
            assert list(parts)


async def _done(result: Any) -> Any:
    return await result if isinstance(result, Coroutine) else result


async def _calls(client: Any, standin: StandIn, journal: Path) -> None:
    for name in (
        "converse",
        "converse_stream",
        "invoke_model",
        "invoke_model_with_response_stream",
    ):
        standin.reset()
        standin.script.next(Answer(usage=USED))
        before = len(observations_in(journal))
        with tenant("acme"):
            await _call(client, name)
        gc.collect()
        drain()
        usages = [
            verdict.richest.reading.usage
            for verdict in settle(observations_in(journal)[before:]).verdicts
        ]
        charged = [(usage.input_total, usage.output_total) for usage in usages]
        sent = [name for each in standin.received for name in each.headers]
        print(json.dumps({"call": name, "charged": charged, "baggage": "baggage" in sent}))


async def _cancels(call: Coroutine[Any, Any, None], standin: StandIn) -> bool:
    """Begin a call, and cancel it when its request has arrived; whether it was."""
    task = asyncio.ensure_future(call)
    ends = time.monotonic() + 10
    while not standin.received and time.monotonic() < ends:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.2)
    task.cancel()
    (result,) = await asyncio.gather(task, return_exceptions=True)
    return isinstance(result, asyncio.CancelledError)


async def _cancelled(client: Any, standin: StandIn, journal: Path) -> None:
    """A call that waits for its answer, and a stream of which two parts have come."""
    for name, answer in (
        ("converse", Answer(hangs=True)),
        ("converse_stream", Answer(stalls_after=2)),
    ):
        standin.reset()
        standin.script.next(answer)
        before = len(observations_in(journal))
        with tenant("acme"):
            is_cancelled = await _cancels(_call(client, name), standin)
        gc.collect()
        drain()
        (verdict,) = settle(observations_in(journal)[before:]).verdicts
        usage = verdict.richest.reading.usage
        found = {"tenant": verdict.attribution.tenant, "quality": usage.quality, "low": usage.low}
        print(json.dumps({"cancelled": name, "is_cancelled": is_cancelled, **found}))


async def main(kind: str, folder: str, *others: str) -> None:
    """Set up, call, print."""
    provider, journal = TracerProvider(), Path(folder) / "journal"
    trace.set_tracer_provider(provider)
    attach(provider, journal=journal, quiet=True)
    for other in others:
        module, _, name = other.partition(":")
        getattr(import_module(module), name)().instrument()
    BotocoreInstrumentor().instrument(tracer_provider=provider)
    library: Any = import_module(kind)
    with StandIn("aws.bedrock") as standin:
        made: dict[str, Any] = {
            "service_name": "bedrock-runtime",
            "region_name": "us-east-1",
            "endpoint_url": standin.url,
            "aws_access_key_id": "key",
            "aws_secret_access_key": "secret",
        }
        if kind == "boto3":
            await _calls(library.client(**made), standin, journal)
            return
        async with library.Session().client(**made) as client:
            await _calls(client, standin, journal)
            await _cancelled(client, standin, journal)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
