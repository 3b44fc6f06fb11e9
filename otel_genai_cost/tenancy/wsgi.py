"""The edge of WSGI applications. A body is made while the server iterates over it, so that belongs to the request too.

The tenant is bound for each step of the body and not between them: the same thread may serve somebody else meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any, Final

from otel_genai_cost.tenancy.decided import SEEN, Decided, decided_for
from otel_genai_cost.tenancy.edge import Arrived, TenantSource, arrived, asked_source, decide

__all__ = ["Steps", "TenantEdge"]

Environ = MutableMapping[str, Any]
WsgiApp = Callable[..., Iterable[Any]]

_HEADER: Final = "HTTP_"


class TenantEdge:
    """WSGI middleware: binds the request's tenant until its body is closed. Reserved baggage that came with the request
    is dropped; a request without a tenant is unattributed, never somebody's. Nothing here can fail the request."""

    def __init__(self, app: WsgiApp, tenant_source: TenantSource | None = None) -> None:
        self.app = app
        self._source = tenant_source

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[Any]:
        asked = asked_source(self._source)
        if asked is None:
            return self.app(environ, start_response)
        known = decided_for(environ)
        if known is not None:
            with known.attached():
                return self.app(environ, start_response)
        decided = environ[SEEN] = decide(asked, lambda: _of_wsgi(environ))
        return self._served(decided, environ, start_response)

    def _served(
        self, decided: Decided, environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[Any]:
        body: Iterable[Any] = ()
        try:
            with decided.attached():
                body = self.app(environ, start_response)
            return Steps(body, decided) if _is_made_later(body, environ) else body
        finally:
            if not _is_made_later(body, environ):
                decided.close()


def _is_made_later(body: Iterable[Any], environ: Environ) -> bool:
    """Whether code runs when the body is read. Servers know the others by their type, so those stay as they are."""
    file = environ.get("wsgi.file_wrapper")
    return not hasattr(body, "__len__") and not (isinstance(file, type) and isinstance(body, file))


def _of_wsgi(environ: Environ) -> Arrived:
    headers = (
        (name[len(_HEADER) :], str(value))
        for name, value in environ.items()
        if name.startswith(_HEADER)
    )
    return arrived(
        environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", ""), headers, _spelled
    )


def _spelled(name: str) -> str:
    """CGI writes `-` and `_` alike."""
    return name.replace("_", "-").lower()


class Steps:
    """What a request yields step by step, each in its tenant's name."""

    def __init__(self, body: Iterable[Any], decided: Decided) -> None:
        self._body, self._decided = body, decided
        self._steps: Iterator[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with self._decided.attached():
            if self._steps is None:
                self._steps = iter(self._body)
            return next(self._steps)

    def close(self) -> None:
        """Called by the server at the end of each request."""
        try:
            with self._decided.attached():
                close = getattr(self._body, "close", None)
                if close is not None:
                    close()
        finally:
            self._decided.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)
