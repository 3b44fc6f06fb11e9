"""The rows of clients that speak their providers' own wire formats: each alone, and beside each tool that traces it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tests.transparency.cell import Cell
from tests.transparency.observed import PROGRAMS, load

__all__ = ["CLIENT_CELLS", "CLIENT_ENVIRONMENTS", "MLFLOW_PACKAGES"]

_VERSIONS: Final[Mapping[str, str]] = {
    "google-genai": "3.6.1",
    "botocore": "1.44.8",
    "mistralai": "3.7.0",
    "cohere": "7.3.1",
    "groq": "1.7.0",
    "ollama": "0.6.3",
    "together": "3.1.1",
}
"""Clients that install side by side, in their newest versions."""

_SIDE_BY_SIDE: Final = (*(f"{name}=={version}" for name, version in _VERSIONS.items()), "boto3")
_AIOBOTO3: Final = "aioboto3 15.5.0"
_AIO: Final = _AIOBOTO3.replace(" ", "==")
_GOOGLE_2: Final = "google-genai==2.34.0"

_OPENLLMETRY: Final[Mapping[str, str]] = {
    **{name: name for name in _VERSIONS},
    "google-genai": "google-generativeai",
    "botocore": "bedrock",
}
"""Client -> what OpenLLMetry calls it."""

_OPENINFERENCE: Final[Mapping[str, tuple[str, str]]] = {
    "google-genai": ("google-genai", "1.4.14"),
    "botocore": ("bedrock", "0.1.61"),
    "mistralai": ("mistralai", "2.2.2"),
    "cohere": ("cohere", "0.1.15"),
    "groq": ("groq", "0.1.33"),
    "ollama": ("ollama", "0.1.13"),
    "together": ("together", "0.1.13"),
}
"""Client -> what OpenInference calls it, and the version."""

_MLFLOW: Final[Mapping[str, str]] = {
    "google-genai": "gemini",
    "botocore": "bedrock",
    "mistralai": "mistral",
    "groq": "groq",
}
"""Client -> what MLflow calls it; it has none of the others."""

_OTEL: Final = "opentelemetry-instrumentation-"
MLFLOW_PACKAGES: Final = ("mlflow-tracing==3.17.2", "opentelemetry-exporter-otlp-proto-http")
_BEDROCK: Final[Mapping[str, tuple[str, str]]] = {
    "OpenTelemetry botocore 0.66b2": (f"{_OTEL}botocore==0.66b2", "none"),
    "OpenTelemetry genai-bedrock 1.3b0": (f"{_OTEL}genai-bedrock==1.3b0", "none"),
    "OpenLLMetry 0.62.4": (f"{_OTEL}bedrock==0.62.4", "none"),
    "OpenInference 0.1.61": ("openinference-instrumentation-bedrock==0.1.61", "none"),
    "OpenLIT 1.45.0": ("openlit==1.45.0", "openlit"),
}
"""Tools for Bedrock that are tried with aioboto3, which installs with none of the clients above."""

CLIENT_ENVIRONMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "clients": _SIDE_BY_SIDE,
    "OpenLLMetry": (
        *_SIDE_BY_SIDE,
        *(f"{_OTEL}{name}==0.62.4" for name in _OPENLLMETRY.values()),
    ),
    "OpenInference": (
        *_SIDE_BY_SIDE,
        *(f"openinference-instrumentation-{name}=={v}" for name, v in _OPENINFERENCE.values()),
    ),
    "OpenLIT 1.45.0": (*_SIDE_BY_SIDE, "openlit==1.45.0"),
    "MLflow 3.17.2": (*_SIDE_BY_SIDE, *MLFLOW_PACKAGES),
    "OpenTelemetry google-genai 1.3b0": (*_SIDE_BY_SIDE, f"{_OTEL}google-genai==1.3b0"),
    "OpenTelemetry google-genai 1.3b0, 2.34.0": (_GOOGLE_2, f"{_OTEL}google-genai==1.3b0"),
    "Logfire 5.4.0, google-genai": (_GOOGLE_2, "logfire[google-genai]==5.4.0"),
    "OpenTelemetry botocore 0.66b2": (*_SIDE_BY_SIDE, f"{_OTEL}botocore==0.66b2"),
    "OpenTelemetry genai-bedrock 1.3b0": (*_SIDE_BY_SIDE, f"{_OTEL}genai-bedrock==1.3b0"),
    _AIOBOTO3: (_AIO,),
    **{f"{name}, {_AIOBOTO3}": (_AIO, package) for name, (package, _) in _BEDROCK.items()},
}


def _cell(
    label: str, client: str, environment: str, tool: str = "none", *, otel: bool = True
) -> Cell:
    load("clients")
    programs = tuple(name for name, each in PROGRAMS.items() if each.library == client)
    return Cell(
        label,
        environment,
        ("clients",),
        programs,
        tool,
        is_baseline_instrumented=otel,
        is_tidy=not tool.startswith("mlflow"),
    )


def _cells() -> Iterator[Cell]:
    for client, version in _VERSIONS.items():
        named = f"{client} {version}"
        yield _cell(named, client, "clients", otel=False)
        yield _cell(f"OpenLLMetry 0.62.4, {named}", client, "OpenLLMetry")
        yield _cell(f"OpenInference {_OPENINFERENCE[client][1]}, {named}", client, "OpenInference")
        yield _cell(f"OpenLIT 1.45.0, {named}", client, "OpenLIT 1.45.0", "openlit")
        if client in _MLFLOW:
            label, tool = f"MLflow 3.17.2, {named}", f"_{_MLFLOW[client]}"
            yield _cell(label, client, "MLflow 3.17.2", f"mlflow{tool}")
            yield _cell(
                f"{label}, the application's provider",
                client,
                "MLflow 3.17.2",
                f"mlflow_shared{tool}",
            )
    yield from _google()
    yield from _bedrock()
    own = "its own tracer"
    yield _cell(f"mistralai 3.7.0, {own}", "mistralai", "clients", "mistral")
    label = f"OpenInference 2.2.2, mistralai 3.7.0, {own}"
    yield _cell(label, "mistralai", "OpenInference", "mistral")


def _google() -> Iterator[Cell]:
    client, tool = "google-genai", "OpenTelemetry google-genai 1.3b0"
    yield _cell(f"{tool}, {client} 3.6.1", client, tool)
    yield _cell(f"{tool}, {client} 2.34.0", client, f"{tool}, 2.34.0")
    logfire = f"Logfire 5.4.0, {client}"
    yield _cell(f"{logfire} 2.34.0", client, logfire, "logfire_google_genai")


def _bedrock() -> Iterator[Cell]:
    for tool in ("OpenTelemetry botocore 0.66b2", "OpenTelemetry genai-bedrock 1.3b0"):
        yield _cell(f"{tool}, botocore 1.44.8", "botocore", tool)
    yield _cell(_AIOBOTO3, "aioboto3", _AIOBOTO3, otel=False)
    for name, (_, tool) in _BEDROCK.items():
        label = f"{name}, {_AIOBOTO3}"
        yield _cell(label, "aioboto3", label, tool)


CLIENT_CELLS: Final = tuple(_cells())
