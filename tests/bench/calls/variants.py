"""Who is compared, and in which environment. One row a tool; what sets it up is in `program.SETUPS`."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["ALONE", "OPENAI", "OPENTELEMETRY", "OTHERS", "OURS", "VARIANTS", "Client", "Variant"]

_SDK: Final = "opentelemetry-sdk==1.45.2"
_UPSTREAM: Final = (
    "opentelemetry-instrumentation-genai-openai==1.3b0",
    "opentelemetry-util-genai==1.3b0",
    "opentelemetry-instrumentation==0.66b2",
)


class Variant(NamedTuple):
    """A tool beside the client.

    `packages` are installed with it, and the working tree if `is_ours`; `openai` are the versions of that client which
    it can be installed with.
    """

    name: str
    setup: str
    packages: tuple[str, ...]
    is_ours: bool = False
    openai: tuple[str, ...] = ("2.54.0", "3.57.0")


class Client(NamedTuple):
    """A client's version, and OpenTelemetry's own instrumentation of it."""

    library: str
    version: str
    theirs: Variant
    is_async: bool = True

    @property
    def name(self) -> str:
        return f"{self.library} {self.version}"


ALONE: Final = Variant("the client alone", "none", (_SDK,))
OURS: Final = Variant("otel-genai-cost", "ours", (_SDK,), is_ours=True)
OPENTELEMETRY: Final = Variant("OpenTelemetry 1.3b0, no price", "opentelemetry", (_SDK, *_UPSTREAM))

VARIANTS: Final = (
    OURS,
    OPENTELEMETRY,
    Variant(
        "OpenLLMetry 0.62.4", "openllmetry", (_SDK, "opentelemetry-instrumentation-openai==0.62.4")
    ),
    Variant(
        "OpenInference 0.1.66",
        "openinference",
        (_SDK, "openinference-instrumentation-openai==0.1.66"),
    ),
    Variant(
        "OpenTelemetry 1.3b0 and genai-prices 0.2.3",
        "opentelemetry_priced",
        (_SDK, *_UPSTREAM, "genai-prices==0.2.3"),
    ),
    Variant(
        "OpenLIT 1.45.0",
        "openlit",
        ("opentelemetry-sdk==1.45.1", "openlit==1.45.0"),  # no newer beside it
        openai=("2.54.0",),
    ),
    Variant("Langfuse 5.0.4", "langfuse", (_SDK, "langfuse==5.0.4")),
    Variant("Logfire 5.4.0", "logfire", (_SDK, "logfire==5.4.0")),
)
"""Ours first, OpenTelemetry's own second: everybody is compared with that."""

OPENAI: Final = tuple(Client("openai", version, OPENTELEMETRY) for version in OURS.openai)
"""The newest of each supported major version; the last is the one that tables show first."""


def _other(library: str, version: str, theirs: str, *, is_async: bool = True) -> Client:
    package, _, release = theirs.partition("==")
    peer = Variant(f"{package} {release}", "opentelemetry", (_SDK, theirs))
    return Client(library, version, peer, is_async)


OTHERS: Final = (
    _other("anthropic", "2.14.0", "opentelemetry-instrumentation-genai-anthropic==1.3b0"),
    _other("google-genai", "2.34.0", "opentelemetry-instrumentation-google-genai==1.3b0"),
    _other("botocore", "1.44.8", "opentelemetry-instrumentation-botocore==0.66b2", is_async=False),
)
"""The newest that OpenTelemetry's instrumentation works with."""
