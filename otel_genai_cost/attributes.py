"""Every attribute name read or written, in one table; the docs' attribute page is made from it.

Names without a source of their own are ours. `gen_ai.*` names follow the OpenTelemetry GenAI semantic
conventions (semantic-conventions-genai) and what `opentelemetry-util-genai` 1.x emits; older spellings
are marked so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["LABELS", "TABLE", "Attribute"]


class Attribute(NamedTuple):
    """One row of the table. `direction` is `read`, `written` or `both`."""

    name: str
    direction: str
    meaning: str


TABLE: list[Attribute] = []


def _name(name: str, direction: str, meaning: str) -> str:
    TABLE.append(Attribute(name, direction, meaning))
    return name


# --- for whom: baggage key = span attribute ---
TENANT_ID: Final = _name("tenant.id", "both", "the tenant the call was for")
TENANT_TOKEN: Final = _name(
    "tenant.token", "both", "in baggage only: what vouches for the tenant and its labels"
)
TENANT_PLAN: Final = _name("tenant.plan", "both", "the tenant's plan")
FEATURE: Final = _name("genai_cost.feature", "both", "the product feature the call served")
WORKFLOW: Final = _name("genai_cost.workflow", "both", "the workflow the call belongs to")
AGENT: Final = _name("genai_cost.agent", "both", "the agent that made the call")
ACTION: Final = _name("genai_cost.action", "both", "what the customer did once; default: the trace")
INITIATOR: Final = _name("genai_cost.initiator", "both", "`user` or `system`")

LABELS: Final[Mapping[str, str]] = {
    "plan": TENANT_PLAN,
    "feature": FEATURE,
    "workflow": WORKFLOW,
    "agent": AGENT,
    "action": ACTION,
}
"""The labels that have a column of their own in stores, reports and JSON, and the attribute and baggage key of each."""

# --- the cost, as trace UIs show it ---
GEN_AI_USAGE_COST: Final = _name(
    "gen_ai.usage.cost", "both", "double, USD, only if priced (Langfuse, OpenLIT, SigNoz read it)"
)
COST_TOTAL: Final = _name(
    "genai_cost.total", "written", "exact cost as a decimal string, only if priced"
)
COST_CURRENCY: Final = _name("genai_cost.currency", "written", "ISO 4217 code, unless USD")
COST_STATUS: Final = _name("genai_cost.status", "written", "priced, partial, unpriced or duplicate")
COST_REASON: Final = _name("genai_cost.reason", "written", "why a call is not simply priced")
COST_CHARGE_ID: Final = _name(
    "genai_cost.charge_id", "written", "the id `genai-cost explain` takes"
)
COST_REPORTED_ELSEWHERE: Final = _name(
    "genai_cost.reported_elsewhere", "written", "a foreign `gen_ai.usage.cost` found on the span"
)
COST_INPUT: Final = _name("genai_cost.input", "written", "profile full: cost of the input leaves")
COST_OUTPUT: Final = _name(
    "genai_cost.output", "written", "profile full: cost of the output leaves"
)
COST_PRICE_ID: Final = _name("genai_cost.price_id", "written", "profile full: the price row used")
COST_BOOK: Final = _name("genai_cost.book", "written", "profile full: sha256 of the price book")

# --- an entry of the ledger, as an event, and its sums, as metrics ---
LOG_RECORD_UID: Final = _name(
    "log.record.uid", "written", "event: the entry's id; one that comes twice is the same entry"
)
LEDGER_ID: Final = _name(
    "genai_cost.ledger.id", "written", "event and metric, on the resource: which ledger it is of"
)
ENTRY_SEQ: Final = _name(
    "genai_cost.entry.seq",
    "written",
    "event: the entry's number in its ledger, without gaps from 1",
)
ENTRY_REVISION: Final = _name(
    "genai_cost.entry.revision", "written", "event: how often the charge was posted before"
)
ENTRY_CAUSE: Final = _name("genai_cost.entry.cause", "written", "event: why it was posted")
ENTRY_AMOUNT: Final = _name(
    "genai_cost.entry.amount",
    "written",
    "event: what it adds to the charge, a signed decimal string; of an unpriced call 0, which is no price",
)
ENTRY_PRICE: Final = _name(
    "genai_cost.entry.price",
    "written",
    "event: what it adds to what the customer pays, a signed decimal string",
)
ENTRY_PRICE_CURRENCY: Final = _name(
    "genai_cost.entry.price_currency", "written", "event: the currency of the price"
)
ENTRY_CALLS: Final = _name(
    "genai_cost.entry.calls", "written", "event: +1, 0 or -1, so that sums count charges"
)
ENTRY_UNPRICED: Final = _name(
    "genai_cost.entry.unpriced", "written", "event: likewise of charges without a total"
)
ENTRY_INPUT_TOKENS: Final = _name(
    "genai_cost.entry.input_tokens", "written", "event: tokens in, signed"
)
ENTRY_OUTPUT_TOKENS: Final = _name(
    "genai_cost.entry.output_tokens", "written", "event: tokens out, signed"
)
ENTRY_SERVICE: Final = _name("genai_cost.service", "written", "event: the service that called")
ENTRY_MODEL: Final = _name(
    "genai_cost.model", "written", "event and metric: the model that the charge is for"
)
ENTRY_ABSENT: Final = _name("genai_cost.absent", "written", "event: why there is no tenant")
ENTRY_QUALITY: Final = _name("genai_cost.quality", "written", "event: of the usage")

GEN_AI_TOKEN_TYPE: Final = _name("gen_ai.token.type", "written", "metric: `input` or `output`")
OVERFLOW: Final = _name(
    "otel.metric.overflow",
    "written",
    "metric: `true` on the sums of all that have no series of their own",
)

# --- what was called ---
OPENAI_API_TYPE: Final = _name(
    "openai.api.type", "read", "`chat_completions` or `responses`, which count reasoning apart"
)
GEN_AI_OPERATION_NAME: Final = _name("gen_ai.operation.name", "both", "chat, embeddings, …")
GEN_AI_PROVIDER_NAME: Final = _name("gen_ai.provider.name", "both", "the provider")
GEN_AI_SYSTEM: Final = _name("gen_ai.system", "read", "the provider, before semconv 1.37")
GEN_AI_REQUEST_MODEL: Final = _name("gen_ai.request.model", "both", "the model asked for")
GEN_AI_REQUEST_STREAM: Final = _name(
    "gen_ai.request.stream", "both", "whether a stream was asked for"
)
GEN_AI_RESPONSE_MODEL: Final = _name("gen_ai.response.model", "both", "the model that answered")
GEN_AI_RESPONSE_ID: Final = _name("gen_ai.response.id", "both", "the provider's id of the response")
GEN_AI_RESPONSE_FINISH_REASONS: Final = _name(
    "gen_ai.response.finish_reasons", "both", "why the model stopped"
)
GEN_AI_AGENT_NAME: Final = _name("gen_ai.agent.name", "read", "fall-back of genai_cost.agent")
GEN_AI_WORKFLOW_NAME: Final = _name(
    "gen_ai.workflow.name", "read", "fall-back of genai_cost.workflow"
)
GEN_AI_CONVERSATION_ID: Final = _name("gen_ai.conversation.id", "read", "the conversation")
SESSION_ID: Final = _name("session.id", "read", "the session")
USER_ID: Final = _name("user.id", "read", "the end user")
ENDUSER_ID: Final = _name("enduser.id", "read", "the end user, older spelling")
SERVER_ADDRESS: Final = _name("server.address", "both", "host of the provider's endpoint")
SERVER_PORT: Final = _name("server.port", "both", "port of the provider's endpoint")
ERROR_TYPE: Final = _name("error.type", "both", "class of the error that ended the call")
HTTP_RESPONSE_STATUS_CODE: Final = _name(
    "http.response.status_code", "both", "status of the reply that ended the call as an error"
)
REQUEST_SENT: Final = _name(
    "genai_cost.request.sent", "both", "`false`: no request left the process, so this is no call"
)
MODEL_ASKED: Final = _name(
    "genai_cost.request.model_asked",
    "both",
    "the model that was asked for first, where a library fell back to `gen_ai.request.model`",
)
UNFINISHED: Final = _name(
    "genai_cost.unfinished", "both", "`true`: the answer was left, or cut off, before its end"
)
ATTEMPTS: Final = _name("genai_cost.attempts", "both", "requests that the call took, if several")
ATTEMPTS_UNANSWERED: Final = _name(
    "genai_cost.attempts_unanswered",
    "both",
    "requests given up on and made anew, such as after a time-out: each may be billed",
)

ATTEMPT_STATUSES: Final = _name(
    "genai_cost.attempt_statuses",
    "written",
    "HTTP status of each of several requests, 0 where none came",
)

# --- what the gate said ---
GATE_DECISION: Final = _name(
    "genai_cost.gate.decision",
    "written",
    "what the gate said, unless `allow`: `warn`, `shrink`, `downgrade`, `pace`, `block`; or `cut`: the stream ended "
    "where what was held for it did",
)
GATE_SCOPE: Final = _name(
    "genai_cost.gate.scope", "written", "whose budget a blocked call met, or why it was blocked"
)

# --- how much ---
GEN_AI_USAGE_PREFIX: Final = "gen_ai.usage."
GEN_AI_USAGE_INPUT_TOKENS: Final = _name(
    "gen_ai.usage.input_tokens", "both", "all input tokens, cache reads and writes included"
)
GEN_AI_USAGE_OUTPUT_TOKENS: Final = _name(
    "gen_ai.usage.output_tokens", "both", "all output tokens, reasoning included"
)
GEN_AI_USAGE_PROMPT_TOKENS: Final = _name(
    "gen_ai.usage.prompt_tokens", "read", "input_tokens, before semconv 1.27"
)
GEN_AI_USAGE_COMPLETION_TOKENS: Final = _name(
    "gen_ai.usage.completion_tokens", "read", "output_tokens, before semconv 1.27"
)
GEN_AI_USAGE_CACHE_READ: Final = _name(
    "gen_ai.usage.cache_read.input_tokens", "both", "part of input read from the provider's cache"
)
GEN_AI_USAGE_CACHE_WRITE: Final = _name(
    "gen_ai.usage.cache_write.input_tokens", "both", "part of input written to the provider's cache"
)
GEN_AI_USAGE_CACHE_CREATION: Final = _name(
    "gen_ai.usage.cache_creation.input_tokens", "read", "cache_write, before util-genai 1.3"
)
GEN_AI_USAGE_AUDIO_CACHE_READ: Final = _name(
    "gen_ai.usage.audio.cache_read.input_tokens", "both", "audio part of the cache read"
)
GEN_AI_USAGE_AUDIO_INPUT: Final = _name(
    "gen_ai.usage.audio.input_tokens", "both", "audio part of input"
)
GEN_AI_USAGE_IMAGE_INPUT: Final = _name(
    "gen_ai.usage.image.input_tokens", "both", "image part of input"
)
GEN_AI_USAGE_VIDEO_INPUT: Final = _name(
    "gen_ai.usage.video.input_tokens", "both", "video part of input"
)
GEN_AI_USAGE_REASONING_TOKENS: Final = _name(
    "gen_ai.usage.reasoning_tokens", "read", "reasoning, as OpenLLMetry and OpenLIT spell it"
)
GEN_AI_USAGE_TOTAL_TOKENS: Final = _name(
    "gen_ai.usage.total_tokens", "read", "input and output together"
)
GEN_AI_USAGE_RAW: Final = _name(
    "gen_ai.usage.raw", "read", "the provider's own usage object, as JSON (Logfire)"
)
GEN_AI_OUTPUT_MESSAGES: Final = _name(
    "gen_ai.output.messages", "read", "only for signs of server tools"
)
GEN_AI_TOOL_DEFINITIONS: Final = _name(
    "gen_ai.tool.definitions", "read", "only for signs of server tools"
)
GEN_AI_USAGE_REASONING: Final = _name(
    "gen_ai.usage.reasoning.output_tokens", "both", "reasoning part of output"
)
GEN_AI_USAGE_AUDIO_OUTPUT: Final = _name(
    "gen_ai.usage.audio.output_tokens", "both", "audio part of output"
)
GEN_AI_USAGE_IMAGE_OUTPUT: Final = _name(
    "gen_ai.usage.image.output_tokens", "both", "image part of output"
)

USAGE_CACHE_WRITE_5M: Final = _name(
    "genai_cost.usage.cache_write_5m", "both", "part of the cache write that is kept for 5 minutes"
)
USAGE_CACHE_WRITE_1H: Final = _name(
    "genai_cost.usage.cache_write_1h", "both", "part of the cache write that is kept for an hour"
)
USAGE_WEB_SEARCHES: Final = _name(
    "genai_cost.usage.web_searches", "both", "searches that the provider made and bills"
)
USAGE_REQUESTS: Final = _name(
    "genai_cost.usage.requests", "both", "units that are billed by the request, such as rerankings"
)
USAGE_IMAGES: Final = _name("genai_cost.usage.images", "both", "images that were made")
USAGE_CHARACTERS: Final = _name("genai_cost.usage.characters", "both", "characters of text")
USAGE_PAGES: Final = _name("genai_cost.usage.pages", "both", "pages of documents")
USAGE_MEDIA_MS: Final = _name("genai_cost.usage.media_ms", "both", "milliseconds of audio or video")
USAGE_CITATION: Final = _name(
    "genai_cost.usage.citation", "both", "tokens of the sources that a research model read"
)
USAGE_INCOMPLETE: Final = _name(
    "genai_cost.usage.incomplete", "both", "`true`: more was used than the counts show"
)
ESTIMATE_INPUT: Final = _name(
    "genai_cost.estimate.input_tokens",
    "both",
    "where none were reported: at least, likely and, if it is bounded, at most",
)
ESTIMATE_OUTPUT: Final = _name(
    "genai_cost.estimate.output_tokens", "both", "likewise, of what had arrived"
)
ESTIMATE_METHOD: Final = _name(
    "genai_cost.estimate.method", "written", "the tokeniser that counted, or `bytes`"
)
PROVIDER_COST: Final = _name(
    "genai_cost.provider_cost", "both", "USD that the provider says it billed, a decimal string"
)

# --- under which conditions ---
SERVICE_TIER: Final = _name(
    "genai_cost.service_tier", "both", "the service tier that served the call, by other providers"
)
BATCH: Final = _name("genai_cost.batch", "both", "`true`: part of a batch")
SPEED: Final = _name("genai_cost.speed", "both", "the speed that served the call (Anthropic)")
INFERENCE_GEO: Final = _name(
    "genai_cost.inference_geo", "both", "where the provider says that it computed (Anthropic)"
)
SEARCH_CONTEXT_SIZE: Final = _name(
    "genai_cost.search_context_size", "both", "how much of a search was read (Perplexity)"
)
RESOLUTION: Final = _name(
    "genai_cost.resolution", "both", "the size of an image or a video, and the quality of an image"
)
REGION: Final = _name(
    "genai_cost.region", "both", "the provider's region, where the host does not say it"
)
OPENAI_REQUEST_SERVICE_TIER: Final = _name(
    "openai.request.service_tier", "both", "the service tier asked for"
)
OPENAI_RESPONSE_SERVICE_TIER: Final = _name(
    "openai.response.service_tier", "both", "the service tier that served the call"
)
GEN_AI_OPENAI_REQUEST_SERVICE_TIER: Final = _name(
    "gen_ai.openai.request.service_tier", "read", "older spelling"
)
GEN_AI_OPENAI_RESPONSE_SERVICE_TIER: Final = _name(
    "gen_ai.openai.response.service_tier", "read", "older spelling"
)

# --- the resource ---
SERVICE_NAME: Final = _name("service.name", "read", "the service that made the call")
SERVICE_INSTANCE_ID: Final = _name("service.instance.id", "read", "the process, where it is set")
DEPLOYMENT_ENVIRONMENT: Final = _name("deployment.environment.name", "read", "the environment")
DEPLOYMENT_ENVIRONMENT_OLD: Final = _name("deployment.environment", "read", "older spelling")
HOST_NAME: Final = _name("host.name", "read", "the host")
K8S_POD_NAME: Final = _name("k8s.pod.name", "read", "the pod")
CELL: Final = _name(
    "genai_cost.cell", "read", "the cell: processes that may tell of one response share one"
)
