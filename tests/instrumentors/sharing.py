"""Another instrumentation of the client, and calls beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import openai
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import SpanKind

from otel_genai_cost.testing.standin.openai import OpenAIStandIn

__all__ = ["ASKED", "START", "WATCHED", "Other", "call", "scopes"]

ASKED: Final[dict[str, Any]] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
WATCHED: Final = "opentelemetry.instrumentation.openai.v1"
START: Final = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai"}


class Other:
    """Another instrumentation of the client: its spans tell the model, and usage only if `tells`."""

    def __init__(
        self, provider: TracerProvider, *, current: bool = True, scope: str = WATCHED
    ) -> None:
        self.tracer = provider.get_tracer(scope, "0.62.4")
        self.current, self.tells, self.model, self.times = current, False, "gpt-4o", 1

    def wrapper(self, wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        span = self._begin()
        try:
            with trace.use_span(span if self.current else trace.get_current_span()):
                result = [wrapped(*args, **kwargs) for _ in range(self.times)][-1]
            return self._parts(span, result) if kwargs.get("stream") else self._told(span, result)
        finally:
            if not kwargs.get("stream"):
                span.end()

    async def async_wrapper(self, wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        span = self._begin()
        with trace.use_span(span, end_on_exit=True):
            return self._told(span, await wrapped(*args, **kwargs))

    def _begin(self) -> trace.Span:
        attributes = {**START, "gen_ai.request.model": self.model}
        return self.tracer.start_span("openai.chat", kind=SpanKind.CLIENT, attributes=attributes)

    def _told(self, span: trace.Span, result: Any) -> Any:
        if self.tells:
            span.set_attribute("gen_ai.response.model", result.model)
            span.set_attribute("gen_ai.usage.input_tokens", result.usage.prompt_tokens + 1_000)
            span.set_attribute("gen_ai.usage.output_tokens", result.usage.completion_tokens)
        return result

    def _parts(self, span: trace.Span, stream: Any) -> Iterator[Any]:
        yield from stream
        span.end()


def call(standin: OpenAIStandIn, **more: Any) -> Any:
    """The answer, or the parts of it."""
    with openai.OpenAI(base_url=standin.url, api_key="k", max_retries=0) as client:
        answer = client.chat.completions.create(**{**ASKED, **more})
        return list(answer) if more.get("stream") else answer


def scopes(spans: tuple[ReadableSpan, ...]) -> list[str]:
    """Whose they are."""
    return [span.instrumentation_scope.name for span in spans if span.instrumentation_scope]
