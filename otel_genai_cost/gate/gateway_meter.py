"""The meter at a gateway: a call that passed becomes an observation, by the same path as everywhere, in this process's
journal. Its id is that of the call's hold, so that the booking of its charge closes the hold."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from otel_genai_cost import attributes as names
from otel_genai_cost.gate.gateway_call import GatewayCall
from otel_genai_cost.journal.observation import Observation, observation_id
from otel_genai_cost.journal.record import line_of
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.call_profile import CallProfiles
from otel_genai_cost.metering.meter import meter
from otel_genai_cost.otlp.span import WireSpan
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.usage.described import described
from otel_genai_cost.usage.estimates import Arrived, estimate
from otel_genai_cost.usage.read import Origin

__all__ = ["SCOPE", "GatewayMeter", "Passed", "Place"]

SCOPE: Final = "otel_genai_cost.gateway"
"""The scope of its observations: one reporter beside those of applications."""

_BYTES_PER_TOKEN: Final = 4


class Place(NamedTuple):
    """Where a call stands in its trace: a span of the gateway's own below the one that its request names."""

    trace_id: int
    span_id: int
    parent_id: int
    start_us: int

    @property
    def id(self) -> str:
        """That of the observation, and of the hold."""
        return observation_id(self.trace_id, self.span_id, self.start_us)


class Passed(NamedTuple):
    """A call that has passed.

    Attributes:
        place: in its trace.
        call: what was asked.
        tenant: whose it is; None if nobody said.
        labels: such as `feature`.
        answer: what the provider said, as a whole answer.
        arrived: the text that came.
        is_ended: whether the answer came to its end.
        end_us: when.
        host: that answered.
    """

    place: Place
    call: GatewayCall
    tenant: str | None
    labels: Mapping[str, str]
    answer: Mapping[str, Any]
    arrived: Arrived
    is_ended: bool
    end_us: int
    host: str


class GatewayMeter:
    """Meters what passes. Safe for threads.

    Args:
        book: the prices.
        journal: where observations are written.
    """

    def __init__(self, book: Book, journal: Journal) -> None:
        self._journal = journal
        self._origin = Origin(service="gateway", host=socket.gethostname(), process=SCOPE)
        self.use(book)

    def use(self, book: Book) -> None:
        """Price with another book from now on."""
        self._profiles = CallProfiles(book)

    def observed(self, passed: Passed) -> Observation | None:
        """Meter and journal a call.

        Args:
            passed: the call.

        Returns:
            The observation; None if the answer says nothing that could be metered.
        """
        for one in self._metered(passed, _attributes(passed)):
            self._journal.append(line_of(one, self._journal.facts))
            return one
        return None

    def cost(self, passed: Passed, output_tokens: int) -> int | None:
        """What a call costs, atto, if it has so much output; None if that is not known.

        Args:
            passed: the call so far.
            output_tokens: likely written.
        """
        likely_input = (passed.call.asked.text_bytes or 0) // _BYTES_PER_TOKEN
        attributes = {
            names.GEN_AI_USAGE_INPUT_TOKENS: likely_input,
            **_attributes(passed._replace(is_ended=True)),
            names.GEN_AI_USAGE_OUTPUT_TOKENS: output_tokens,
        }
        for one in self._metered(passed, attributes):
            return one.cost.total
        return None

    def _metered(self, passed: Passed, attributes: dict[str, Any]) -> tuple[Observation, ...]:
        attribution = _attribution(passed)
        span = self._span(passed, attributes)
        return meter(span, self._profiles, lambda _: attribution, personal=True)

    def _span(self, passed: Passed, attributes: dict[str, Any]) -> WireSpan:
        place = passed.place
        return WireSpan(
            name=f"{passed.call.operation} {passed.call.model}",
            scope_name=SCOPE,
            scope_version="",
            attributes=attributes,
            trace_id=place.trace_id,
            span_id=place.span_id,
            path=(place.parent_id,) if place.parent_id else (),
            start_ns=place.start_us * 1000,
            end_ns=passed.end_us * 1000,
            is_error=False,
            sampled=True,
            origin=self._origin,
            parent_id=place.parent_id,
            resource={},
        )


def _attributes(passed: Passed) -> dict[str, Any]:
    call = passed.call
    found: dict[str, Any] = {
        names.GEN_AI_OPERATION_NAME: call.operation,
        names.GEN_AI_PROVIDER_NAME: call.provider,
        names.GEN_AI_REQUEST_MODEL: call.model,
        names.SERVER_ADDRESS: passed.host,
        **described(passed.answer, call.provider),
    }
    if not passed.is_ended:
        found[names.UNFINISHED] = True
    model = found.get(names.GEN_AI_RESPONSE_MODEL, call.model)
    found.update(estimate(found, model, call.asked, passed.arrived))
    return {name: value for name, value in found.items() if value is not None}


def _attribution(passed: Passed) -> Attribution:
    if passed.tenant is None:
        return Attribution(labels=passed.labels)
    return Attribution(passed.tenant, "edge", None, labels=passed.labels)
