"""Older releases of Python instrumentations: one environment a release, made by `uv run`; see ../record.py.

Usage: record.py list | INSTRUMENTATION CASE
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Final, NamedTuple

_PYTHON: Final = "3.11"
_ALWAYS: Final = ("opentelemetry-exporter-otlp-proto-http", "setuptools<81", "wrapt<2")


class Release(NamedTuple):
    """An instrumentation's release: what is installed, and the provider and cases that are called."""

    provider: str
    packages: tuple[str, ...]
    cases: tuple[str, ...]


_OPENAI: Final = ("chat", "cached", "reasoning", "stream", "responses")
_CLAUDE: Final = ("chat", "cached", "stream")
_BEDROCK: Final = ("converse", "invoke")
_GEMINI: Final = ("chat", "cached")
_OLD_OPENAI: Final = ("openai==1.99.9", "httpx<0.28")
_NEW_OPENAI: Final = ("openai==2.16.0",)
_OLD_ANTHROPIC: Final = ("anthropic==0.64.0",)
_BOTO: Final = ("boto3==1.40.0",)
_EVENTS: Final = ("opentelemetry-sdk==1.36.0",)
"""Releases of 2025 import what later SDKs have not."""


def _series(
    name: str,
    package: str,
    client: tuple[str, ...],
    provider: str,
    cases: tuple[str, ...],
    *versions: str,
) -> dict[str, Release]:
    return {
        f"py-{name}-{version}": Release(provider, (f"{package}=={version}", *client), cases)
        for version in versions
    }


_TRACELOOP_EVENTS: Final = ("0.44.3", "0.47.5")
_TRACELOOP: Final = (
    "0.33.12",
    "0.38.12",
    "0.40.14",
    "0.49.8",
    "0.52.6",
    "0.53.4",
    "0.54.0",
    "0.55.0",
    "0.57.0",
    "0.59.2",
    "0.61.0",
)

RELEASES: Final[dict[str, Release]] = {
    **_series(
        "traceloop-openai",
        "opentelemetry-instrumentation-openai",
        _OLD_OPENAI,
        "openai",
        _OPENAI,
        *_TRACELOOP,
    ),
    **_series(
        "traceloop-openai",
        "opentelemetry-instrumentation-openai",
        (*_EVENTS, *_OLD_OPENAI),
        "openai",
        _OPENAI,
        *_TRACELOOP_EVENTS,
    ),
    **_series(
        "traceloop-anthropic",
        "opentelemetry-instrumentation-anthropic",
        _OLD_ANTHROPIC,
        "anthropic",
        _CLAUDE,
        *_TRACELOOP,
    ),
    **_series(
        "traceloop-anthropic",
        "opentelemetry-instrumentation-anthropic",
        (*_EVENTS, *_OLD_ANTHROPIC),
        "anthropic",
        _CLAUDE,
        *_TRACELOOP_EVENTS,
    ),
    **_series(
        "traceloop-bedrock",
        "opentelemetry-instrumentation-bedrock",
        _BOTO,
        "bedrock",
        _BEDROCK,
        *_TRACELOOP,
    ),
    **_series(
        "traceloop-bedrock",
        "opentelemetry-instrumentation-bedrock",
        (*_EVENTS, *_BOTO),
        "bedrock",
        _BEDROCK,
        *_TRACELOOP_EVENTS,
    ),
    **_series(
        "traceloop-langchain",
        "opentelemetry-instrumentation-langchain",
        ("langchain-openai<1", "langchain<1", *_OLD_OPENAI),
        "openai",
        ("langchain", "langchain-cached"),
        *(each for each in _TRACELOOP if each not in ("0.33.12", "0.38.12", "0.57.0", "0.59.2")),
    ),
    **_series(
        "traceloop-langchain",
        "opentelemetry-instrumentation-langchain",
        (*_EVENTS, "langchain-openai<1", "langchain<1", *_OLD_OPENAI),
        "openai",
        ("langchain", "langchain-cached"),
        *_TRACELOOP_EVENTS,
    ),
    **_series(
        "openinference-openai",
        "openinference-instrumentation-openai",
        _OLD_OPENAI,
        "openai",
        _OPENAI,
        "0.1.18",
        "0.1.24",
        "0.1.30",
        "0.1.41",
        "0.1.50",
    ),
    **_series(
        "openinference-anthropic",
        "openinference-instrumentation-anthropic",
        _OLD_ANTHROPIC,
        "anthropic",
        _CLAUDE,
        "0.1.16",
        "0.1.20",
    ),
    **_series(
        "openinference-anthropic",
        "openinference-instrumentation-anthropic",
        ("anthropic==1.17.0",),
        "anthropic",
        _CLAUDE,
        "2.1.7",
    ),
    **_series(
        "openinference-bedrock",
        "openinference-instrumentation-bedrock",
        _BOTO,
        "bedrock",
        _BEDROCK,
        "0.1.14",
        "0.1.26",
    ),
    **_series(
        "openinference-langchain",
        "openinference-instrumentation-langchain",
        ("langchain-openai<1", "langchain<1", *_OLD_OPENAI),
        "openai",
        ("langchain", "langchain-cached"),
        "0.1.29",
        "0.1.43",
        "0.1.55",
    ),
    **_series(
        "litellm",
        "litellm",
        ("opentelemetry-exporter-otlp-proto-grpc",),
        "openai",
        ("litellm", "litellm-cached", "litellm-responses", "litellm-poll"),
        "1.85.0",
        "1.95.1",
        "1.110.2",
    ),
    **_series(
        "google-adk",
        "google-adk",
        ("deprecated",),
        "google",
        ("adk", "adk-cached"),
        "1.0.0",
        "1.10.0",
        "1.18.0",
        "1.26.0",
        "1.33.0",
        "1.39.1",
        "2.0.0",
        "2.5.0",
        "2.9.2",
        "2.13.0",
    ),
    **_series(
        "otel-google-genai",
        "opentelemetry-instrumentation-google-genai",
        ("google-genai<2",),
        "google",
        _GEMINI,
        "0.4b0",
        "0.7b0",
    ),
    **_series(
        "otel-botocore",
        "opentelemetry-instrumentation-botocore",
        _BOTO,
        "bedrock",
        _BEDROCK,
        "0.50b0",
        "0.56b0",
        "0.60b0",
        "0.62b1",
        "0.64b0",
    ),
    **_series(
        "pydantic-ai",
        "pydantic-ai-slim[openai]",
        (*_EVENTS, "openai<2"),
        "openai",
        ("pydantic-ai", "pydantic-ai-cached"),
        "0.2.20",
        "0.8.1",
        "1.0.18",
    ),
    **_series(
        "strands",
        "strands-agents[openai]",
        (),
        "openai",
        ("strands", "strands-cached"),
        "1.0.1",
        "1.20.0",
        "1.40.0",
    ),
    **_series(
        "langfuse",
        "langfuse",
        _OLD_OPENAI,
        "openai",
        ("chat", "cached", "stream"),
        "3.15.0",
        "4.0.6",
        "4.18.0",
    ),
    **_series(
        "logfire-openai",
        "logfire",
        _OLD_OPENAI,
        "openai",
        ("chat", "cached", "stream"),
        "3.25.0",
        "4.20.0",
        "4.41.0",
    ),
}


def _table() -> dict[str, object]:
    return {
        name: {
            "cases": release.cases,
            "file": name.rpartition("-")[0],
            "provider": release.provider,
            "packages": dict(
                (each.partition("==")[::2]) for each in release.packages if "==" in each
            ),
            "runtime": f"Python {_PYTHON}",
            "notes": None,
        }
        for name, release in RELEASES.items()
    }


def main() -> None:
    """Print the table, or make a case's calls in the release's environment."""
    if sys.argv[1] == "list":
        print(json.dumps({"instrumentations": _table()}))
        return
    name, case = sys.argv[1:]
    wanted = [word for each in (*RELEASES[name].packages, *_ALWAYS) for word in ("--with", each)]
    command = ["uv", "run", "-q", "--no-project", "--isolated", "--python", _PYTHON, *wanted]
    clean = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("VIRTUAL_ENV", "PYTHON"))
    }
    done = subprocess.run([*command, "python", "calls.py", name, case], check=False, env=clean)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
