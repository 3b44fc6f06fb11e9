"""What `opentelemetry-instrument` imports before it starts the application: the names of the settings, for its flags.

It also warns of what will keep the application from being instrumented at all: upstream gives up before we are asked.
"""

from __future__ import annotations

import sys

from otel_genai_cost.errors import guarded
from otel_genai_cost.metering import environment_variables
from otel_genai_cost.switch import is_off, missing_exporters

__all__: list[str] = []


@guarded("launcher", default=None)
def _warn() -> None:
    missing = () if is_off() else missing_exporters()
    if missing:
        sys.stderr.write(
            f"genai-cost: {', '.join(missing)} is not installed, so that nothing will be instrumented; "
            "pip install opentelemetry-exporter-otlp, or export OTEL_TRACES_EXPORTER=none "
            "OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none\n"
        )


globals().update({name: name for name in vars(environment_variables) if name.startswith("OTEL_")})
_warn()
