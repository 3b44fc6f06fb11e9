"""What a tap has seen, as findings: one for each thing, with what to do about it and its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from otel_genai_cost.cli.doctor.check import Found, State
from otel_genai_cost.collector.tap import Reporter, Tally
from otel_genai_cost.reports.words import REASONS

__all__ = ["Finding", "findings"]

_SMALL_REQUEST: Final = 64
"""Spans; with fewer, most of the work is that of requests."""

_MANY_REQUESTS: Final = 10
_SHOWN: Final = 3
_RECIPES: Final = "docs/collector.md, `Name the tenant in other languages`"


class Finding(NamedTuple):
    """One thing, and the numbers that it rests on."""

    found: Found
    figures: Mapping[str, Any]


def findings(tally: Tally, seconds: float) -> Iterator[Finding]:
    """All that can be said.

    Args:
        tally: What has passed.
        seconds: In how long.
    """
    yield _spans(tally, seconds)
    if not tally.spans:
        return
    yield _calls(tally)
    for reporter, spans in tally.reporters.most_common():
        yield _reporter(reporter, spans)
    if tally.calls:
        yield _tenants(tally)
        yield _prices(tally)
    for check in (_claims, _sampling, _malformed):
        yield from check(tally)


def _finding(
    name: str, state: State, seen: str, remedy: str, figures: Mapping[str, Any]
) -> Finding:
    return Finding(Found(name, state, seen, remedy), figures)


def _spans(tally: Tally, seconds: float) -> Finding:
    figures = {
        "spans": tally.spans,
        "requests": tally.requests,
        "bytes": tally.bytes,
        "seconds": round(seconds, 1),
        "spans_per_s": round(tally.spans / seconds, 1),
    }
    if not tally.spans:
        remedy = "add this address to the exporters of a pipeline of traces, and try again"
        seen = f"nothing came in {seconds:.0f} s"
        return _finding("spans", "failure", seen, remedy, figures)
    each = tally.spans / tally.requests
    seen = (
        f"{tally.spans:,} in {seconds:.0f} s, {tally.spans / seconds:,.1f} a second;"
        f" {tally.requests:,} requests of {each:,.0f} spans"
    )
    if each < _SMALL_REQUEST and tally.requests >= _MANY_REQUESTS:
        remedy = "put a batch processor in front: 512 to 8,192 spans a request"
        return _finding("spans", "warning", seen, remedy, figures)
    return _finding("spans", "ok", seen, "", figures)


def _calls(tally: Tally) -> Finding:
    reports = tally.calls + tally.repeats
    share = 100 * reports / tally.spans
    figures = {"calls": tally.calls, "repeats": tally.repeats, "share_percent": round(share, 1)}
    if not reports:
        return _finding(
            "calls",
            "failure",
            "no span is of an LLM call",
            "instrument the services that make the calls: docs/reference/dialects.md",
            figures,
        )
    seen = f"{reports:,} spans are of LLM calls, {share:.1f} % of all: {tally.calls:,} calls"
    if tally.repeats:
        seen += f", and {tally.repeats:,} further spans of those, which are charged once"
    return _finding("calls", "ok", seen, "", figures)


def _reporter(reporter: Reporter, spans: int) -> Finding:
    name = f"dialect {reporter.dialect}"
    seen = f"{spans:,} spans of {reporter.scope or 'a scope without a name'} {reporter.version}"
    figures = {**reporter._asdict(), "spans": spans}
    if reporter.is_known:
        return _finding(name, "ok", seen.rstrip(), "", figures)
    return _finding(
        name,
        "warning",
        f"{seen.rstrip()}, which is read by the conventions: nobody has compared its counts with a bill",
        "compare some calls with the provider's bill, or record them: `genai-cost corpus record`",
        figures,
    )


def _tenants(tally: Tally) -> Finding:
    nameless = sum(tally.nameless.values())
    figures = {"sources": dict(tally.sources), "nameless": nameless}
    by = ", ".join(f"{calls:,} by {source}" for source, calls in tally.sources.most_common())
    if not nameless:
        return _finding("tenants", "ok", f"all calls name theirs: {by}", "", figures)
    seen = f"{nameless:,} of {tally.calls:,} calls name none ({_top(tally.nameless, str)})"
    seen += f"; {by}" if by else ""
    return _finding("tenants", "warning", seen, " or ".join(_tenant_remedies(tally)), figures)


def _tenant_remedies(tally: Tally) -> Iterator[str]:
    beside = sum(
        calls for trace, calls in tally.nameless_traces.items() if trace in tally.named_traces
    )
    if beside:
        yield f"serve with --tenant-from trace: for {beside:,}, another span of the trace names one"
    if tally.metadata:
        name = tally.metadata.most_common(1)[0][0]
        yield f"serve with --tenant-from metadata:{name}, if who sets it is to be believed"
    yield f"have the services copy the tenant from baggage to spans ({_RECIPES})"


def _prices(tally: Tally) -> Finding:
    unpriced = sum(tally.unpriced.values())
    if not unpriced:
        return _finding("prices", "ok", "all calls have one", "", {"unpriced": 0})
    reasons: Counter[str] = Counter()
    for (reason, _, _), calls in tally.unpriced.items():
        reasons[reason] += calls
    seen = f"{unpriced:,} of {tally.calls:,} calls have none ({_top(tally.unpriced, _model)})"
    remedy = "; ".join(f"{one}: {REASONS[one]}" for one, _ in reasons.most_common(_SHOWN))
    return _finding(
        "prices", "warning", seen, remedy, {"unpriced": unpriced, "reasons": dict(reasons)}
    )


def _model(key: tuple[str, str, str]) -> str:
    return f"{key[1]} {key[2]}, {key[0]}"


def _claims(tally: Tally) -> Iterator[Finding]:
    if tally.claims:
        yield _finding(
            "claims",
            "warning",
            f"{tally.claims:,} spans say themselves what they cost",
            "that is taken off; --trust keeps it where a span names the book it was priced by",
            {"spans": tally.claims},
        )


def _sampling(tally: Tally) -> Iterator[Finding]:
    if tally.sampled:
        yield _finding(
            "sampling",
            "warning",
            f"only a sample comes from {_top(tally.sampled, str)}: calls outside it are in no figure",
            "sample behind the hop, not in the services",
            {"services": dict(tally.sampled)},
        )


def _malformed(tally: Tally) -> Iterator[Finding]:
    if tally.malformed:
        yield _finding(
            "malformed",
            "warning",
            f"{tally.malformed:,} spans have no id",
            "update what sends them",
            {"spans": tally.malformed},
        )


def _top(counter: Counter[Any], text: Callable[[Any], str]) -> str:
    """The most frequent ones, and how many others there are."""
    shown = [f"{text(key)}: {count:,}" for key, count in counter.most_common(_SHOWN)]
    others = len(counter) - len(shown)
    return "; ".join(shown + ([f"{others:,} others"] if others else []))
