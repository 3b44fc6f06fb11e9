"""Collectors' configurations as teams have them, and with what YAML allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["DROPPING", "ODD", "USUAL"]

USUAL: Final = """\
# our collector
receivers:
  # what apps send
  otlp:
    protocols:
      grpc: {endpoint: "127.0.0.1:4317"}
processors:
  memory_limiter: {check_interval: 1s, limit_mib: 400}
  attributes/tenant:
    actions: [{key: tenant.id, action: upsert, value: acme}]
  tail_sampling:
    policies: [{name: p, type: probabilistic, probabilistic: {sampling_percentage: 10}}]
  batch:   # its defaults
exporters:
  otlp/backend:
    endpoint: ${env:BACKEND:-127.0.0.1:4999}
    tls: {insecure: true}
  debug:
service:
  pipelines:
    metrics:
      receivers: [otlp]
      exporters: [debug]
    traces:   # ours
      receivers:
        - otlp  # all of them
      processors:
        - memory_limiter
        - attributes/tenant  # who
        # what is left
        - tail_sampling
        - batch
      exporters: [otlp/backend, debug]
"""

DROPPING: Final = """\
extensions:
  health_check: {endpoint: "${env:HEALTH:-127.0.0.1:13133}"}
receivers: {otlp: {protocols: {grpc: {endpoint: "${env:OTLP_GRPC:-127.0.0.1:4317}"}}}}
processors:
  attributes/tenant: {actions: [{key: tenant.id, action: upsert, value: acme}]}
  filter: {traces: {span: ['attributes["gen_ai.request.model"] != "kept"']}}
exporters:
  file: {path: "${env:TRACES_FILE:-./traces.jsonl}", flush_interval: 200ms}
service:
  extensions: [health_check]
  pipelines:
    traces: {receivers: [otlp], processors: [attributes/tenant, filter], exporters: [file]}
"""
"""Its processors drop the calls that the tests make."""

ODD: Final[Mapping[str, str]] = {
    "flow": DROPPING,
    "json": """\
{"receivers": {"otlp": {"protocols": {"grpc": {}}}}, "exporters": {"debug": {}}, "service": {"pipelines": {"traces":
{"receivers": ["otlp"], "exporters": ["debug"]}}}}
""",
    "no newline at its end": """\
receivers: {otlp: {protocols: {grpc: }}}
exporters: {debug: }
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [debug]}""",
    "ends of lines": USUAL.replace("\n", "\r\n"),
    "lists over lines": USUAL.replace(
        "[otlp/backend, debug]", "[\n  otlp/backend,  # theirs\n  debug,\n]"
    ).replace(
        "        - memory_limiter\n        - attributes/tenant  # who\n        # what is left\n"
        "        - tail_sampling\n        - batch\n",
        "        [\n          memory_limiter, # first\n          attributes/tenant,\n"
        "          tail_sampling, # then\n          batch,\n        ]\n",
    ),
    "nothing stays behind": """\
receivers:
  otlp:
    protocols:
      grpc:
processors:
  attributes/tenant:
    actions: [{key: tenant.id, action: upsert, value: acme}]
exporters:
  debug:
extensions:
  file_storage: {directory: /tmp, create_directory: true}
service:
  extensions:
  - file_storage
  pipelines:
    traces:
      receivers:
      - otlp
      processors:
      - attributes/tenant
      exporters:
      - debug
""",
    "an alias that stays": """\
receivers: {otlp: {protocols: {grpc: }}}
processors: {batch: }
exporters: {debug: }
service:
  pipelines:
    metrics: {receivers: &all [otlp], processors: &then [batch], exporters: &out [debug]}
    traces: {receivers: *all, processors: *then, exporters: *out}
""",
    "merged": """\
receivers: {otlp: {protocols: {grpc: }}}
processors: {batch: , memory_limiter: {check_interval: 1s, limit_mib: 400}}
exporters: {debug: , debug/two: }
service:
  pipelines:
    metrics: &base
      receivers: [otlp]
      processors: [memory_limiter, batch]
      exporters: [debug]
    traces:
      <<: *base
    traces/two:
      <<: *base
      exporters: [debug/two]
""",
    "two of the same": """\
receivers: {otlp: {protocols: {grpc: }}}
processors:
  memory_limiter: {check_interval: 1s, limit_mib: 400}
  resource: {attributes: [{key: region, action: upsert, value: eu}]}
  batch:
exporters: {debug: , otlp_grpc: {endpoint: "127.0.0.1:4999"}}
extensions: {file_storage: {directory: /tmp}}
service:
  extensions: [file_storage]
  pipelines:
    traces: {receivers: [otlp], processors: [memory_limiter, resource, batch], exporters: [debug]}
    traces/all: {receivers: [otlp], processors: [memory_limiter, resource], exporters: [otlp_grpc]}
""",
    "behind a connector": """\
receivers: {otlp: {protocols: {grpc: }}}
connectors: {forward: }
processors: {batch: }
exporters: {debug: }
service:
  pipelines:
    traces/in: {receivers: [otlp], exporters: [forward]}
    traces/out: {receivers: [forward], processors: [batch], exporters: [debug]}
""",
    "no extensions yet": """\
receivers: {otlp: {protocols: {grpc: }}}
exporters: {debug: }
extensions:
service:
  extensions:
  pipelines:
    traces: {receivers: [otlp], exporters: [debug]}
""",
}
"""Forms of YAML; each comes out so that a collector takes it."""
