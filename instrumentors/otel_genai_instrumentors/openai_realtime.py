"""What comes over the websockets of the `openai` client: the realtime API's responses and transcriptions, and the
Responses API's.

A connection is read where the client takes a message from it, parsed or not. Only messages whose type counts are
looked into. The client does not promise where a connection keeps its websocket, from which the host is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_cost.hosts import place_of
from otel_genai_instrumentors.answers import as_json, described
from otel_genai_instrumentors.bodies import whole
from otel_genai_instrumentors.call import Call, begin
from otel_genai_instrumentors.method import LAST, Attributes, Method, Prepared
from otel_genai_instrumentors.open_calls import drain
from otel_genai_instrumentors.openai_answers import part_of_response
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.spans import CallTracer

__all__ = ["websocket_patches"]

_RESOURCES: Final = "openai.resources"
_PLACES: Final = (
    (f"{_RESOURCES}.realtime.realtime", "RealtimeConnection"),
    (f"{_RESOURCES}.beta.realtime.realtime", "RealtimeConnection"),
    (f"{_RESOURCES}.responses.responses", "ResponsesConnection"),
    (f"{_RESOURCES}.beta.responses.responses", "ResponsesConnection"),
)
_CREATED: Final = "response.created"
_DONE: Final = "response.done"
_HEARD: Final = "conversation.item.input_audio_transcription.completed"
_COUNT: Final = re.compile(
    rb'"type"\s*:\s*"(?:session\.(?:created|updated)|conversation\.item\.input_audio_transcription\.completed'
    rb'|response\.(?:created|done|completed|incomplete|failed|cancelled))"'
)
_OPEN_MAX: Final = 256
"""Responses of one connection that are under way at once."""


def websocket_patches(tracer: CallTracer) -> Iterable[Patch]:
    """Where messages come in.

    Args:
        tracer: starts the spans of responses.
    """
    sessions: WeakKeyDictionary[Any, _Session] = WeakKeyDictionary()

    @guarded("instrumentor.websocket", None)
    def learn(connection: Any, message: Any) -> None:
        content = message.encode() if isinstance(message, str) else message
        if _COUNT.search(content) is None:
            return
        drain()
        event = whole(content)
        session = sessions.get(connection)
        if session is None:
            session = sessions[connection] = _Session(tracer, *_server(connection))
        session.learn(event)

    def received(wrapped: Callable[..., Any], connection: Any, args: Any, kwargs: Any) -> Any:
        message = wrapped(*args, **kwargs)
        learn(connection, message)
        return message

    async def received_async(
        wrapped: Callable[..., Any], connection: Any, args: Any, kwargs: Any
    ) -> Any:
        message = await wrapped(*args, **kwargs)
        learn(connection, message)
        return message

    for module, name in _PLACES:
        yield Patch(module, f"{name}.recv_bytes", received, optional=True)
        yield Patch(module, f"Async{name}.recv_bytes", received_async, optional=True)


@guarded("instrumentor.server", (None, None))
def _server(connection: Any) -> tuple[str | None, int | None]:
    """Host and port, as the websocket's own request names them."""
    host, _, port = connection._connection.request.headers["Host"].rpartition(":")
    return (host, int(port)) if host else (port, None)


class _Session:
    """One connection: its model, the model that writes down what is said, and the responses that are under way."""

    def __init__(self, tracer: CallTracer, host: str | None, port: int | None) -> None:
        self._tracer, self._host, self._port = tracer, host, port
        self._model: str | None = None
        self._transcriber: str | None = None
        self._calls: dict[str, Call] = {}

    def learn(self, event: Any) -> None:
        """Take in a message."""
        kind = event.type
        if kind.startswith("session."):
            self._note_models(event.session)
        elif kind == _HEARD:
            self._call(_TRANSCRIPTION, self._transcriber, event)
        elif kind == _CREATED:
            self._begin(event)
        else:
            self._end(event, _REALTIME if kind == _DONE else _RESPONSE)

    def _note_models(self, session: Any) -> None:
        """A session of transcription alone has no other model."""
        self._model = getattr(session, "model", None) or self._model
        heard = getattr(getattr(session, "audio", None), "input", session)
        transcription: Any = getattr(heard, "transcription", None) or getattr(
            session, "input_audio_transcription", None
        )
        self._transcriber = getattr(transcription, "model", None)

    def _begin(self, event: Any) -> None:
        response = event.response
        method = _REALTIME if response.object == "realtime.response" else _RESPONSE
        model = getattr(response, "model", None) or self._model
        call = self._started(method, model)
        if call is not None and len(self._calls) < _OPEN_MAX:
            call.begin_parts()
            call.learn(event)
            self._calls[response.id] = call

    def _end(self, event: Any, method: Method) -> None:
        call = self._calls.pop(event.response.id, None)
        if call is None:
            self._call(method, getattr(event.response, "model", None) or self._model, event)
        else:
            call.learn(event)

    def _call(self, method: Method, model: str | None, event: Any) -> None:
        """A call of which only the end was seen."""
        call = self._started(method, model)
        if call is not None:
            call.begin_parts()
            call.learn(event)

    def _started(self, method: Method, model: str | None) -> Call | None:
        prepared = Prepared({"model": model})
        return begin(method, self._tracer, self, prepared, self._host, self._port)

    def __del__(self) -> None:
        """Nobody goes on with what is under way."""
        for call in [*self._calls.values()]:
            call.abandon()


def _request(_: Any, kwargs: Mapping[str, Any], host: str | None) -> Attributes:
    return {
        names.GEN_AI_PROVIDER_NAME: place_of(host or "").provider or "openai",
        names.GEN_AI_REQUEST_MODEL: kwargs["model"],
        names.GEN_AI_REQUEST_STREAM: True,
    }


def _part_of_realtime(found: Attributes, event: Any) -> int:
    """The usage of a response stands at its end."""
    response = event.response
    found[names.GEN_AI_RESPONSE_ID] = response.id
    if event.type != _DONE:
        return 0
    found[names.GEN_AI_RESPONSE_FINISH_REASONS] = [response.status]
    found.update(_counted(getattr(response, "usage", None)))
    return LAST


def _part_of_transcription(found: Attributes, event: Any) -> int:
    found[names.GEN_AI_RESPONSE_FINISH_REASONS] = ["completed"]
    found.update(_counted(getattr(event, "usage", None)))
    return LAST


def _counted(usage: Any) -> Attributes:
    return {} if usage is None else described({"usage": as_json(usage)}, "openai")


def _none(_: Any) -> Attributes:
    return {}


def _nowhere(*_: Any) -> tuple[None, None]:
    return (None, None)


def _nothing(_: Any) -> None:
    return None


_REALTIME: Final = Method("realtime", _request, _none, _part_of_realtime, _nowhere, body=_nothing)
_TRANSCRIPTION: Final = _REALTIME._replace(operation="transcription", part=_part_of_transcription)
_RESPONSE: Final = _REALTIME._replace(operation="chat", part=part_of_response)
