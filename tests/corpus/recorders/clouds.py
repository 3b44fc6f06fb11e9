"""Bedrock's and Gemini's APIs for the stand-in.

Bedrock's input leaves the cache out, like Anthropic's, whose tokens it has here. Gemini's includes it, and its output
leaves thoughts out: half of what the stand-in's texts cost is thought.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, NamedTuple
from urllib.parse import unquote

from otel_genai_cost.testing.standin.openai import _count, _Tokens
from tests.corpus.recorders.messages import MessagesHandler, MessageTokens

_PATH: Final = re.compile(
    r"/model/(?P<bedrock>[^/]+)/(?P<call>converse|invoke)|.*/models/(?P<gemini>[^/:]+):.*"
)


class ConverseTokens(MessageTokens):
    """Anthropic's tokens as Converse tells them."""

    def wire(self, output: int | None = None) -> dict[str, Any]:
        """As the API tells it."""
        written = self.write_5m + self.write_1h
        return {
            "inputTokens": self.input,
            "outputTokens": self.output,
            "totalTokens": self.input + self.cache_read + written + self.output,
            "cacheReadInputTokens": self.cache_read,
            "cacheWriteInputTokens": written,
        }


class GeminiTokens(NamedTuple):
    """Tokens as Gemini bills them; `output` includes `thoughts`."""

    input: int
    cached: int
    output: int
    thoughts: int

    @classmethod
    def of(cls, text: str) -> GeminiTokens:
        """As many as the text is long."""
        told = _count(text, "")
        return cls(told.input, told.cached, told.output, told.output // 2)

    def bill(self) -> dict[str, int]:
        """As `genai-cost price` takes it."""
        return {
            "input_tokens": self.input,
            "output_tokens": self.output,
            "cache_read_tokens": self.cached,
            "reasoning_tokens": self.thoughts,
        }

    def wire(self) -> dict[str, Any]:
        """As the API tells it."""
        return {
            "promptTokenCount": self.input,
            "candidatesTokenCount": self.output - self.thoughts,
            "thoughtsTokenCount": self.thoughts,
            "totalTokenCount": self.input + self.output,
            **({"cachedContentTokenCount": self.cached} if self.cached else {}),
        }

    def normalised(self) -> dict[str, Any]:
        """As the corpus has it."""
        return {
            "cache_read": self.cached,
            "input_total": self.input,
            "output_total": self.output,
            "raw_input_field": self.input,
            "raw_input_includes_cache": True,
            "reasoning": self.thoughts,
        }


class GrokTokens(_Tokens):
    """Tokens as xAI's chat tells them: the completion leaves reasoning out, the total has it."""

    def wire(self, inwards: str, outwards: str) -> dict[str, Any]:
        """As the API tells it."""
        told = super().wire(inwards, outwards)
        return {**told, f"{outwards}_tokens": self.output - self.reasoning}


class CloudsHandler(MessagesHandler):
    """Answers Bedrock's `converse` and `invoke`, and Gemini's `generateContent`, too."""

    stored: ClassVar[dict[str, Mapping[str, Any]]] = {}

    def do_GET(self) -> None:
        """A stored response is told again, and is on no bill."""
        stored = self.stored.get(self.path.rpartition("/")[2])
        if stored is None:
            self._fail(404, f"no such path {self.path}", "invalid_request_error")
        else:
            self._json(200, stored)

    def _json(
        self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        if body.get("object") == "response":
            self.stored[str(body["id"])] = body
        super()._json(status, body, headers)

    def _answer(self, body: dict[str, Any], text: str) -> None:
        found = _PATH.fullmatch(unquote(self.path).partition("?")[0])
        if found is None:
            super()._answer(body, text)
        elif found["gemini"] is not None:
            self._gemini(body, found["gemini"])
        elif found["call"] == "converse":
            self._converse(body, text, found["bedrock"])
        else:
            self._invoke(body, text, found["bedrock"])

    def _chat(self, body: dict[str, Any], text: str, model: str, tokens: _Tokens) -> None:
        if model.startswith("grok"):
            tokens = GrokTokens(*tokens)._replace(reasoning=tokens.output // 3)
        super()._chat(body, text, model, tokens)

    def _gemini(self, body: dict[str, Any], model: str) -> None:
        tokens = GeminiTokens.of(json.dumps(body.get("contents") or ""))
        response_id = self.standin.next_id("gemini")
        self.standin.charge(body, model, response_id, tokens)  # type: ignore[arg-type]
        content = {"role": "model", "parts": [{"text": "A stand-in's answer."}]}
        answer = {
            "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
            "modelVersion": model,
            "responseId": response_id,
            "usageMetadata": tokens.wire(),
        }
        if "stream" not in self.path:
            self._json(200, answer)
        else:
            self._stream(iter([answer]), "")

    def _converse(self, body: dict[str, Any], text: str, model: str) -> None:
        tokens = ConverseTokens(*MessageTokens.of(text))
        self.standin.charge(body, model, self.standin.next_id("converse"), tokens)  # type: ignore[arg-type]
        content = [{"text": "A stand-in's answer."}]
        answer = {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": "end_turn",
            "usage": tokens.wire(),
            "metrics": {"latencyMs": 1},
        }
        self._json(200, answer)

    def _invoke(self, body: dict[str, Any], text: str, model: str) -> None:
        tokens = MessageTokens.of(text)
        message_id = self.standin.next_id("msg_bdrk")
        self.standin.charge(body, model, message_id, tokens)  # type: ignore[arg-type]
        written = str(tokens.input), str(tokens.output)
        names = (f"x-amzn-bedrock-{side}-token-count" for side in ("input", "output"))
        message = {
            "id": message_id,
            "type": "message",
            "role": "assistant",
            "model": model.rpartition("anthropic.")[2],
            "content": [{"type": "text", "text": "A stand-in's answer."}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": tokens.wire(),
        }
        self._json(200, message, dict(zip(names, written, strict=True)))
