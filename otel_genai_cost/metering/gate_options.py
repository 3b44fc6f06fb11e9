"""The application's settings of the gate that it asks."""

from __future__ import annotations

from typing import Annotated, TypedDict, get_args

from otel_genai_cost.gate_protocol import OnGateDown, gate_url
from otel_genai_cost.metering.parsers import parse_token
from otel_genai_cost.settings import Setting, of_file, one_of, whole_number

__all__ = ["GateOptions"]


class GateOptions(TypedDict, total=False):
    """How calls are admitted before they are made."""

    gate: Annotated[
        str | None,
        Setting(
            "",
            gate_url,
            "a gate that each call is admitted by before it is made: `http://host:port`; without one none is asked",
        ),
    ]
    gate_token: Annotated[
        str | None,
        Setting(
            "",
            of_file(parse_token),
            "the token that the gate knows this application by, or `file:PATH`",
            is_secret=True,
        ),
    ]
    gate_timeout_ms: Annotated[
        int | None,
        Setting(
            "1000", whole_number, "milliseconds within which the gate answers; later, it is down"
        ),
    ]
    gate_wait_s: Annotated[
        int | None,
        Setting(
            "5",
            whole_number,
            "seconds that a call waits at most where the gate says that its budget will have room; `0`: it ends at "
            "once, as a 429",
        ),
    ]
    gate_down: Annotated[
        OnGateDown | None,
        Setting(
            "closed",
            one_of(get_args(OnGateDown)),
            "what becomes of the calls of a tenant while the gate is down, if it has not yet said what their budgets "
            "want: `closed`, they are refused, or `open`",
        ),
    ]
