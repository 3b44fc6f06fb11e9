"""One case's calls with one release on; run by record.py in that release's environment."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
BASE = os.environ["OPENAI_BASE_URL"]
ROOT = BASE.removesuffix("/v1")
EXPORTER = OTLPSpanExporter(endpoint=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces")


def words(count: int, start: str) -> str:
    return f"{start} {'lorem ipsum ' * count}".strip()


# --- instrumentations: how each is turned on ---


def provider() -> TracerProvider:
    made = TracerProvider(resource=Resource.create({"service.name": "corpus-app"}))
    made.add_span_processor(SimpleSpanProcessor(EXPORTER))
    trace.set_tracer_provider(made)
    return made


INSTRUMENTORS = {
    "py-traceloop-openai": "opentelemetry.instrumentation.openai:OpenAIInstrumentor",
    "py-traceloop-anthropic": "opentelemetry.instrumentation.anthropic:AnthropicInstrumentor",
    "py-traceloop-bedrock": "opentelemetry.instrumentation.bedrock:BedrockInstrumentor",
    "py-traceloop-langchain": "opentelemetry.instrumentation.langchain:LangchainInstrumentor",
    "py-openinference-openai": "openinference.instrumentation.openai:OpenAIInstrumentor",
    "py-openinference-anthropic": "openinference.instrumentation.anthropic:AnthropicInstrumentor",
    "py-openinference-bedrock": "openinference.instrumentation.bedrock:BedrockInstrumentor",
    "py-openinference-langchain": "openinference.instrumentation.langchain:LangChainInstrumentor",
    "py-otel-google-genai": "opentelemetry.instrumentation.google_genai:GoogleGenAiSdkInstrumentor",
    "py-otel-openai-v2": "opentelemetry.instrumentation.openai_v2:OpenAIInstrumentor",
    "py-otel-botocore": "opentelemetry.instrumentation.botocore:BotocoreInstrumentor",
}


def turn_on(family: str) -> None:
    if family == "py-litellm":
        import litellm
        from litellm.integrations.opentelemetry import OpenTelemetry, OpenTelemetryConfig

        litellm.callbacks = [OpenTelemetry(config=OpenTelemetryConfig(exporter=EXPORTER))]
        return
    if family == "py-logfire-openai":
        import logfire

        logfire.configure(
            send_to_logfire=False,
            console=False,
            service_name="corpus-app",
            additional_span_processors=[SimpleSpanProcessor(EXPORTER)],
        )
        logfire.instrument_openai()
        return
    if family == "py-mlflow":
        os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = (
            os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces"
        )
        os.environ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] = "http/protobuf"
        import mlflow

        mlflow.openai.autolog()
        return
    if family == "py-langfuse":
        from langfuse import Langfuse

        made = provider()
        Langfuse(public_key="pk-lf-none", secret_key="sk-lf-none", host=ROOT, tracer_provider=made)
        return
    if family == "py-openlit":
        import openlit

        endpoint = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]
        openlit.init(otlp_endpoint=endpoint, disable_batch=True, disable_metrics=True)
        return
    made = provider()
    if family == "py-pydantic-ai":
        from pydantic_ai import Agent

        Agent.instrument_all()
    elif family in INSTRUMENTORS:
        module, _, name = INSTRUMENTORS[family].partition(":")
        getattr(importlib.import_module(module), name)().instrument(tracer_provider=made)


# --- clients: what each case calls ---


def openai_client(family: str) -> Any:
    if family == "py-langfuse":
        from langfuse.openai import OpenAI
    else:
        from openai import OpenAI
    return OpenAI(max_retries=0)


def openai(
    family: str, model: str, text: str, *, stream: bool = False, responses: bool = False
) -> object:
    client = openai_client(family)
    if responses:
        return client.responses.create(model=model, input=text).usage.total_tokens
    messages = [{"role": "user", "content": text}]
    if stream:
        options = {"include_usage": True}
        return len(
            list(
                client.chat.completions.create(
                    model=model, messages=messages, stream=True, stream_options=options
                )
            )
        )
    return client.chat.completions.create(model=model, messages=messages).usage.total_tokens


def claude(text: str, *, stream: bool = False) -> object:
    import anthropic

    client = anthropic.Anthropic(max_retries=0)
    asked: dict[str, Any] = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": text}],
    }
    if stream:
        return len(list(client.messages.create(stream=True, **asked)))
    return client.messages.create(**asked).usage.output_tokens


BEDROCK_MODEL = "us.anthropic.claude-3-7-sonnet-20250219-v1:0"


def bedrock(text: str, *, invoke: bool) -> object:
    import boto3

    client = boto3.client(
        "bedrock-runtime", endpoint_url=os.environ["BEDROCK_BASE_URL"], region_name="us-east-1"
    )
    if not invoke:
        content = [{"text": text}]
        return client.converse(
            modelId=BEDROCK_MODEL, messages=[{"role": "user", "content": content}]
        )["usage"]
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": text}],
    }
    answer = client.invoke_model(modelId=BEDROCK_MODEL, body=json.dumps(body))
    return json.loads(answer["body"].read())["usage"]["output_tokens"]


def gemini(text: str) -> object:
    from google import genai

    client = genai.Client(api_key="none", http_options={"base_url": os.environ["GEMINI_BASE_URL"]})
    answer = client.models.generate_content(model="gemini-2.5-flash", contents=text)
    return answer.usage_metadata.total_token_count


def adk(text: str) -> object:
    os.environ["GOOGLE_API_KEY"] = "none"
    os.environ["GOOGLE_GEMINI_BASE_URL"] = os.environ["GEMINI_BASE_URL"]
    from google.adk.agents import Agent
    from google.adk.runners import InMemoryRunner
    from google.genai import types

    agent = Agent(name="helper", model="gemini-2.5-flash", instruction="Answer.")
    runner = InMemoryRunner(agent=agent, app_name="corpus")

    async def run() -> int:
        session = await runner.session_service.create_session(app_name="corpus", user_id="u")
        asked = types.Content(role="user", parts=[types.Part(text=text)])
        events = [
            event
            async for event in runner.run_async(
                user_id="u", session_id=session.id, new_message=asked
            )
        ]
        return len(events)

    return asyncio.run(run())


def langchain(text: str) -> object:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model="gpt-4.1", max_retries=0).invoke(text).usage_metadata


def litellm(text: str, *, responses: bool = False, polls: int = 0) -> object:
    import litellm as client

    async def run() -> object:
        if not responses:
            messages = [{"role": "user", "content": text}]
            answer = await client.acompletion(
                model="openai/gpt-4.1", messages=messages, api_base=BASE
            )
            await asyncio.sleep(0.5)
            return answer.usage.total_tokens
        answer = await client.aresponses(model="openai/o4-mini", input=text, api_base=BASE)
        for _ in range(polls):
            await client.aget_responses(response_id=answer.id, api_base=BASE)
        await asyncio.sleep(0.5)
        return answer.usage.total_tokens

    return asyncio.run(run())


def pydantic_ai(text: str) -> object:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIModel as Model

    agent = Agent(Model("gpt-4.1"))
    return str(agent.run_sync(text))[:20]


def strands(text: str) -> object:
    from strands import Agent
    from strands.models.openai import OpenAIModel

    model = OpenAIModel(client_args={"api_key": "none", "base_url": BASE}, model_id="gpt-4.1")
    return str(Agent(model=model, callback_handler=None)(text))[:20]


CASES: dict[str, Callable[[str, str], object]] = {
    "chat": lambda family, provider: by_provider(family, provider, words(3, "chat")),
    "cached": lambda family, provider: by_provider(family, provider, words(91, "cached")),
    "stream": lambda family, provider: (
        claude(words(127, "stream"), stream=True)
        if "anthropic" in family
        else openai(family, "gpt-4.1", words(113, "stream"), stream=True)
    ),
    "reasoning": lambda family, provider: openai(family, "o4-mini", words(31, "reasoning")),
    "responses": lambda family, provider: openai(
        family, "gpt-5", words(131, "responses"), responses=True
    ),
    "converse": lambda family, provider: bedrock(words(101, "converse"), invoke=False),
    "invoke": lambda family, provider: bedrock(words(139, "invoke"), invoke=True),
    "adk": lambda family, provider: adk(words(5, "adk")),
    "adk-cached": lambda family, provider: adk(words(97, "adk")),
    "langchain": lambda family, provider: langchain(words(7, "chain")),
    "langchain-cached": lambda family, provider: langchain(words(103, "chain")),
    "litellm": lambda family, provider: litellm(words(9, "litellm")),
    "litellm-cached": lambda family, provider: litellm(words(107, "litellm")),
    "litellm-responses": lambda family, provider: litellm(words(37, "litellm"), responses=True),
    "litellm-poll": lambda family, provider: litellm(words(41, "litellm"), responses=True, polls=2),
    "pydantic-ai": lambda family, provider: pydantic_ai(words(11, "agent")),
    "pydantic-ai-cached": lambda family, provider: pydantic_ai(words(109, "agent")),
    "strands": lambda family, provider: strands(words(13, "agent")),
    "strands-cached": lambda family, provider: strands(words(117, "agent")),
}


def by_provider(family: str, provider: str, text: str) -> object:
    if "anthropic" in family:
        return claude(text)
    return (
        gemini(text)
        if "gemini" in family or "google-genai" in family
        else openai(family, "gpt-4.1", text)
    )


def main(arguments: Sequence[str]) -> None:
    name, case = arguments
    family = name.rpartition("-")[0]
    exception = returned = None
    turn_on(family)
    try:
        returned = CASES[case](family, "")
    except Exception as error:
        exception = f"{type(error).__name__}: {error}"[:300]
    for made in (trace.get_tracer_provider(),):
        flush = getattr(made, "force_flush", None)
        if flush is not None:
            flush()
    print(
        json.dumps(
            {
                "exception": exception,
                "returned": str(returned)[:80],
                "spans_started": None,
                "spans_never_ended": [],
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
