"""Where LiteLLM answers by itself, so that nobody is asked, where it sends a request anew or falls back to another
model, and where it has OpenAI's client send a stream. Names that it does not promise: without one, its spans by others
are taken for calls, a fall-back has only its own model, and a stream has its usage only if the application asks."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from otel_genai_cost.errors import guarded
from otel_genai_cost.shared_calls import answered_here
from otel_genai_instrumentors.call import current_call
from otel_genai_instrumentors.fallbacks import asking_first
from otel_genai_instrumentors.method import ONLY_USAGE, Attributes
from otel_genai_instrumentors.openai_answers import part_of_chat, without_usage
from otel_genai_instrumentors.openai_requests import asking_for_usage
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.stainless import Stainless
from otel_genai_instrumentors.streams import Unheeded, watch_parts
from otel_genai_instrumentors.traced import carrying_runner, showing
from otel_genai_instrumentors.unseen import Inside

__all__ = ["HANDLERS", "patches"]

HANDLERS: Final = "litellm.llms.custom_httpx.http_handler"
_CACHING: Final = "litellm.caching.caching_handler"
_FALLBACKS: Final = "litellm.litellm_core_utils.fallback_utils"
_OF_COMPLETIONS: Final = "async_completion_with_fallbacks"
_OPENAI: Final = Stainless("openai")
_STREAMING: Final = (
    ("litellm.llms.openai.openai", "OpenAIChatCompletion", "openai_chat_completion_request"),
    ("litellm.llms.azure.azure", "AzureChatCompletion", "azure_openai_chat_completion_request"),
)
_CLIENTS: Final = ("openai_client", "openai_aclient", "azure_client")
"""What these functions call the client that they are given."""


def patches() -> Iterable[Patch]:
    """In newer and older versions."""
    for name in ("single_connection_request", "single_connection_post_request"):
        yield Patch(HANDLERS, f"AsyncHTTPHandler.{name}", _sent_again, optional=True)
    for name in ("LLMCachingHandler.sync_get_cache", "LLMCachingHandler._sync_get_cache"):
        yield Patch(_CACHING, name, _looked_up, optional=True)
    for name in ("LLMCachingHandler.async_get_cache", "LLMCachingHandler._async_get_cache"):
        yield Patch(_CACHING, name, _looked_up_async, optional=True)
    yield Patch("litellm.main", "mock_completion", _made_up, optional=True)
    yield Patch("litellm.responses.main", "mock_responses_api_response", _made_up, optional=True)
    for module in ("litellm.main", _FALLBACKS):
        yield Patch(module, _OF_COMPLETIONS, _falling_back, optional=True)
    yield Patch("litellm.router", "run_async_fallback", _falling_back, optional=True)
    for module in (_FALLBACKS, "litellm.router"):
        yield Patch(module, "run_async_function", carrying_runner, optional=True)
    for module, kind, name in _STREAMING:
        for prefix in ("make_sync_", "make_"):
            yield Patch(module, f"{kind}.{prefix}{name}", _asking_for_usage, optional=True)


async def _sent_again(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    _give_up()
    return await wrapped(*args, **kwargs)


@guarded("instrumentor.retry", None)
def _give_up() -> None:
    """Of the request before, which ended in the error that is being handled."""
    if (call := current_call()) is not None:
        call.attempts.given_up(sys.exc_info()[1])
        call.attempts.made()


async def _falling_back(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    """It sends to one model after the other, the last of which answers; a router has names of its own for them."""
    with Inside(asking_first(kwargs.get("original_model_group") or kwargs.get("model"))):
        return await wrapped(*args, **kwargs)


def _asking_for_usage(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    """LiteLLM takes the raw response, of which OpenAI's client is not asked for more, and parses it at once."""
    asking = _with_usage(kwargs)
    if asking is None:
        return wrapped(*args, **kwargs)
    answered = wrapped(*args, **asking)
    if inspect.iscoroutine(answered):
        return showing(answered, _hide_usage)
    _hide_usage(answered)
    return answered


@guarded("instrumentor.usage", None)
def _with_usage(kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """The same arguments of a call that is to ask for its usage; None if it is not."""
    client: Any = next(filter(None, map(kwargs.get, _CLIENTS)), None)
    if client is None:
        return None
    prepared = asking_for_usage(_Of(client), kwargs["data"])
    return {**kwargs, "data": prepared.kwargs} if prepared.hides_usage else None


class _Of:
    """A resource of a client. To ask the client for one imports it, which LiteLLM may never do."""

    def __init__(self, client: object) -> None:
        self._client = client


@guarded("instrumentor.usage", None)
def _hide_usage(answered: Any) -> None:
    """Of the headers and the stream, the one that the client has parsed."""
    _, stream = answered
    iterator = _OPENAI.answer_of(stream).attribute
    if iterator is not None:
        watch_parts(stream, iterator, None, _Hiding())


class _Hiding(Unheeded):
    """A stream whose application does not get the usage that it did not ask for."""

    def __init__(self) -> None:
        self._found: Attributes = {}

    @guarded("instrumentor.usage", False)
    def learn(self, part: Any) -> bool:
        """Whether it is to be hidden."""
        is_hidden = bool(part_of_chat(self._found, part) & ONLY_USAGE)
        without_usage(part)
        return is_hidden


def _made_up(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    """LiteLLM's own spans, which it writes later, name the call or the answer."""
    answered_here(getattr(kwargs.get("logging"), "litellm_call_id", None))
    made = wrapped(*args, **kwargs)
    answered_here(getattr(made, "id", None))
    return made


def _looked_up(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    found = wrapped(*args, **kwargs)
    _note(found)
    return found


async def _looked_up_async(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    found = await wrapped(*args, **kwargs)
    _note(found)
    return found


def _note(found: Any) -> None:
    """What the cache had; of embeddings it may have some."""
    is_whole = getattr(found, "embedding_all_elements_cache_hit", False) is True
    if is_whole or getattr(found, "cached_result", None) is not None:
        answered_here()
