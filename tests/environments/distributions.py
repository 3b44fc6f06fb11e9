"""Distributions of OpenTelemetry that we run beside: each as its users install it and set it up, in its newest release
and in that of a year before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["ENVIRONMENTS", "ROWS", "Row"]

_OPENAI, _OPENAI_THEN = "openai==3.57.0", "openai==2.8.1"
_HTTPX: Final = "opentelemetry-instrumentation-httpx=="
"""What `opentelemetry-bootstrap` adds to a program that sends by `httpx`."""

ENVIRONMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "upstream": (
        *("opentelemetry-distro[otlp]==0.66b2", "opentelemetry-configuration==0.66b2"),
        *(f"{_HTTPX}0.66b2", _OPENAI),
    ),
    "upstream, 2025-11": (
        *("opentelemetry-distro[otlp]==0.59b0", "opentelemetry-sdk==1.38.0", f"{_HTTPX}0.59b0"),
        *("opentelemetry-instrumentation-openai-v2==2.2b0", _OPENAI_THEN),
    ),
    "AWS": ("aws-opentelemetry-distro==0.21.0", _OPENAI),
    "AWS, 2025-11": ("aws-opentelemetry-distro==0.14.0", _OPENAI_THEN),
    "Splunk": ("splunk-opentelemetry==2.13.2", f"{_HTTPX}0.66b1", _OPENAI),
    "Splunk, 2025-11": ("splunk-opentelemetry==2.8.0", f"{_HTTPX}0.59b0", _OPENAI_THEN),
    "Elastic": (
        *("elastic-opentelemetry==1.18.0", "elastic-opentelemetry-instrumentation-openai==1.2.0"),
        *(f"{_HTTPX}0.66b1", _OPENAI),
    ),
    "Elastic, 2025-11": ("elastic-opentelemetry==1.10.0", f"{_HTTPX}0.58b0", _OPENAI_THEN),
    "Azure": ("azure-monitor-opentelemetry==1.8.11", _OPENAI),
    "Azure, 2025-11": (
        *("azure-monitor-opentelemetry==1.8.2", "opentelemetry-sdk==1.38.0"),
        _OPENAI_THEN,
    ),
    "Logfire": ("logfire[httpx]==5.4.0", _OPENAI),
    "Logfire, 2025-11": ("logfire[httpx]==4.15.1", _OPENAI_THEN),
    "Langfuse": ("langfuse==5.0.4", _OPENAI),
    "Langfuse, 2025-11": ("langfuse==3.10.1", "opentelemetry-sdk==1.38.0", _OPENAI_THEN),
}
"""Environment -> what is installed in it; what a release leaves open is as it was resolved then."""


class Row(NamedTuple):
    """A program beside a distribution.

    Attributes:
        label: What the table calls the distribution.
        environment: Which of `ENVIRONMENTS` it runs in.
        set_up: How the program of `distribution_program.py` sets it up.
        shown: The same for whoever reads the table.
        settings: The environment variables by which its documentation sets it up; `{endpoint}` is where spans go.
    """

    label: str
    environment: str
    set_up: str
    shown: str
    settings: Mapping[str, str]

    @property
    def name(self) -> str:
        return f"{self.environment}: {self.shown}"


_SAMPLED: Final = {
    "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
    "OTEL_TRACES_SAMPLER_ARG": "0.1",
}
_OTLP: Final = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "{endpoint}",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}
_GRAFANA: Final = {
    **_OTLP,
    "OTEL_EXPORTER_OTLP_ENDPOINT": "{endpoint}/otlp",
    "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20MTIzOmdsYw==",
    "OTEL_RESOURCE_ATTRIBUTES": "service.name=shop,service.namespace=shop,deployment.environment=test",
}
_AWS: Final = {
    **_OTLP,
    "OTEL_PYTHON_DISTRO": "aws_distro",
    "OTEL_PYTHON_CONFIGURATOR": "aws_configurator",
    "OTEL_AWS_APPLICATION_SIGNALS_ENABLED": "true",
    "OTEL_AWS_APPLICATION_SIGNALS_EXPORTER_ENDPOINT": "{endpoint}/v1/metrics",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "{endpoint}/v1/traces",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_AZURE: Final = {
    "APPLICATIONINSIGHTS_CONNECTION_STRING": (
        "InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint={endpoint}/"
    ),
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "True",
    "OTEL_TRACES_SAMPLER": "microsoft.fixed_percentage",
    "OTEL_TRACES_SAMPLER_ARG": "0.1",
}
_LOGFIRE: Final = {"LOGFIRE_TOKEN": "test", "LOGFIRE_BASE_URL": "{endpoint}"}
_LANGFUSE: Final = {
    "LANGFUSE_PUBLIC_KEY": "pk-lf-test",
    "LANGFUSE_SECRET_KEY": "sk-lf-test",
    "LANGFUSE_HOST": "{endpoint}",
    "LANGFUSE_BASE_URL": "{endpoint}",
    "LANGFUSE_SAMPLE_RATE": "0.1",
}
_FILE: Final = {"OTEL_CONFIG_FILE": "{folder}/otel.yaml"}
_LAUNCHED: Final = "`opentelemetry-instrument`"


def _both(label: str, *rest: tuple[str, str, Mapping[str, str]]) -> tuple[Row, ...]:
    """The newest release and that of a year before, each in each way."""
    return tuple(
        Row(label, f"{label}{release}", set_up, shown, settings)
        for set_up, shown, settings in rest
        for release in ("", ", 2025-11")
    )


ROWS: Final = (
    *_both("upstream", ("launched", _LAUNCHED, {**_OTLP, **_SAMPLED})),
    Row("upstream", "upstream", "launched", "`OTEL_CONFIG_FILE`", _FILE),
    *_both("upstream", ("provider first", "in code, then `install()`", _OTLP)),
    *_both("upstream", ("provider later", "`install()`, then in code", _OTLP)),
    *_both("upstream", ("second provider", "a second provider, `attach()`", _OTLP)),
    *_both("AWS", ("launched", _LAUNCHED, {**_AWS, **_SAMPLED})),
    *_both("Splunk", ("launched", _LAUNCHED, {**_OTLP, **_SAMPLED})),
    *_both("Elastic", ("launched", _LAUNCHED, {**_OTLP, **_SAMPLED})),
    *_both(
        "Azure",
        ("azure first", "`configure_azure_monitor()`, then `install()`", _AZURE),
        ("azure later", "`install()`, then `configure_azure_monitor()`", _AZURE),
    ),
    *(
        row._replace(label="Grafana")
        for row in _both("upstream", ("launched", "as Grafana documents", {**_GRAFANA, **_SAMPLED}))
    ),
    *_both(
        "Logfire",
        ("logfire first", "`logfire.configure()`, then `install()`", _LOGFIRE),
        ("logfire later", "`install()`, then `logfire.configure()`", _LOGFIRE),
    ),
    *_both(
        "Langfuse",
        ("langfuse first", "`get_client()`, then `install()`", _LANGFUSE),
        ("langfuse later", "`install()`, then `get_client()`", _LANGFUSE),
    ),
)
