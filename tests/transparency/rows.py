"""What the suite runs: one row an environment, one a cell. A later client, framework or tool joins by a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["CELLS", "ENVIRONMENTS", "HERE", "NEWEST", "OFTEN", "Cell"]

HERE: Final = ""
"""The environment that the tests run in."""

NEWEST: Final = "openai 3.57.0"

ENVIRONMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "openai 1.40.8": ("openai==1.40.8", "httpx<0.28"),
    "openai 1.66.5": ("openai==1.66.5",),
    "openai 1.109.1": ("openai==1.109.1",),
    "openai 2.54.0": ("openai==2.54.0",),
    NEWEST: ("openai==3.57.0",),
    "langchain-openai 1.7.4": ("langchain-openai==1.7.4",),
    "instructor 1.17.0": ("instructor==1.17.0",),
    "ddtrace 4.16.0": ("ddtrace==4.16.0", "openai==3.57.0"),
    "langfuse 5.0.4": ("langfuse==5.0.4", "openai"),
}
"""Name -> what is installed beside this distribution and OpenTelemetry's distro."""


class Cell(NamedTuple):
    """Programs in an environment.

    `modules` are files of `programs/`, `programs` names in them (all, if empty); `beside` is a tool of `beside.py`.
    `settings` are those of the metered run. Beside another OpenTelemetry instrumentation the baseline is
    `opentelemetry-instrument` with ours switched off.
    """

    label: str
    environment: str
    modules: tuple[str, ...]
    programs: tuple[str, ...] = ()
    beside: str = "none"
    settings: tuple[tuple[str, str], ...] = ()
    is_baseline_instrumented: bool = False
    is_metered: bool = True


_CLIENT: Final = ("chat", "streams", "left", "parse", "errors", "hosts")
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
    clients = [name for name in ENVIRONMENTS if name.startswith("openai ") and name != NEWEST]
    whole = [Cell(name, name, _CLIENT) for name in clients]
    ends = [
        Cell(f"{name}, process ends", name, ("endings",), _ENDINGS)
        for name in ("openai 1.40.8", NEWEST)
    ]
    return (*whole, *ends)


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
    }
    return tuple(Cell(name, name, ("frameworks",), names) for name, names in programs.items())


def _beside(environment: str, tool: str, label: str = "") -> Cell:
    return Cell(f"{environment}{label}", environment, _CLIENT, _FEW, tool)


CELLS: Final[tuple[Cell, ...]] = (
    *_clients(),
    *_frameworks(),
    _beside("ddtrace 4.16.0", "ddtrace"),
    _beside("langfuse 5.0.4", "langfuse_off", ", off"),
    _beside("langfuse 5.0.4", "langfuse_without_keys", ", without keys"),
    _beside(NEWEST, "own_wrapt", ", a team's own wrapt guard"),
)
"""Every cell of the table in `docs/reference/compatibility.md`."""

OFTEN: Final = (
    "openai 1.40.8",
    "openai 2.54.0",
    f"{NEWEST}, process ends",
    f"{NEWEST}, a team's own wrapt guard",
)
"""Those that `make test-all` runs; `make transparency` runs all."""
