"""One life for every instrumented call: sync, async, stream, async stream. Only this file starts and ends spans.

What is learned of a call comes from its client's file (`Method`). The caller's result, errors and stream are the
client's own objects.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.trace import Span, StatusCode

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_cost.otel_api import context_below, current_context
from otel_genai_cost.shared_calls import CALL_KEY
from otel_genai_cost.tenancy import egress
from otel_genai_cost.usage.asked import Asked, asked
from otel_genai_cost.usage.estimates import Arrived, estimate
from otel_genai_instrumentors.attempts import Attempts, is_answered, is_refusal, status_of
from otel_genai_instrumentors.bodies import Kept, events, whole
from otel_genai_instrumentors.fallbacks import FIRST_ASKED, is_another, sent_instead
from otel_genai_instrumentors.found import refusal_in, request_of, response_of
from otel_genai_instrumentors.generators import GENERATORS, Begun, generated
from otel_genai_instrumentors.later import Later
from otel_genai_instrumentors.method import FAILED, LAST, ONLY_USAGE, Attributes, Method, Prepared
from otel_genai_instrumentors.open_calls import Place, opened
from otel_genai_instrumentors.readers import watch_answer
from otel_genai_instrumentors.spans import CallTracer, set_attributes, shown
from otel_genai_instrumentors.unseen import is_elsewhere

__all__ = ["Call", "begin", "current_call"]


def current_call() -> Call | None:
    """The call that this code runs for, if any."""
    found = current_context().get(CALL_KEY)
    return found if isinstance(found, Call) else None


class Call:
    """A span and what was learned about its call. It ends once, whoever comes first.

    Args:
        method: the row of the method that was called.
        tracer: starts the span.
        instance: what the method was called on.
        prepared: its arguments, as they are passed on.
        host: where the client sends the request; None if unknown.
        port: likewise.
    """

    _is_read = _has_last = _is_answered = _has_part = False
    _answered: Any = None
    _status: int = 0
    _place: Place | None = None
    _asked: Asked | None = None
    _arrived: Arrived | None = None
    _kept: Kept | None = None
    _later: Later | None = None

    def __init__(
        self,
        method: Method,
        tracer: CallTracer,
        instance: Any,
        prepared: Prepared,
        host: str | None,
        port: int | None,
    ) -> None:
        self._method, self._tracer = method, tracer
        self._hides_usage = prepared.hides_usage
        self._learned: Attributes = {}
        self._client = id(method.client(instance))
        self._kwargs: dict[str, Any] | None = prepared.kwargs
        self.attempts = Attempts()
        if method.sends_once:
            self.attempts.made()
        start: Attributes = {names.GEN_AI_OPERATION_NAME: method.operation}
        start.update(request_of(method, instance, prepared.kwargs, host) or {})
        if host:
            start[names.SERVER_ADDRESS] = host
        if port:
            start[names.SERVER_PORT] = port
        model = start.get(names.GEN_AI_REQUEST_MODEL, "")
        self.model, self._start = model, start
        self._outside = outside = current_context()
        asked_first: Any = outside.get(FIRST_ASKED)
        if asked_first is not None and is_another(asked_first, model):
            start[names.MODEL_ASKED] = asked_first
        self._span: Span = tracer.start_span(f"{method.operation} {model}".strip(), start, outside)
        self._open = [self._span]
        self._inside: Context = context_below(
            shown(self._span), outside, {CALL_KEY: self}, is_bare=not egress.may_know(host)
        )

    def __enter__(self) -> None:
        """Be the current span, with nothing of the tenant's in what leaves. Once for each step of a generator."""
        self._token = context.attach(self._inside)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """An error ends the span and goes on."""
        if error is not None:
            inside = self._inside
            self.fail(error)
            if is_elsewhere(inside, error):
                return
        context.detach(self._token)

    def sends_by(self, client: object) -> bool:
        """Whether this call's request is still to be sent, by this client."""
        is_sent = self.attempts.sent or self._is_read or self._has_part
        return id(client) == self._client and not is_sent

    def never_left(self, span_id: int, error: BaseException | None) -> bool:
        """Whether the span is this one's, and nothing of the call left the process if it ends in this error."""
        return (
            self._span.get_span_context().span_id == span_id
            and self._sees_attempts()
            and self.attempts.sent_with(error) <= 0
        )

    def answered(self, response: Any) -> None:
        """The provider has replied to the last attempt; None if that has only been sent."""
        self._answered = response
        self._status = getattr(response, "status_code", 0)

    def replied(self, status: int) -> None:
        """The same, where only the status of the reply is known."""
        self._status = status

    def made_of_reply(self, result: Any) -> None:
        """The client has made this of a reply that is no error. A further one in the same call, such as another model's
        after a refusal, is billed for itself: it is a call like this one."""
        call = self._again() if self._is_read else self
        if call is not None:
            call.settle(result)

    @guarded("instrumentor.again", None)
    def _again(self) -> Call | None:
        """The same call, with a span of its own and nothing learned."""
        other = copy(self)
        other._learned = {}
        other._is_read = other._has_last = other._is_answered = other._has_part = False
        other._answered, self._answered = self._answered, None
        other._place = other._arrived = other._later = None
        other.attempts = Attempts()
        other._start = {**self._start, **sent_instead(self._start, other._answered)}
        other.model = model = other._start.get(names.GEN_AI_REQUEST_MODEL, "")
        name = f"{self._method.operation} {model}".strip()
        token = context.attach(self._outside)
        try:
            other._span = self._tracer.start_span(name, other._start, self._outside)
        finally:
            context.detach(token)
        other._open = [other._span]
        return other

    @guarded("instrumentor.read", None)
    def read(self, result: Any) -> None:
        """Learn from what the client makes of the reply, or watch it until its end. Once: others may wrap it later."""
        if self._is_read:
            return
        self._is_read = True
        if self._method.uses is not None and self._kwargs is not None:
            self._learned.update(self._method.uses(self._kwargs))
            self._has_last = True
        answer = self._method.answer(result)
        response = answer.response if answer.response is not None else self._answered
        self._answered = None
        is_open = getattr(response, "is_closed", True) is False
        self._learned.update(answer.head)
        self._has_last |= answer.is_counted
        is_whole = answer.attribute is None
        if is_whole and answer.is_raw and (refusal := refusal_in(response)):
            self._learned.update(refusal)
            self._span.set_status(StatusCode.ERROR)
        elif is_open or not is_whole:
            self._arrives()
            self._is_answered = True
            watch_answer(answer, result, response, self)
        elif answer.is_raw and response is not None:
            self._learn_body(response.content)
        else:
            self._learned.update(response_of(self._method, result) or {})

    def settle(self, result: Any) -> Any:
        """The caller gets this: the span ends now, or when the answer does.

        Args:
            result: what the client returned.

        Returns:
            The same; in place of a generator one that is watched.
        """
        if type(result) in GENERATORS:
            return generated(Begun(self), result)
        if self._open:  # else it was settled as it was made of the reply
            self.read(result)
            if self._place is None:
                self._finish()
        return result

    @guarded("instrumentor.arrives", None)
    def _arrives(self) -> None:
        """The answer comes in parts from now on."""
        self._place = opened(self)
        self._arrived = Arrived()
        if self._method.may_wait is not None:
            self._later = Later(self._method.may_wait)
        self._measure()

    def begin_parts(self) -> None:
        """What the caller got is a generator of parts."""
        if self._arrived is None:
            self._arrives()

    def _measure(self) -> None:
        """Keep the size of what was asked instead of what was asked."""
        if self._kwargs is not None:
            body = self._method.body(self._kwargs)
            self._asked = None if body is None else asked(body)
            self._kwargs = None

    @guarded("instrumentor.part", False)
    def learn(self, part: Any) -> bool:
        """Fold a part of the answer; whether it is to be hidden. The span ends with the last one that counts, so that
        nothing which happens to the stream or the process later can lose it."""
        self._has_part = True
        later = self._later
        if later is not None and later.room and later.may_wait(part):
            later.room -= 1
            later.keep(part)
            return False
        if later is not None and not later.room:
            self._take_in()
        found = self._fold(part)
        if found & LAST:
            self._has_last = True
            self._take_in(whole=False)
            self._finish()
        elif found & FAILED:
            self._span.set_status(StatusCode.ERROR)
            self.leave()
        if not self._hides_usage:
            return False
        self._method.restore(part)
        return bool(found & ONLY_USAGE)

    def keep(self, kept: Kept) -> None:
        """An answer that its caller reads past the client's parser is kept there, as far as it has come."""
        self._kept = kept

    @guarded("instrumentor.kept", None)
    def _take_in(self, *, whole: bool = True) -> None:
        """Take in what was kept of the answer as it came."""
        kept, self._kept = self._kept, None
        if kept is not None:
            self._learn_body(kept.content())
        for part in () if self._later is None else self._later.take(whole=whole):
            self._fold(part)

    def _fold(self, part: Any) -> int:
        """Take in what a part says, and the text that it brings."""
        method = self._method
        if method.unpack is not None:
            part = method.unpack(part)
        if self._arrived is not None:
            self._arrived.add(method.text(part))
        return method.part(self._learned, part)

    @guarded("instrumentor.body", None)
    def _learn_body(self, content: bytes) -> None:
        """Fold an answer that its caller reads past the client's parser."""
        parts_in = self._method.parts_in
        answer = whole(content) if parts_in is None else None
        if answer is not None:
            self._has_last = True
            self._learned.update(response_of(self._method, answer) or {})
            return
        for part in (parts_in or events)(content):
            self._has_last |= bool(self._method.part(self._learned, part) & LAST)
            if self._arrived is not None:
                self._arrived.add(self._method.text(part))

    def complete(self) -> None:
        """The answer has come to its end; one without a sign of it was cut off."""
        self._take_in(whole=names.GEN_AI_RESPONSE_FINISH_REASONS not in self._learned)
        if not (self._has_last or names.GEN_AI_RESPONSE_FINISH_REASONS in self._learned):
            self._learned[names.UNFINISHED] = True
        self._finish()

    def leave(self, end_ns: int | None = None) -> None:
        """The caller has left the answer before its end, at `end_ns` (Unix nanoseconds) or now."""
        self._note_left()
        self._finish(end_ns)

    def abandon(self) -> None:
        """The same, in a finalizer."""
        if self._place is not None and self._open:
            self._place.left(self)

    def fail(self, error: BaseException) -> None:
        """End the span as failed, unless it has ended; what was learned before is kept."""
        if not self._open:
            return
        if isinstance(error, GeneratorExit):
            self._throw_away()
            return
        self._note_error(error)
        self._finish()

    def _throw_away(self) -> None:
        """A coroutine that is closed, perhaps by the collector of garbage."""
        if self._place is None:
            self._place = opened(self)
        self.abandon()

    @guarded("instrumentor.fail", None)
    def _note_error(self, error: BaseException) -> None:
        kind = type(error)
        self._learned[names.ERROR_TYPE] = f"{kind.__module__.split('.')[0]}.{kind.__qualname__}"
        status = status_of(error) or (self._status if is_refusal(self._status) else None)
        if status is not None:
            self._learned[names.HTTP_RESPONSE_STATUS_CODE] = status
        text = str(error)[:256] if egress.may_keep_content() else None
        self._span.set_status(StatusCode.ERROR, text)
        if self._has_part or (self._is_answered and not is_answered(error)):
            self._take_in()
            self._note_left()
            return
        self._note_attempts_of(error)
        self._note_answer_in(error)
        is_replied = is_answered(error) or (status is not None and is_refusal(status))
        if is_replied or names.REQUEST_SENT in self._learned:
            self._asked = None
        else:
            self._measure()

    def _note_attempts_of(self, error: BaseException) -> None:
        self.attempts.failed(error)
        if self._sees_attempts() and self.attempts.sent <= 0:
            self._learned[names.REQUEST_SENT] = False

    def _sees_attempts(self) -> bool:
        return self._method.sends_once or self._method.shows_attempts()

    def _note_answer_in(self, error: BaseException) -> None:
        """An error about an answer, such as one that does not fit what was asked for: the answer is billed."""
        completion = getattr(error, "completion", None)
        if completion is not None:
            self._learned.update(response_of(self._method, completion) or {})
            return
        is_whole = getattr(self._answered, "is_stream_consumed", self._answered is not None)
        if is_whole and not is_refusal(status_of(error) or 0):
            self._learn_body(self._answered.content)

    def _note_left(self) -> None:
        """Unfinished, unless all that counts had come."""
        self._take_in()
        if not self._has_last and not (
            names.GEN_AI_RESPONSE_FINISH_REASONS in self._learned
            and names.GEN_AI_USAGE_INPUT_TOKENS in self._learned
        ):
            self._learned[names.UNFINISHED] = True

    def _note_attempts(self) -> None:
        if self.attempts.sent > 1:
            self._learned[names.ATTEMPTS] = self.attempts.sent
            status = self._learned.get(names.HTTP_RESPONSE_STATUS_CODE, self._status)
            self._learned[names.ATTEMPT_STATUSES] = [*self.attempts.statuses, status]
        if self.attempts.unanswered:
            self._learned[names.ATTEMPTS_UNANSWERED] = self.attempts.unanswered

    @guarded("instrumentor.finish", None)
    def _finish(self, end_ns: int | None = None) -> None:
        """End the span with what was learned."""
        try:
            span = self._open.pop()
        except IndexError:
            return
        # This one holds itself no more; what runs on after the end, such as a stream's last steps, is in no call.
        if self._place is None:
            self._inside = self._outside
        else:
            self._inside = context.set_value(CALL_KEY, None, self._inside)
            self._place.remove(self)
        self._note_attempts()
        if self._asked is not None:
            model = self._learned.get(names.GEN_AI_RESPONSE_MODEL, self.model)
            self._learned.update(estimate(self._learned, model, self._asked, self._arrived))
        set_attributes(span, self._learned)
        span.end(end_ns)


begin = guarded("instrumentor.begin", None)(Call)
"""A call that begins now."""
