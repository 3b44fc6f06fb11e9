"""Where LiteLLM answers by itself, so that nobody is asked, and where it sends a request anew. Names that it does not
promise; without one, its spans by others are taken for calls."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from otel_genai_cost.errors import guarded
from otel_genai_cost.shared_calls import answered_here
from otel_genai_instrumentors.call import current_call
from otel_genai_instrumentors.patching import Patch

__all__ = ["HANDLERS", "patches"]

HANDLERS: Final = "litellm.llms.custom_httpx.http_handler"
_CACHING: Final = "litellm.caching.caching_handler"


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


async def _sent_again(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    _give_up()
    return await wrapped(*args, **kwargs)


@guarded("instrumentor.retry", None)
def _give_up() -> None:
    """Of the request before, which ended in the error that is being handled."""
    if (call := current_call()) is not None:
        call.attempts.given_up(sys.exc_info()[1])
        call.attempts.made()


def _made_up(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    answered_here()
    return wrapped(*args, **kwargs)


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
