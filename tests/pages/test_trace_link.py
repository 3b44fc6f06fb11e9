"""Links to traces: a template that is safe, with values that stay values."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pages.trace_link import trace_link
from tests.ledger.build import START_US, observe


def test_an_address_has_the_ids_of_the_span() -> None:
    link = trace_link(
        "https://tempo.example.com:3000/a/{trace_id}?span={span_id}&from={start_ms}&to={end_ms}#x"
    )
    found = urlsplit(link.of(observe(7, trace=9)))
    assert (found.scheme, found.netloc) == ("https", "tempo.example.com:3000")
    assert found.path == f"/a/{9:032x}"
    assert parse_qs(found.query) == {
        "span": [f"{7:016x}"],
        "from": [str(START_US // 1_000)],
        "to": [str(START_US // 1_000 + 1_000)],
    }
    assert found.fragment == "x"


def test_a_value_is_never_more_than_a_value() -> None:
    hostile = observe(1)._replace(trace_id='../?x=1&y=2#z"><script>\r\n%2e é', span_id="{trace_id}")
    found = trace_link("http://localhost/trace/{trace_id}/{span_id}").of(hostile)
    assert found.isascii() and not set(found) & set('"<>\r\n ?&#{}')
    assert found.count("/") == 5


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("javascript:alert('{trace_id}')", "characters"),
        ("javascript:alert({trace_id})", "https://"),
        ("data:text/html,{trace_id}", "https://"),
        ("file:///{trace_id}", "https://"),
        ("//example.com/{trace_id}", "https://"),
        ("/trace/{trace_id}", "https://"),
        ("https:///{trace_id}", "https://"),
        ("https://{trace_id}.example.com/", "host"),
        ("https://user:secret@example.com/{trace_id}", "host"),
        ("https://example.com\\@evil.example/{trace_id}", "characters"),
        ("https://example.com/{trace_id}\n", "characters"),
        ("https://example.com/ {trace_id}", "characters"),
        ("https://exämple.com/{trace_id}", "characters"),
        ("https://[::1/{trace_id}", "read"),
        ("https://example.com/", "trace_id"),
        ("https://example.com/{span_id}", "trace_id"),
        ("https://example.com/{trace_id}/{tenant}", "'tenant'"),
        ("https://example.com/{trace_id.__class__}", "__class__"),
        ("https://example.com/{trace_id!r}", "braces"),
        ("https://example.com/{trace_id:>99}", "braces"),
        ("https://example.com/{}", "braces"),
        ("https://example.com/{trace_id", "braces"),
        ("https://example.com/{trace_id}" + "x" * 2_000, "longer"),
        ("", "https://"),
    ],
)
def test_what_is_no_safe_address_is_refused(template: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match="no address of traces") as error:
        trace_link(template)
    assert what in error.value.what
    assert (error.value.where, error.value.remedy is not None) == ("--trace-url", True)
