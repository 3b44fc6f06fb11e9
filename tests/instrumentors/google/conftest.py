"""The real `google-genai` client against the stand-in, metered: what is observed, beside what is billed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import google.genai as genai
import pytest
from google.auth.credentials import Credentials
from google.genai import types
from opentelemetry.sdk.trace import ReadableSpan

from otel_genai_cost import attach
from otel_genai_cost.cli.usage_json import usage_record
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.testing.standin.gemini import GeminiStandIn
from otel_genai_cost.usage.leaves import Usage
from otel_genai_instrumentors.clients.google_genai import GoogleGenAIInstrumentor
from otel_genai_instrumentors.open_calls import drain
from tests.e2e.rig import observations_in
from tests.instrumentors.conftest import Recorder

LOCATION = "europe-west4"


class Metered:
    """A metered provider, the stand-in that answers, and what each of them says of a call."""

    def __init__(self, folder: Path, standin: GeminiStandIn) -> None:
        self.recorder, self._journal, self.standin = Recorder(), folder / "journal", standin
        self._clients: list[genai.Client] = []  # one that nobody holds closes itself
        attach(self.recorder.provider, journal=self._journal, quiet=True)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        drain()
        return self.recorder.spans

    @property
    def only(self) -> Mapping[str, Any]:
        """The attributes of the one span there is."""
        (span,) = self.spans
        return dict(span.attributes or {})

    @property
    def observations(self) -> list[Observation]:
        drain()
        return observations_in(self._journal)

    @property
    def observed(self) -> list[dict[str, int]]:
        """What each observation says was used."""
        return [counted(one.reading.usage) for one in self.observations]

    @property
    def billed(self) -> list[dict[str, int]]:
        """What the stand-in bills for each response."""
        return [_nonzero(line["usage"]) for line in self.standin.bills]

    def close(self) -> None:
        """Close the clients that were made."""
        for client in self._clients:
            client.close()

    def client(self, **options: Any) -> genai.Client:
        """A client of Gemini's API."""
        self._clients.append(genai.Client(api_key="k", http_options=self.options(**options)))
        return self._clients[-1]

    def vertex(self, location: str = LOCATION) -> genai.Client:
        """A client of Vertex AI."""
        client = genai.Client(
            vertexai=True,
            project="p",
            location=location,
            credentials=_Anonymous(),
            http_options=self.options(),
        )
        self._clients.append(client)
        return client

    def options(self, **more: Any) -> types.HttpOptions:
        return types.HttpOptions(base_url=self.standin.url, **more)


def counted(usage: Usage) -> dict[str, int]:
    """What was used, in the words of a bill."""
    return _nonzero(usage_record(usage))


def _nonzero(usage: Mapping[str, Any]) -> dict[str, int]:
    return {key: n for key, n in usage.items() if n}


class _Anonymous(Credentials):
    """Whom the stand-in lets in: everybody."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.token = "t"

    def refresh(self, request: Any) -> None:
        """Never needed."""


@pytest.fixture(scope="session")
def gemini() -> Iterator[GeminiStandIn]:
    with GeminiStandIn() as running:
        yield running


@pytest.fixture
def metered(tmp_path: Path, gemini: GeminiStandIn) -> Iterator[Metered]:
    gemini.reset()
    metered = Metered(tmp_path, gemini)
    instrumentor = GoogleGenAIInstrumentor()
    instrumentor.instrument(tracer_provider=metered.recorder.provider)
    yield metered
    instrumentor.uninstrument()
    metered.close()
