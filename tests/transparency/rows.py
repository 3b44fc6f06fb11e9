"""What the suite runs: one row an environment, one a cell. A later client, framework or tool joins by a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.transparency.cell import Cell
from tests.transparency.client_rows import CLIENT_CELLS, CLIENT_ENVIRONMENTS, MLFLOW_PACKAGES

__all__ = ["CELLS", "ENVIRONMENTS", "HERE", "NEWEST", "OFTEN"]

HERE: Final = ""
"""The environment that the tests run in."""

NEWEST: Final = "openai 3.57.0"

_LITELLM: Final = ("litellm==1.110.2", "tenacity")
"""It tries again by a library that it does not install."""

ENVIRONMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "openai 1.40.8": ("openai==1.40.8", "httpx<0.28"),
    "openai 1.66.5": ("openai==1.66.5",),
    "openai 1.109.1": ("openai==1.109.1",),
    "openai 2.54.0": ("openai==2.54.0",),
    NEWEST: ("openai==3.57.0",),
    "langchain-openai 1.7.4": ("langchain-openai==1.7.4",),
    "instructor 1.17.0": ("instructor==1.17.0",),
    "litellm 1.110.2": _LITELLM,
    "openai-agents 0.24.0": ("openai-agents==0.24.0",),
    "litellm 1.63.14": ("litellm==1.63.14", "openai<2", "tenacity"),
    "anthropic 2.14.0": ("anthropic==2.14.0",),
    **{
        name: (package, "anthropic==2.14.0")
        for name, package in (
            (
                "OpenTelemetry genai-anthropic 1.3b0",
                "opentelemetry-instrumentation-genai-anthropic==1.3b0",
            ),
            ("OpenLLMetry anthropic 0.62.4", "opentelemetry-instrumentation-anthropic==0.62.4"),
            ("OpenInference anthropic 3.1.0", "openinference-instrumentation-anthropic==3.1.0"),
            ("Logfire 5.4.0, anthropic", "logfire==5.4.0"),
        )
    },
    "OpenLIT 1.45.0, anthropic": ("openlit==1.45.0", "anthropic<1"),
    "OpenLIT 1.45.0, anthropic 2.14.0": ("openlit==1.45.0", "anthropic==2.14.0"),
    "MLflow 3.17.2, anthropic": (*MLFLOW_PACKAGES, "anthropic==2.14.0"),
    **{
        name: (package, *_LITELLM)
        for name, package in (
            ("OpenLLMetry litellm 0.62.4", "opentelemetry-instrumentation-litellm==0.62.4"),
            ("OpenInference litellm 0.1.51", "openinference-instrumentation-litellm==0.1.51"),
            ("OpenLIT 1.45.0, litellm", "openlit==1.45.0"),
            ("Logfire 5.4.0, litellm", "logfire[litellm]==5.4.0"),
        )
    },
    "MLflow 3.17.2, litellm": ("mlflow==3.17.2", MLFLOW_PACKAGES[1], *_LITELLM),
    "OpenLIT 1.45.0, openai 2.54.0": ("openlit==1.45.0", "openai==2.54.0"),
    "OpenLIT 1.45.0, openai 3.57.0": ("openlit==1.45.0", "openai==3.57.0"),
    "MLflow 3.17.2, openai": (*MLFLOW_PACKAGES, "openai==3.57.0"),
    "Logfire 5.4.0, openai": ("logfire==5.4.0", "openai==3.57.0"),
    "ddtrace 4.16.0": ("ddtrace==4.16.0", "openai==3.57.0"),
    "sentry-sdk 2.75.0": ("sentry-sdk==2.75.0", "openai==3.57.0"),
    "newrelic 14.1.0": ("newrelic==14.1.0", "openai==3.57.0"),
    "langfuse 5.0.4": ("langfuse==5.0.4", "openai==3.57.0"),
    "OpenLLMetry 0.62.4": ("opentelemetry-instrumentation-openai==0.62.4", "openai==3.57.0"),
    "OpenTelemetry openai-v2 2.4b0": (
        "opentelemetry-instrumentation-openai-v2==2.4b0",
        "openai==3.57.0",
    ),
    "OpenTelemetry genai-openai 1.3b0": (
        "opentelemetry-instrumentation-genai-openai==1.3b0",
        "openai==3.57.0",
    ),
    "OpenInference 0.1.66": ("openinference-instrumentation-openai==0.1.66", "openai==3.57.0"),
    **CLIENT_ENVIRONMENTS,
}
"""Name -> what is installed beside this distribution and OpenTelemetry's distro."""


_CLIENT: Final = ("chat", "posted", "streams", "left", "dropped", "parse", "errors", "hosts")
_ENDINGS: Final = (
    "ends_with_an_open_stream",
    "ends_after_finish",
    "ends_with_an_open_async_stream",
    "ends_by_error",
    "ends_by_signal",
    "ends_hard",
    "ends_in_a_forked_child",
    "ends_with_a_cancelled_task",
)
_FEW: Final = (
    "chat",
    "chat_async",
    "chat_raw",
    "chat_streaming_response",
    "embeddings",
    "stream",
    "stream_async",
    "stream_asked",
    "stream_asked_async",
    "stream_told_unasked",
    "stream_raw",
    "stream_abilities",
    "stream_helper",
    "left_by_break",
    "left_by_close",
    "parse",
    "parse_too_long",
    "responses",
    "responses_stream",
    "error_arguments",
    "error_unreachable",
    "error_unauthorized",
    "error_busy_then_answered",
    "error_cut_stream",
    "host_openai",
    "host_mistral",
)
"""What is run beside another tool, and where ours is off."""


def _clients() -> tuple[Cell, ...]:
    clients = [name for name in ENVIRONMENTS if name.startswith("openai ")]
    whole = [Cell(name, name, _CLIENT) for name in clients]
    ends = [
        Cell(f"{name}, process ends", name, ("endings",), _ENDINGS)
        for name in ("openai 1.40.8", NEWEST)
    ]
    reports = [
        Cell(f"{name}, public reports", name, ("reports",)) for name in ("openai 1.40.8", NEWEST)
    ]
    return (*whole, *ends, *reports)


def _frameworks() -> tuple[Cell, ...]:
    programs = {
        "langchain-openai 1.7.4": (
            "langchain",
            "langchain_stream",
            "langchain_async",
            "langchain_structured",
            "langchain_embeddings",
        ),
        "instructor 1.17.0": ("instructor", "instructor_partial", "instructor_async"),
        "litellm 1.110.2": ("litellm", "litellm_async"),
        "openai-agents 0.24.0": ("agents_chat", "agents_streamed", "agents_responses"),
    }
    return tuple(Cell(name, name, ("frameworks",), names) for name, names in programs.items())


_GATEWAY: Final = (
    "gateway_claude",
    "gateway_claude_async",
    "gateway_messages",
    "gateway_left",
    "gateway_retried",
    "gateway_unauthorized",
    "gateway_fallback",
    "gateway_cache",
    "gateway_mock",
)
_NEEDS_ITS_PROXY: Final = ("gateway_cache",)
"""LiteLLM's newer versions look something up in their proxy, which is not installed, when their cache has an answer."""

_CLAUDE: Final = (
    "claude",
    "claude_async",
    "claude_stream",
    "claude_stream_async",
    "claude_helper",
    "claude_helper_async",
    "claude_raw",
    "claude_left",
    "claude_busy_then_answered",
    "claude_unauthorized",
    "claude_cut_stream",
)
_OTHER_CLIENTS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "litellm": ("gateway", _GATEWAY),
    "anthropic": ("claude", _CLAUDE),
}
"""Client -> the file of its programs, and the programs."""


def _client(
    client: str, environment: str, tool: str = "none", label: str = "", *, otel: bool = False
) -> Cell:
    """A client of its own wire format, perhaps beside another tool."""
    module, programs = _OTHER_CLIENTS[client]
    if otel:
        programs = tuple(name for name in programs if name not in _NEEDS_ITS_PROXY)
    return Cell(
        f"{environment}{label}",
        environment,
        (module,),
        programs,
        tool,
        is_baseline_instrumented=otel,
        is_tidy=client != "litellm" and not tool.startswith("mlflow"),
    )


def _beside(environment: str, tool: str, label: str = "", *, otel: bool = False) -> Cell:
    label = f"{environment}{label}"
    is_tidy = not tool.startswith("mlflow")
    return Cell(
        label, environment, _CLIENT, _FEW, tool, is_baseline_instrumented=otel, is_tidy=is_tidy
    )


CELLS: Final[tuple[Cell, ...]] = (
    *_clients(),
    *_frameworks(),
    _client("litellm", "litellm 1.63.14"),
    _client("litellm", "litellm 1.110.2", label=", other providers"),
    _client("litellm", "OpenLLMetry litellm 0.62.4", otel=True),
    _client("litellm", "OpenInference litellm 0.1.51", otel=True),
    _client("litellm", "OpenLIT 1.45.0, litellm", "openlit", otel=True),
    _client("litellm", "MLflow 3.17.2, litellm", "mlflow_litellm", otel=True),
    _client("litellm", "Logfire 5.4.0, litellm", "logfire_litellm", otel=True),
    _client("litellm", "litellm 1.110.2", "litellm_otel", ", its own tracer", otel=True),
    _client("anthropic", "anthropic 2.14.0", otel=True),
    _client("anthropic", "OpenTelemetry genai-anthropic 1.3b0", otel=True),
    _client("anthropic", "OpenLLMetry anthropic 0.62.4", otel=True),
    _client("anthropic", "OpenInference anthropic 3.1.0", otel=True),
    _client("anthropic", "Logfire 5.4.0, anthropic", "logfire_anthropic", otel=True),
    _client("anthropic", "OpenLIT 1.45.0, anthropic", "openlit", otel=True),
    Cell(
        "OpenLIT 1.45.0, anthropic 2.14.0", "OpenLIT 1.45.0, anthropic 2.14.0", (), installs=False
    ),
    _client("anthropic", "MLflow 3.17.2, anthropic", "mlflow_anthropic", otel=True),
    _client(
        "anthropic",
        "MLflow 3.17.2, anthropic",
        "mlflow_shared_anthropic",
        ", the application's provider",
        otel=True,
    ),
    *CLIENT_CELLS,
    _beside("ddtrace 4.16.0", "ddtrace"),
    _beside("sentry-sdk 2.75.0", "sentry"),
    _beside("newrelic 14.1.0", "newrelic"),
    _beside("langfuse 5.0.4", "langfuse"),
    _beside("langfuse 5.0.4", "langfuse_off", ", off"),
    _beside("langfuse 5.0.4", "langfuse_without_keys", ", without keys"),
    _beside("langfuse 5.0.4", "langfuse_isolated", ", a provider of its own"),
    _beside("OpenLLMetry 0.62.4", "openllmetry", otel=True),
    _beside("OpenTelemetry openai-v2 2.4b0", "none", otel=True),
    _beside("OpenTelemetry genai-openai 1.3b0", "none", otel=True),
    _beside("OpenInference 0.1.66", "openinference", otel=True),
    _beside("OpenInference 0.1.66", "openinference_isolated", ", own provider", otel=True),
    _beside("OpenLIT 1.45.0, openai 2.54.0", "openlit", otel=True),
    Cell("OpenLIT 1.45.0, openai 3.57.0", "OpenLIT 1.45.0, openai 3.57.0", (), installs=False),
    _beside("MLflow 3.17.2, openai", "mlflow_openai", otel=True),
    _beside(
        "MLflow 3.17.2, openai",
        "mlflow_shared_openai",
        ", the application's provider",
        otel=True,
    ),
    _beside("Logfire 5.4.0, openai", "logfire_openai", otel=True),
    _beside(NEWEST, "own_wrapt", ", a team's own wrapt guard"),
    _beside(NEWEST, "own_decorator", ", a team's own decorator"),
    Cell(
        f"{NEWEST}, OTEL_GENAI_COST_ENABLED=false",
        NEWEST,
        _CLIENT,
        _FEW,
        settings=(("OTEL_GENAI_COST_ENABLED", "false"),),
        is_metered=False,
    ),
    Cell(
        f"{NEWEST}, OTEL_SDK_DISABLED=true",
        NEWEST,
        _CLIENT,
        _FEW,
        settings=(("OTEL_SDK_DISABLED", "true"),),
        is_metered=False,
    ),
)
"""Every cell of the table in `docs/reference/compatibility.md`."""

OFTEN: Final = (
    "openai 1.40.8",
    "litellm 1.63.14",
    "litellm 1.110.2, other providers",
    NEWEST,
    f"{NEWEST}, process ends",
    f"{NEWEST}, a team's own wrapt guard",
    "OpenInference 1.4.14, google-genai 3.6.1",
    "OpenInference 0.1.61, botocore 1.44.8",
    "OpenInference 2.2.2, mistralai 3.7.0, its own tracer",
    "OpenLLMetry 0.62.4, cohere 7.3.1",
    "OpenLLMetry 0.62.4, groq 1.7.0",
)
"""Those that `make test-all` runs; `make transparency` runs all."""
