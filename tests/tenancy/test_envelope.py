"""Through queues and out to hosts: a job is its envelope's, and nothing leaves for a host that may not know."""

from __future__ import annotations

import pytest
from opentelemetry import baggage, context

from otel_genai_cost import tenant
from otel_genai_cost.tenancy import egress
from otel_genai_cost.tenancy.binding import attribution_of, capture
from otel_genai_cost.tenancy.egress import may_know, outgoing
from otel_genai_cost.tenancy.envelope import inject, job


def test_job_has_the_tenant_of_its_message() -> None:
    with tenant("acme", feature="digest"):
        message = inject({})
    with job(message):
        found = attribution_of(capture(None))
    assert (found.tenant, found.source, found.labels["feature"]) == ("acme", "envelope", "digest")


def test_message_without_an_envelope_is_nobodys_whoever_runs_it() -> None:
    with tenant("acme"), job({}):
        assert attribution_of(capture(None)).absent == "missing"
    assert baggage.get_baggage("tenant.id") is None


def test_retry_keeps_the_tenant_it_began_with() -> None:
    with tenant("acme"):
        message = inject({})
    with tenant("globex"):
        inject(message)
    with job(message):
        assert attribution_of(capture(None)).tenant == "acme"


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("gw.example.com", True),
        ("GW.example.com", True),
        ("a.internal", True),
        ("internal", False),
        ("evil-gw.example.com", False),
        ("api.openai.com", False),
        (None, False),
    ],
)
def test_only_listed_hosts_may_know(host: str | None, known: bool) -> None:
    egress.configure(("gw.example.com", ".internal", " "))
    try:
        assert may_know(host) is known
    finally:
        egress.configure(())


def test_baggage_is_gone_from_what_leaves_and_stays_here() -> None:
    token = context.attach(baggage.set_baggage("user.email", "x"))
    try:
        with tenant("acme"):
            assert dict(baggage.get_all(outgoing("api.openai.com"))) == {}
            assert baggage.get_baggage("tenant.id") == "acme"
            assert baggage.get_baggage("user.email") == "x"
    finally:
        context.detach(token)
