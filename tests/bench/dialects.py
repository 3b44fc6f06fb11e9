"""What it costs to read a span in its dialect, over looking at its attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.conventions import SPELLING
from otel_genai_cost.usage.scopes import dialect_of
from tests.bench.measure import Result, alternate, of_budget
from tests.usage.recorded import RecordedSpan, recordings

_BUDGET_US: Final = 2
_NAMES: Final = (
    *SPELLING.inputs,
    *SPELLING.outputs,
    *SPELLING.parts,
    *(row.name for row in names.TABLE if row.direction != "written" and "usage" not in row.name),
)
"""What the conventions' dialect asks a span for."""

_CASES: Final[Mapping[str, str]] = {
    "dialect and usage, the conventions": "otel-genai-openai/openai-tier-flex",
    "dialect and usage, OpenLLMetry": "traceloop-openai/openai-cached",
    "dialect and usage, strands": "strands-native/strands-bedrock-cached",
}
_JSON_BUDGET_US: Final = 50
_JSON_CASES: Final[Mapping[str, str]] = {
    "dialect with a provider's JSON, OpenInference": "openinference-openai/openai-cached",
    "dialect with a provider's JSON, Logfire": "logfire-openai/openai-cached",
}


def dialects() -> Iterator[Result]:
    """Per span, warm."""
    for name, case_id in _CASES.items():
        yield _over_reading(name, _call(case_id), _BUDGET_US)
    for name, case_id in _JSON_CASES.items():
        yield _over_reading(name, _call(case_id), _JSON_BUDGET_US)


def _over_reading(name: str, span: RecordedSpan, budget_us: float) -> Result:
    read = dialect_of(span.scope_name, span.scope_version).read

    def look() -> None:
        get = span.attributes.get
        for each in _NAMES:
            get(each)

    pair = alternate(lambda: read(span), look, calls=2_000)
    extra_us = pair.ours_us - pair.theirs_us
    return of_budget(name, extra_us, budget_us, "us", "<= 1.00", pair.noise)


def _call(case_id: str) -> RecordedSpan:
    """The recorded call of a case."""
    spans = [span for case in recordings() if case.case_id == case_id for span in case.spans]
    for span in spans:
        reading = dialect_of(span.scope_name, span.scope_version).read(span)
        if reading is not None and reading.role == "response":
            return span
    raise LookupError(f"no call is recorded as {case_id}")
