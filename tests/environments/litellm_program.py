"""Calls of LiteLLM that fall back to another model, and streams of which the application did not ask the usage.

    python -m tests.environments.litellm_program [FOLDER]

Prints one JSON object: of each case what was `shown` to the application, and the `charges`, each with its tenant, the
models that were asked for first, sent and answered, the tokens and how they are known. The journal is in FOLDER;
without one, nothing of ours is there.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_genai_cost import install, tenant
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.testing.standin import Answer, StandIn, Usage
from otel_genai_instrumentors.clients.litellm import LiteLLMInstrumentor
from otel_genai_instrumentors.clients.openai import OpenAIInstrumentor
from otel_genai_instrumentors.open_calls import drain
from tests.e2e.rig import observations_in

litellm: Final[Any] = import_module("litellm")

_ASKED: Final = [{"role": "user", "content": "hi"}]
_USED: Final = Usage(1_200, 300)
_CLAUDE: Final = "claude-opus-4-7"


class _Places:
    """How requests reach the stand-in, and what it is told to answer."""

    def __init__(self, standin: StandIn) -> None:
        self.standin = standin
        for model in ("gpt-4o-mini", _CLAUDE):
            standin.script.always(Answer(_USED), model=model)
        self.openai = {"api_base": f"{standin.base_url('openai')}/v1", "api_key": "k"}
        os.environ["OPENAI_API_BASE"] = self.openai[
            "api_base"
        ]  # 1.63 forgets the place of the first
        os.environ["OPENAI_API_KEY"] = "k"
        self.anthropic = {"api_base": standin.base_url("anthropic"), "api_key": "k"}
        self.azure = {
            "api_base": standin.base_url("openai"),
            "api_key": "k",
            "api_version": "2024-10-21",
        }

    def fallback(self) -> dict[str, Any]:
        """A call of OpenAI's that falls back to Anthropic's."""
        self.standin.script.next(Answer(status=401), model="gpt-4o")
        fallbacks = [{"model": f"anthropic/{_CLAUDE}", **self.anthropic}]
        return {"model": "openai/gpt-4o", "messages": _ASKED, "fallbacks": fallbacks, **self.openai}

    def router(self) -> Any:
        """One whose group `smart` falls back to `cheap`, which is another model of OpenAI's."""
        self.standin.script.next(Answer(status=500), model="gpt-4o")
        places = {"smart": "openai/gpt-4o", "cheap": "openai/gpt-4o-mini"}
        return litellm.Router(
            model_list=[
                {"model_name": name, "litellm_params": {"model": model, **self.openai}}
                for name, model in places.items()
            ],
            fallbacks=[{"smart": ["cheap"]}],
            num_retries=0,
        )


def _fallback(places: _Places) -> Any:
    return litellm.completion(**places.fallback()).model


def _fallback_async(places: _Places) -> Any:
    return asyncio.run(litellm.acompletion(**places.fallback())).model


def _fallback_in_a_loop(places: _Places) -> Any:
    """LiteLLM runs it in another thread."""

    async def main() -> Any:
        return litellm.completion(**places.fallback()).model

    return asyncio.run(main())


def _router(places: _Places) -> Any:
    return places.router().completion(model="smart", messages=_ASKED).model


def _router_async(places: _Places) -> Any:
    return asyncio.run(places.router().acompletion(model="smart", messages=_ASKED)).model


def _first_is_served(places: _Places) -> Any:
    asked = places.fallback()
    places.standin.script.clear()
    places.standin.script.next(Answer(_USED), model="gpt-4o")
    return litellm.completion(**asked).model


def _stream(places: _Places, **options: Any) -> Any:
    places.standin.script.next(Answer(_USED), model="gpt-4o")
    asked = {"model": "openai/gpt-4o", **places.openai, **options}
    return [_seen(part) for part in litellm.completion(messages=_ASKED, stream=True, **asked)]


def _stream_with_usage(places: _Places) -> Any:
    return _stream(places, stream_options={"include_usage": True})


def _stream_of_azure(places: _Places) -> Any:
    return _stream(places, model="azure/gpt-4o", **places.azure)


def _stream_async(places: _Places) -> Any:
    async def main() -> Any:
        places.standin.script.next(Answer(_USED), model="gpt-4o")
        asked = {"model": "openai/gpt-4o", **places.openai}
        stream = await litellm.acompletion(messages=_ASKED, stream=True, **asked)
        return [_seen(part) async for part in stream]

    return asyncio.run(main())


def _seen(part: Any) -> Any:
    """A part of a stream, as far as it is the same each time."""
    fields = part.model_dump()
    return {key: value for key, value in fields.items() if key not in ("id", "created")}


CASES: Final[Mapping[str, Callable[[_Places], Any]]] = {
    "fallback": _fallback,
    "fallback, async": _fallback_async,
    "fallback in a loop": _fallback_in_a_loop,
    "router": _router,
    "router, async": _router_async,
    "the first is served": _first_is_served,
    "stream": _stream,
    "stream with usage": _stream_with_usage,
    "stream of Azure": _stream_of_azure,
    "stream, async": _stream_async,
}


def _run(name: str, standin: StandIn, *, is_ours: bool) -> Any:
    standin.reset()
    litellm.in_memory_llm_clients_cache.flush_cache()  # they belong to the loop of another case
    with tenant("acme") if is_ours else nullcontext():
        return CASES[name](_Places(standin))


def _charges(folder: Path, known: set[str]) -> list[dict[str, Any]]:
    """Those that are new, in the order of their calls."""
    new = [one for one in observations_in(folder) if one.id not in known]
    known.update(one.id for one in new)
    return [
        {
            "tenant": verdict.richest.attribution.tenant,
            "asked": verdict.richest.reading.model_asked,
            "sent": verdict.richest.reading.model_requested,
            "answered": verdict.richest.reading.model_returned,
            "status": verdict.richest.cost.status,
            "quality": verdict.richest.reading.usage.quality,
            "tokens": dict(verdict.richest.reading.usage.leaves),
        }
        for verdict in sorted(settle(new).verdicts, key=lambda one: one.richest.start_us)
    ]


def main(*folder: str) -> None:
    """Run all cases, with us where there is a folder."""
    litellm.suppress_debug_info = True
    known: set[str] = set()
    found: dict[str, Any] = {}
    if folder:
        trace.set_tracer_provider(TracerProvider())
        install(journal=folder[0], stream_usage_hosts="127.0.0.1", quiet=True)
        for instrumentor in (OpenAIInstrumentor, LiteLLMInstrumentor):
            instrumentor().instrument()
    with StandIn() as standin:
        for name in CASES:
            shown = _run(name, standin, is_ours=bool(folder))
            gc.collect()
            drain()
            found[name] = {"shown": shown, "charges": _charges(Path(*folder), known)}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
