"""The `anthropic` client, 0.45 and newer: messages (plain, streamed, parsed, beta, by helpers), the results of
batches, legacy completions; sync and async, raw responses, `client.post`; Anthropic's own API, Bedrock, Vertex and
Foundry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import product
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.hosts import place_of
from otel_genai_instrumentors import anthropic_answers as answers
from otel_genai_instrumentors.anthropic_batches import Batches
from otel_genai_instrumentors.client import ClientInstrumentor, Sent
from otel_genai_instrumentors.gates.anthropic import GATE
from otel_genai_instrumentors.method import Attributes, Method
from otel_genai_instrumentors.patching import Patch, Wrapper
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.stainless import (
    Stainless,
    body_of_request,
    send_bare,
    sending_at_once,
    sent_by_request,
    server_of_request,
    word_of,
)
from otel_genai_instrumentors.traced import carrying, carrying_sender

__all__ = ["AnthropicInstrumentor"]

_LIBRARY: Final = Stainless("anthropic")
_PLATFORMS: Final = {
    "Bedrock": ("aws.bedrock", "aws_region"),
    "Vertex": ("gcp.vertex_ai", "region"),
    "Foundry": ("azure.ai.openai", ""),
}
"""Part of a client's class name, the provider, and the client's attribute with the region. Anthropic bills for the
rest, `AnthropicAWS` and `AnthropicGoogleCloud` included."""

_PLATFORM: Final = re.compile("|".join(_PLATFORMS))


def _request(client: Any, kwargs: Mapping[str, Any], host: str | None) -> Attributes:
    """The attributes of a request. A platform's host may be a proxy's, so the class goes first."""
    place, body = place_of(host or ""), body_of_request(kwargs)
    provider, region_of = _platform(client.__class__) or (place.provider or "anthropic", "")
    region = getattr(client, region_of, None) if region_of and place.region is None else None
    model = word_of(body.get("model"))
    found: Attributes = {names.GEN_AI_PROVIDER_NAME: provider, names.GEN_AI_REQUEST_MODEL: model}
    if kwargs.get("stream") is True:
        found[names.GEN_AI_REQUEST_STREAM] = True
    return found if not isinstance(region, str) else {**found, names.REGION: region}


@lru_cache(maxsize=64)
def _platform(client_class: type[Any]) -> tuple[str, str] | None:
    """Provider, and the client's attribute with the region, by the library's own class that it is of."""
    for kind in client_class.__mro__:
        if kind.__module__.startswith("anthropic."):
            found = _PLATFORM.search(kind.__name__)
            return None if found is None else _PLATFORMS[found[0]]
    return None


_MESSAGE: Final = Method(
    "chat",
    _request,
    answers.read_message,
    answers.part_of_message,
    server_of_request,
    answer=_LIBRARY.answer_of_route,
    shows_attempts=_LIBRARY.shows_attempts,
    body=body_of_request,
    text=answers.text_of_part,
    may_wait=answers.brings_text,
)
_SENT: Final = {
    "v1/messages": _MESSAGE,
    "v1/complete": _MESSAGE._replace(operation="text_completion"),
}

_RESOURCE: Final = "anthropic._resource"
_HOMES: Final = ("anthropic.resources.messages", "anthropic.resources.beta.messages")
_MANAGERS: Final = tuple(
    (f"anthropic.lib.streaming._{home}messages", f"{kind}MessageStreamManager.__init__")
    for home, kind in (("", ""), ("", "Async"), ("beta_", "Beta"), ("beta_", "BetaAsync"))
)


class AnthropicInstrumentor(ClientInstrumentor):
    """Traces the `anthropic` client."""

    library = "anthropic"
    requirements = ("anthropic >= 0.45",)
    gate = GATE

    def routes(self) -> Iterable[tuple[str, str, Mapping[str, Method]]]:
        return _LIBRARY.requests(_SENT)

    def sent(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sent:
        return sent_by_request(args, kwargs)

    def bare(self) -> Wrapper:
        return send_bare

    def patches(self, **options: Any) -> Iterable[Patch]:
        yield from _LIBRARY.seen_once(super().patches(**options))
        yield from (Patch(*place, carrying_sender, optional=True) for place in _MANAGERS)
        yield Patch(_LIBRARY.base, "AsyncAPIClient.post", carrying, optional=True)
        yield Patch(_RESOURCE, "AsyncAPIResource.__init__", sending_at_once, optional=True)
        for home, path in product(_HOMES, ("AsyncMessages.create", "AsyncMessages.parse")):
            yield Patch(f"{home}.messages", path, carrying, optional=True)
        tracer = CallTracer(self.library, options.get("tracer_provider"))
        yield from Batches(tracer).patches(_HOMES)
        yield from _LIBRARY.patches()
