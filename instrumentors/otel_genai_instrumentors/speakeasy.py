"""What the clients that Speakeasy generates (`mistralai`, with its packages for Azure and Google) do not promise.

Where a resource keeps where it sends to, and a stream its iterator, and which hooks run around each request: the names
are the same in every version. Without one of them, less is known and nothing breaks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from otel_genai_cost.errors import guarded
from otel_genai_instrumentors.call import current_call
from otel_genai_instrumentors.method import Answer
from otel_genai_instrumentors.patching import Patch, Wrapper

__all__ = ["Speakeasy", "server_of", "stream_of"]

_HOOKS: Final = "_hooks.sdkhooks"
_ITERATOR: Final = "generator"


class Speakeasy(NamedTuple):
    """One such library, by the name of its package."""

    package: str

    def shows_attempts(self) -> bool:
        """Whether it is seen how often a call sends a request."""
        hooks = sys.modules.get(f"{self.package}.{_HOOKS}")
        return hasattr(getattr(hooks, "SDKHooks", None), "before_request")

    def patches(self, beside: Callable[[str, Any], object]) -> Iterable[Patch]:
        """Where a call's requests are seen.

        Args:
            beside: is shown the HTTP responses to requests that are no calls, with the name of the package.
        """
        for path, wrapper in (
            ("SDKHooks.before_request", _made),
            ("SDKHooks.after_error", _broke),
            ("SDKHooks.after_success", self._answers(beside)),
        ):
            yield Patch(f"{self.package}.{_HOOKS}", path, wrapper, optional=True)
        home = f"{self.package}.utils.retries"
        yield Patch(home, "TemporaryError.__init__", _refused, optional=True)

    def _answers(self, beside: Callable[[str, Any], object]) -> Wrapper:
        beside = guarded("instrumentor.beside", None)(beside)

        def answered(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
            response = wrapped(*args, **kwargs)
            if (call := current_call()) is not None:
                call.answered(response)
            else:
                beside(self.package, response)
            return response

        return answered


def server_of(
    resource: Any, _: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[str | None, int | None]:
    """Host and port that a call of a resource goes to.

    Args:
        resource: such as `client.chat`.
        kwargs: what its method is called with.
    """
    url: str = kwargs.get("server_url") or resource.sdk_configuration.get_server_details()[0]
    parts = urlsplit(url)
    return parts.hostname, parts.port


def stream_of(result: Any) -> Answer | None:
    """How a stream of the library's own is watched; None for anything else."""
    if hasattr(result, _ITERATOR) and hasattr(result, "response"):
        return Answer(result.response, _ITERATOR)
    return None


def _made(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    if (call := current_call()) is not None:
        call.attempts.made()
        call.answered(None)
    return wrapped(*args, **kwargs)


def _broke(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    """Its last two arguments are the response and the error, of which one is there."""
    response, error = args[-2:] if len(args) > 1 else (None, None)
    if (call := current_call()) is not None:
        if isinstance(error, Exception):
            call.attempts.ended(error)
        elif response is not None:
            call.answered(response)
    return wrapped(*args, **kwargs)


def _refused(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    """An error that says that the request may be made anew."""
    response = args[0] if args else kwargs.get("response")
    status = getattr(response, "status_code", None)
    if (call := current_call()) is not None and isinstance(status, int):
        call.attempts.ended(status)
    return wrapped(*args, **kwargs)
