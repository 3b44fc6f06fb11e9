"""A Flask application with one mounted in it, and a plain WSGI one."""

# mypy: disable-error-code="import-not-found, untyped-decorator"
# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

from flask import Flask, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from tests.edges.calls import call, consume

__all__ = ["app", "plain"]

app = Flask(__name__)
sub = Flask("sub")


def _name() -> str:
    return str(request.args["id"])


@sub.get("/now")
@app.get("/now")
def now() -> str:
    """A call within the request."""
    return call(_name())


@app.get("/stream")
def stream() -> Iterator[str]:
    """A call while the body is sent."""
    name = _name()

    def body() -> Iterator[str]:
        yield "1"
        yield call(name)

    return body()


@app.get("/later")
def later() -> Any:
    """A call when the response is closed."""
    name = _name()
    response = app.make_response("1")
    response.call_on_close(lambda: call(name))
    return response


@app.get("/consume")
def consumed() -> str:
    """A call by a consumer that serves all requests."""
    consume(_name())
    return "1"


app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/sub": sub})


def plain(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    """`/now`, and `/stream` while the body is made; both run once the server iterates."""
    name = parse_qs(environ["QUERY_STRING"])["id"][0]
    start_response("200 OK", [])
    yield b"1"
    yield call(name).encode()
