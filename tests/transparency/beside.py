"""Other tools that look at the same calls, each set up as its documentation says. Nothing leaves the machine: `server`
is a URL that takes whatever is sent there, so that no tool tries again at times that differ from run to run."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

__all__ = ["BESIDE"]

_NOWHERE: Final = "http://127.0.0.1:9"


def _langfuse_keys(server: str) -> dict[str, str]:
    return {
        "LANGFUSE_PUBLIC_KEY": "pk-lf-test",
        "LANGFUSE_SECRET_KEY": "sk-lf-test",
        "LANGFUSE_HOST": server,
        "LANGFUSE_BASE_URL": server,
        "LANGFUSE_FLUSH_INTERVAL": "100",
    }


def none(_: str) -> None:
    """Nothing else."""


def langfuse_without_keys(_: str) -> None:
    import_module("langfuse.openai")


def langfuse_off(server: str) -> None:
    os.environ.update(_langfuse_keys(server), LANGFUSE_TRACING_ENABLED="false")
    import_module("langfuse.openai")


def langfuse(server: str) -> None:
    os.environ.update(_langfuse_keys(server))
    import_module("langfuse.openai")


def langfuse_isolated(server: str) -> None:
    """With a provider of its own, which nobody else meters."""
    os.environ.update(_langfuse_keys(server))
    import_module("langfuse").Langfuse(tracer_provider=_own_provider())
    import_module("langfuse.openai")


def _own_provider() -> Any:
    return import_module("opentelemetry.sdk.trace").TracerProvider()


def openinference(_: str) -> None:
    import_module("openinference.instrumentation.openai").OpenAIInstrumentor().instrument()


def openinference_isolated(_: str) -> None:
    """As Phoenix does with `set_global_tracer_provider=False`."""
    instrumentor = import_module("openinference.instrumentation.openai").OpenAIInstrumentor()
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()
    instrumentor.instrument(tracer_provider=_own_provider())


def openllmetry(_: str) -> None:
    import_module("opentelemetry.instrumentation.openai").OpenAIInstrumentor().instrument()


def _logfire(client: str) -> Callable[[str], None]:
    def instrument(_: str) -> None:
        library = import_module("logfire")
        library.configure(send_to_logfire=False, console=False, metrics=False)
        getattr(library, f"instrument_{client}")()

    return instrument


def _mlflow(flavour: str, *, shares: bool = False) -> Callable[[str], None]:
    """With a provider of its own, as is its default, or with the application's; what it gathers goes to `server`."""

    def autolog(server: str) -> None:
        os.environ.update(
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{server}/v1/traces",
            OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="http/protobuf",
            MLFLOW_TRACKING_URI=server,
            MLFLOW_DISABLE_TELEMETRY="true",
            MLFLOW_LOGGING_LEVEL="ERROR",
            MLFLOW_USE_DEFAULT_TRACER_PROVIDER=str(not shares).lower(),
        )
        import_module(f"mlflow.{flavour}").autolog()

    return autolog


def mistral(_: str) -> None:
    """The tracer that `mistralai` has built in."""
    os.environ["MISTRAL_SDK_TELEMETRY"] = "global"


def litellm_otel(_: str) -> None:
    """The tracer that LiteLLM has built in."""
    os.environ.update(OTEL_EXPORTER="in_memory", LITELLM_LOG="ERROR")
    library: Any = import_module("litellm")
    library.callbacks = ["otel"]


def openlit(server: str) -> None:
    """It looks at every library that it finds."""
    prices = Path(os.environ["TMPDIR"]) / "prices.json"
    prices.write_text("{}", encoding="utf-8")
    import_module("openlit").init(
        otlp_endpoint=server, disable_metrics=True, pricing_json=str(prices)
    )


def ddtrace(_: str) -> None:
    os.environ.update(
        DD_TRACE_AGENT_URL=_NOWHERE,
        DD_INSTRUMENTATION_TELEMETRY_ENABLED="false",
        DD_REMOTE_CONFIGURATION_ENABLED="false",
    )
    import_module("logging").getLogger("ddtrace").setLevel("CRITICAL")
    import_module("ddtrace").patch(openai=True)


def newrelic(_: str) -> None:
    import_module("newrelic.agent").initialize()


def sentry(server: str) -> None:
    dsn = server.replace("://", "://key@") + "/1"
    import_module("sentry_sdk").init(dsn=dsn, traces_sample_rate=1.0)


def own_wrapt(_: str) -> None:
    """A team's own guard around every call, which makes no telemetry at all."""

    def guard(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    wrapt = import_module("wrapt")
    for kind in ("Completions", "AsyncCompletions"):
        wrapt.wrap_function_wrapper("openai.resources.chat.completions", f"{kind}.create", guard)


def own_decorator(_: str) -> None:
    completions = import_module("openai.resources.chat.completions").Completions
    create = completions.create

    @functools.wraps(create)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        return create(self, *args, **kwargs)

    completions.create = guarded


BESIDE: Final[dict[str, Callable[[str], None]]] = {
    tool.__name__: tool
    for tool in (
        none,
        langfuse_without_keys,
        langfuse_off,
        langfuse,
        langfuse_isolated,
        openinference,
        openinference_isolated,
        openllmetry,
        mistral,
        litellm_otel,
        openlit,
        ddtrace,
        newrelic,
        sentry,
        own_wrapt,
        own_decorator,
    )
}
"""Name -> how an application sets it up, given a server for the tool."""

for _client in ("anthropic", "google_genai", "litellm", "openai"):
    BESIDE[f"logfire_{_client}"] = _logfire(_client)
for _flavour in ("anthropic", "bedrock", "gemini", "groq", "litellm", "mistral", "openai"):
    BESIDE[f"mlflow_{_flavour}"] = _mlflow(_flavour)
    BESIDE[f"mlflow_shared_{_flavour}"] = _mlflow(_flavour, shares=True)
