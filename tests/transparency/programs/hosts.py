"""Hosts that are known by name: the application's own transport leads their requests to the stand-in."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tests.transparency.observed import App, program


def _through(app: App, habit: str) -> Any:
    """An HTTP client whose requests all go to this habit of the stand-in, whatever their host."""
    httpx = app.http()
    transport: Any = httpx.HTTPTransport

    class Rerouted(transport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            path = request.url.raw_path.decode()
            there = httpx.URL(f"{app.root}/{habit}{path}")
            sent = httpx.Request(
                request.method, there, headers=request.headers, stream=request.stream
            )
            return super().handle_request(sent)

    return httpx.Client(transport=Rerouted())


def _see(app: App, client: Any, **more: Any) -> None:
    try:
        with client.chat.completions.create(**app.chat(stream=True, **more)) as chunks:
            found = list(chunks)
    except Exception as error:
        app.say(error)
        return
    app.say(len(found), sum(not c.choices for c in found), sum(c.usage is not None for c in found))


def _at(app: App, base_url: str, habit: str = "std") -> Any:
    return app.client(base_url=base_url, http_client=_through(app, habit))


def _azure(app: App, version: str, habit: str) -> Any:
    return import_module("openai").AzureOpenAI(
        api_key="key",
        api_version=version,
        azure_endpoint="https://team.openai.azure.com",
        max_retries=0,
        http_client=_through(app, habit),
    )


@program()
def host_openai(app: App) -> None:
    """Understands `stream_options`: asked for us alone, so the chunk that tells is kept from the application."""
    client = _at(app, "https://api.openai.com/v1")
    _see(app, client)
    _see(app, client, stream_options={"include_usage": True})
    _see(app, client, stream_options={"include_usage": False})
    raw = client.chat.completions.with_raw_response.create(**app.chat(stream=True))
    app.say(len(list(raw.parse())))
    app.say(client.chat.completions.create(**app.chat()).usage.total_tokens)


@program()
def host_openai_raw_lines(app: App) -> None:
    """Read past the parser, nothing can be kept from the application; so nothing may be asked for."""
    client = _at(app, "https://api.openai.com/v1")
    raw = client.chat.completions.with_raw_response.create(**app.chat(stream=True))
    app.say([line for line in raw.http_response.iter_lines() if line])
    with client.chat.completions.with_streaming_response.create(
        **app.chat(stream=True)
    ) as response:
        app.say([line for line in response.iter_lines() if line])


@program()
def host_openai_left(app: App) -> None:
    client = _at(app, "https://api.openai.com/v1")
    for chunk in client.chat.completions.create(**app.chat(stream=True)):
        if chunk.choices[0].finish_reason:
            break
    with client.chat.completions.create(**app.chat(stream=True)) as chunks:
        app.say(next(chunks).choices[0].delta.content)


@program()
def host_openai_bare_usage(app: App) -> None:
    """ROCm/ATOM 1711: a chunk of usage that has no choices at all, not even an empty list."""
    client = _at(app, "https://api.openai.com/v1", "bare_usage")
    for more in ({}, {"stream_options": {"include_usage": True}}):
        chunks = list(client.chat.completions.create(**app.chat(stream=True, **more)))
        app.say(len(chunks), [sorted(chunk.model_fields_set) for chunk in chunks])


@program("json", since=(1, 92))
def host_openai_helper(app: App) -> None:
    with _at(app, "https://api.openai.com/v1").chat.completions.stream(**app.chat()) as events:
        app.say([event.type for event in events], events.get_final_completion().usage)


@program()
def host_mistral(app: App) -> None:
    client = _at(app, "https://api.mistral.ai/v1", "strict422")
    _see(app, client)
    _see(app, client, stream_options={"include_usage": True})


@program()
def host_openrouter(app: App) -> None:
    """Tells its usage unasked: the application has always seen that chunk."""
    _see(app, _at(app, "https://openrouter.ai/api/v1", "chatty"))


@program()
def host_groq(app: App) -> None:
    _see(app, _at(app, "https://api.groq.com/openai/v1", "usage_in_last"))


@program()
def host_azure_old(app: App) -> None:
    _see(app, _azure(app, "2024-02-01", "azure400"))
    _see(app, _azure(app, "2023-05-15", "azure400"))


@program()
def host_azure_new(app: App) -> None:
    client = _azure(app, "2024-10-21", "azure_first")
    _see(app, client)
    _see(app, client, stream_options={"include_usage": True})


@program()
def host_azure_own_data(app: App) -> None:
    """With data sources, Azure refuses `stream_options` in every version."""
    client = _azure(app, "2024-10-21", "azure400")
    _see(app, client, extra_body={"data_sources": [{"type": "azure_search", "parameters": {}}]})


@program()
def host_gateway(app: App) -> None:
    """A team's own gateway may pass on to anyone."""
    _see(app, _at(app, "https://llm.example.com/v1", "strict422"))
    _see(app, _at(app, "https://api.openai.com.example.net/v1", "strict422"))
