"""Frameworks on top of the client, each called as its documentation says."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from tests.transparency.observed import MODEL, App, program


def _langchain(app: App, **more: Any) -> Any:
    kind = import_module("langchain_openai").ChatOpenAI
    return kind(model=MODEL, api_key="sk-test", base_url=app.base_url, max_retries=0, **more)


def _form() -> Any:
    return import_module("pydantic").create_model("Answer", answer=(str, ...))


@program()
def langchain(app: App) -> None:
    answer = _langchain(app).invoke("hello")
    app.say(answer, answer.content, dict(answer.usage_metadata), answer.response_metadata["id"])


@program()
def langchain_stream(app: App) -> None:
    for more in ({}, {"stream_usage": True}, {"stream_usage": False}):
        chunks = list(_langchain(app, **more).stream("hello"))
        app.say(len(chunks), [chunk.content for chunk in chunks])
        app.say([bool(chunk.usage_metadata) for chunk in chunks])


@program()
async def langchain_async(app: App) -> None:
    model = _langchain(app, stream_usage=True)
    app.say((await model.ainvoke("hello")).content)
    app.say([chunk.content async for chunk in model.astream("hello")])
    app.say([answer.content for answer in await model.abatch(["a", "b"])])


@program("json")
def langchain_structured(app: App) -> None:
    for method in ("json_schema", "json_mode"):
        model = _langchain(app).with_structured_output(_form(), method=method)
        app.say(model.invoke("hello as json").answer)


@program()
def langchain_embeddings(app: App) -> None:
    kind = import_module("langchain_openai").OpenAIEmbeddings
    made = kind(
        model="text-embedding-3-small",
        api_key="sk-test",
        base_url=app.base_url,
        check_embedding_ctx_length=False,
    )
    app.say(made.embed_query("hello"))


@program("json")
def instructor(app: App) -> None:
    library = import_module("instructor")
    client = library.from_openai(app.client(), mode=library.Mode.JSON)
    form = _form()
    app.say(client.chat.completions.create(**app.chat(), response_model=form).answer)
    answer, raw = client.chat.completions.create_with_completion(**app.chat(), response_model=form)
    app.say(answer.answer, raw, raw.usage.total_tokens)


@program("json")
def instructor_partial(app: App) -> None:
    library = import_module("instructor")
    client = library.from_openai(app.client(), mode=library.Mode.JSON)
    partials = client.chat.completions.create_partial(**app.chat(), response_model=_form())
    app.say([partial.answer for partial in partials])


@program("json")
async def instructor_async(app: App) -> None:
    library = import_module("instructor")
    async with app.async_client() as bare:
        client = library.from_openai(bare, mode=library.Mode.JSON)
        app.say((await client.chat.completions.create(**app.chat(), response_model=_form())).answer)
        partials = client.chat.completions.create_partial(**app.chat(), response_model=_form())
        app.say([partial.answer async for partial in partials])


def _place(app: App) -> dict[str, Any]:
    return {"api_base": app.base_url, "api_key": "sk-test", "num_retries": 0}


def _litellm(app: App, **more: Any) -> dict[str, Any]:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    wanted = {"model": f"openai/{MODEL}", **_place(app)}
    return {**wanted, "messages": [{"role": "user", "content": "hello"}], **more}


@program()
def litellm(app: App) -> None:
    options = _litellm(app)
    library = import_module("litellm")
    answer = library.completion(**options)
    app.say(answer, answer.choices[0].message.content, answer.usage.total_tokens)
    for more in ({}, {"stream_options": {"include_usage": True}}):
        chunks = library.completion(**options, stream=True, **more)
        app.say(chunks, [chunk.choices[0].delta.content for chunk in chunks if chunk.choices])
    made = library.embedding("openai/text-embedding-3-small", ["a"], **_place(app))
    app.say(made, made.usage.prompt_tokens)
    library.utils.executor.shutdown()  # how many threads log for it is a matter of timing


@program()
async def litellm_async(app: App) -> None:
    options = _litellm(app)
    library = import_module("litellm")
    app.say((await library.acompletion(**options)).usage.total_tokens)
    chunks = await library.acompletion(**options, stream=True)
    app.say(chunks, [chunk.choices[0].delta.content async for chunk in chunks if chunk.choices])


def _agents(app: App, client: Any) -> tuple[Any, Any]:
    library = import_module("agents")
    library.set_tracing_disabled(True)
    model = library.OpenAIChatCompletionsModel(model=MODEL, openai_client=client)
    return library.Runner, library.Agent(name="helper", instructions="help", model=model)


@program()
async def agents_chat(app: App) -> None:
    async with app.async_client() as client:
        runner, agent = _agents(app, client)
        result = await runner.run(agent, "hello")
        app.say(result.final_output, result.context_wrapper.usage.total_tokens)


@program()
async def agents_streamed(app: App) -> None:
    async with app.async_client() as client:
        runner, agent = _agents(app, client)
        result = runner.run_streamed(agent, "hello")
        app.say([event.type async for event in result.stream_events()])
        app.say(result.final_output)


@program()
async def agents_responses(app: App) -> None:
    async with app.async_client() as client:
        library = import_module("agents")
        library.set_tracing_disabled(True)
        model = library.OpenAIResponsesModel(model=MODEL, openai_client=client)
        agent = library.Agent(name="helper", instructions="help", model=model)
        result = await library.Runner.run(agent, "hello")
        app.say(result.final_output, result.context_wrapper.usage.total_tokens)
