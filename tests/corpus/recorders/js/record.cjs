'use strict';
// Makes one case's calls with one instrumentation on; see record.py. Usage: node record.cjs list | INSTRUMENTATION CASE

const fs = require('node:fs');
const path = require('node:path');
const { metrics, trace } = require('@opentelemetry/api');

// --- cases: distinct text lengths, so that every case has token counts of its own ---

const TENANT = 'acme';
const words = (count, start) => `${start} ${'lorem ipsum '.repeat(count)}`.trim();
const TOOL = {
  type: 'function',
  function: { name: 'weather', description: 'The weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
};

const CASES = {
  chat: { model: 'gpt-4o-mini', text: words(3, 'chat') },
  cached: { model: 'gpt-4o', text: words(90, 'cached') },
  reasoning: { model: 'o4-mini', text: words(31, 'reasoning') },
  'tier-flex': { model: 'o4-mini', text: words(37, 'tier'), tier: 'flex' },
  stream: { model: 'gpt-4o-mini', text: words(113, 'stream'), stream: true, usage: true },
  'stream-no-usage': { model: 'gpt-4o-mini', text: words(17, 'silent'), stream: true },
  'stream-reasoning': { model: 'o4-mini', text: words(67, 'stream reasoning'), stream: true, usage: true },
  tools: { model: 'gpt-4.1', text: words(7, 'tools'), tools: true },
  embeddings: { model: 'text-embedding-3-small', text: words(23, 'embed'), api: 'embeddings' },
  responses: { model: 'gpt-5', text: words(131, 'responses'), api: 'responses' },
  'responses-stream': { model: 'gpt-4.1', text: words(151, 'responses stream'), api: 'responses', stream: true },
  'error-500': { model: 'gpt-4o-mini', text: words(5, '[500]') },
  'retry-429': { model: 'gpt-4o-mini', text: words(43, '[429]'), retries: 2 },
  abandon: { model: 'gpt-4o-mini', text: words(47, '[slow] abandon'), stream: true, usage: true, abandon: true },
  disconnect: { model: 'gpt-4o-mini', text: words(53, '[disconnect]'), stream: true, usage: true },
  parallel: { model: 'gpt-4o-mini', text: words(59, 'parallel'), times: 3 },
  'in-app': { model: 'gpt-4o-mini', text: words(71, 'in an application'), times: 2, app: true },
};

const CLAUDE_CASES = {
  chat: { model: 'claude-sonnet-4-5', text: words(5, 'chat') },
  cached: { model: 'claude-sonnet-4-5', text: words(97, 'cached') },
  stream: { model: 'claude-sonnet-4-5', text: words(127, 'stream'), stream: true },
  'stream-uncached': { model: 'claude-sonnet-4-5', text: words(19, 'stream'), stream: true },
  tools: { model: 'claude-sonnet-4-5', text: words(11, 'tools'), tools: true },
  'error-500': { model: 'claude-sonnet-4-5', text: words(9, '[500]') },
  'retry-429': { model: 'claude-sonnet-4-5', text: words(41, '[429]'), retries: 2 },
  abandon: { model: 'claude-sonnet-4-5', text: words(49, '[slow] abandon'), stream: true, abandon: true },
  disconnect: { model: 'claude-sonnet-4-5', text: words(57, '[disconnect]'), stream: true },
  parallel: { model: 'claude-sonnet-4-5', text: words(61, 'parallel'), times: 3 },
  'in-app': { model: 'claude-sonnet-4-5', text: words(73, 'in an application'), times: 2, app: true },
};

const BEDROCK_MODEL = 'us.anthropic.claude-3-7-sonnet-20250219-v1:0';
const BEDROCK_CASES = {
  converse: { text: words(5, 'converse') },
  'converse-cached': { text: words(101, 'converse') },
  invoke: { text: words(7, 'invoke'), api: 'invoke' },
  'invoke-cached': { text: words(139, 'invoke'), api: 'invoke' },
  'error-500': { text: words(9, '[500]') },
  parallel: { text: words(61, 'parallel'), times: 3 },
  'in-app': { text: words(73, 'in an application'), times: 2, app: true },
};

// --- clients: case -> what the application saw ---

async function drain(stream, kase) {
  let chunks = 0;
  for await (const _ of stream) if (++chunks === 2 && kase.abandon) break;
  return `${chunks} chunks`;
}

async function openaiCall(client, kase) {
  const common = { model: kase.model, user: TENANT, ...(kase.tier && { service_tier: kase.tier }) };
  if (kase.api === 'embeddings') return (await client.embeddings.create({ ...common, input: kase.text })).usage;
  if (kase.api === 'responses') {
    const answer = await client.responses.create({ ...common, input: kase.text, ...(kase.stream && { stream: true }) });
    return kase.stream ? drain(answer, kase) : answer.usage;
  }
  const messages = [{ role: 'user', content: kase.text }];
  const body = {
    ...common,
    messages,
    ...(kase.tools && { tools: [TOOL] }),
    ...(kase.stream && { stream: true }),
    ...(kase.usage && { stream_options: { include_usage: true } }),
  };
  const answer = await client.chat.completions.create(body);
  if (!kase.tools) return kase.stream ? drain(answer, kase) : answer.usage;
  const call = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Paris"}' } };
  messages.push({ role: 'assistant', content: null, tool_calls: [call] }, { role: 'tool', tool_call_id: 'call_1', content: 'sunny' });
  return (await client.chat.completions.create(body)).usage;
}

function openaiClient(wrap = (client) => client) {
  const { OpenAI } = require('openai');
  return async (kase) => {
    const client = wrap(new OpenAI({ maxRetries: kase.retries ?? 0 }));
    const answers = await Promise.all(Array.from({ length: kase.times ?? 1 }, () => openaiCall(client, kase)));
    return answers.at(-1);
  };
}

/** The SDK has spans of its own, on unless told otherwise. */
function anthropicClient(native) {
  const { Anthropic } = require('@anthropic-ai/sdk');
  return async (kase) => {
    const client = new Anthropic({ maxRetries: kase.retries ?? 0, ...(!native && { openTelemetry: false }) });
    const body = {
      model: kase.model,
      max_tokens: 500,
      metadata: { user_id: TENANT },
      messages: [{ role: 'user', content: kase.text }],
      ...(kase.tools && { tools: [{ name: 'weather', input_schema: TOOL.function.parameters }] }),
      ...(kase.stream && { stream: true }),
    };
    const answers = await Promise.all(Array.from({ length: kase.times ?? 1 }, () => client.messages.create(body)));
    if (!kase.tools) return kase.stream ? drain(answers[0], kase) : answers.at(-1).usage;
    body.messages.push(
      { role: 'assistant', content: [{ type: 'tool_use', id: 'call_1', name: 'weather', input: { city: 'Paris' } }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'call_1', content: 'sunny' }] },
    );
    return (await client.messages.create(body)).usage;
  };
}

function bedrockClient() {
  const { BedrockRuntimeClient, ConverseCommand, InvokeModelCommand } = require('@aws-sdk/client-bedrock-runtime');
  const { NodeHttpHandler } = require('@smithy/node-http-handler');
  return async (kase) => {
    const requestHandler = new NodeHttpHandler(); // by HTTP/1.1, as the stand-in speaks
    const client = new BedrockRuntimeClient({ endpoint: process.env.BEDROCK_BASE_URL, maxAttempts: 1, requestHandler });
    const content = [{ text: kase.text }];
    const body = {
      anthropic_version: 'bedrock-2023-05-31',
      max_tokens: 500,
      messages: [{ role: 'user', content: kase.text }],
    };
    const command = () =>
      kase.api === 'invoke'
        ? new InvokeModelCommand({ modelId: BEDROCK_MODEL, contentType: 'application/json', body: JSON.stringify(body) })
        : new ConverseCommand({ modelId: BEDROCK_MODEL, messages: [{ role: 'user', content }] });
    const answers = await Promise.all(Array.from({ length: kase.times ?? 1 }, () => client.send(command())));
    const answer = answers.at(-1);
    return answer.usage ?? JSON.parse(new TextDecoder().decode(answer.body)).usage;
  };
}

function langchainClient(callbacks = []) {
  const { ChatOpenAI, OpenAIEmbeddings } = require('@langchain/openai');
  const { AIMessage, HumanMessage, ToolMessage } = require('@langchain/core/messages');
  const configuration = { baseURL: process.env.OPENAI_BASE_URL };
  const options = { callbacks, metadata: { tenant: TENANT }, runName: 'answer' };
  return async (kase) => {
    const common = { model: kase.model, maxRetries: kase.retries ?? 0, configuration };
    if (kase.api === 'embeddings') return `${(await new OpenAIEmbeddings(common).embedQuery(kase.text)).length} numbers`;
    let model = new ChatOpenAI({
      ...common,
      streamUsage: Boolean(kase.usage),
      useResponsesApi: kase.api === 'responses',
      ...(kase.tier && { service_tier: kase.tier }),
      modelKwargs: { user: TENANT },
    });
    if (kase.tools) model = model.bindTools([TOOL]);
    const messages = [new HumanMessage(kase.text)];
    if (kase.stream) return drain(await model.stream(messages, options), kase);
    const answers = await Promise.all(Array.from({ length: kase.times ?? 1 }, () => model.invoke(messages, options)));
    if (!kase.tools) return answers.at(-1).usage_metadata;
    const call = { id: 'call_1', name: 'weather', args: { city: 'Paris' }, type: 'tool_call' };
    messages.push(new AIMessage({ content: '', tool_calls: [call] }), new ToolMessage({ content: 'sunny', tool_call_id: 'call_1' }));
    return (await model.invoke(messages, options)).usage_metadata;
  };
}

function vercelClient() {
  const { generateText, streamText, embed, tool } = require('ai');
  const { createOpenAI } = require('@ai-sdk/openai');
  const { z } = require('zod');
  const tools = { weather: tool({ description: 'The weather', inputSchema: z.object({ city: z.string() }) }) };
  return async (kase) => {
    const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL });
    const telemetry = { isEnabled: true, functionId: 'answer', metadata: { tenant: TENANT, userId: 'u-1' } };
    const common = { maxRetries: kase.retries ?? 0, experimental_telemetry: telemetry };
    if (kase.api === 'embeddings') {
      return (await embed({ ...common, model: openai.embedding(kase.model), value: kase.text })).usage;
    }
    const model = kase.api === 'responses' ? openai.responses(kase.model) : openai.chat(kase.model);
    const settings = {
      ...common,
      model,
      prompt: kase.text,
      providerOptions: { openai: { user: TENANT, ...(kase.tier && { serviceTier: kase.tier }) } },
      ...(kase.tools && { tools }),
    };
    if (kase.stream) return drain(streamText({ ...settings, onError() {} }).textStream, kase);
    const answers = await Promise.all(Array.from({ length: kase.times ?? 1 }, () => generateText(settings)));
    return answers.at(-1).usage;
  };
}

function genkitClient() {
  const { genkit } = require('genkit');
  const { openAI } = require('@genkit-ai/compat-oai/openai');
  return async (kase) => {
    const ai = genkit({
      plugins: [openAI({ apiKey: 'none', baseURL: process.env.OPENAI_BASE_URL, maxRetries: kase.retries ?? 0 })],
    });
    if (kase.api === 'embeddings') {
      return `${(await ai.embed({ embedder: openAI.embedder(kase.model), content: kase.text })).length} embeddings`;
    }
    const request = { model: openAI.model(kase.model), prompt: kase.text, config: { user: TENANT } };
    if (kase.stream) return drain(ai.generateStream(request).stream, kase);
    const answers = await Promise.all(Array.from({ length: kase.times ?? 1 }, () => ai.generate(request)));
    return answers.at(-1).usage;
  };
}

// --- tracing: one provider that counts the spans which start and never end ---

const open = new Map();
let started = null;
const census = {
  onStart(span) {
    started += 1;
    open.set(span.spanContext().spanId, span);
  },
  onEnd: (span) => open.delete(span.spanContext().spanId),
  forceFlush: async () => {},
  shutdown: async () => {},
};

function provide(...processors) {
  const { NodeTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-node');
  const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');
  const { resourceFromAttributes } = require('@opentelemetry/resources');
  started = 0;
  const exporting = processors.length ? [] : [new BatchSpanProcessor(new OTLPTraceExporter())];
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': process.env.OTEL_SERVICE_NAME }),
    spanProcessors: [census, ...processors, ...exporting],
  });
  provider.register();
  return provider;
}

/** An instrumentation whose hooks need no help: registered before its client is loaded. */
function hooked(instrumentation) {
  instrumentation.setTracerProvider(provide());
  instrumentation.setMeterProvider(metrics.getMeterProvider());
  instrumentation.enable();
}

const manager = () => require('@langchain/core/callbacks/manager');

function langfuse() {
  const { LangfuseSpanProcessor } = require('@langfuse/otel');
  const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');
  provide(new LangfuseSpanProcessor({ exporter: new OTLPTraceExporter(), publicKey: 'none', secretKey: 'none' }));
}

const OPENLIT_PRICES = {
  chat: { 'gpt-4o-mini': { promptPrice: 0.00015, completionPrice: 0.0006 }, 'gpt-4o': { promptPrice: 0.0025, completionPrice: 0.01 } },
  embeddings: { 'text-embedding-3-small': 0.00002 },
};

function openlit(options = {}) {
  require('openlit').default.init({
    ...options,
    otlpEndpoint: process.env.OTEL_EXPORTER_OTLP_ENDPOINT,
    applicationName: process.env.OTEL_SERVICE_NAME,
    disableMetrics: true,
    disableEvents: true,
    pricingJson: OPENLIT_PRICES,
  });
}

const ANTHROPIC = {
  'js-traceloop-anthropic': {
    packages: ['@traceloop/instrumentation-anthropic', '@anthropic-ai/sdk'],
    enable() {
      const { AnthropicInstrumentation } = require('@traceloop/instrumentation-anthropic');
      hooked(new AnthropicInstrumentation());
    },
  },
  'js-openinference-anthropic': {
    packages: ['@arizeai/openinference-instrumentation-anthropic', '@anthropic-ai/sdk'],
    enable() {
      const { AnthropicInstrumentation } = require('@arizeai/openinference-instrumentation-anthropic');
      new AnthropicInstrumentation({ tracerProvider: provide() }).manuallyInstrument(require('@anthropic-ai/sdk').default);
    },
  },
  'js-openlit-anthropic': {
    packages: ['openlit', '@anthropic-ai/sdk'],
    notes: 'pricingJson knows no Claude',
    enable: openlit,
  },
};

/** Each once without and once with the SDK's own spans. */
function anthropicRows() {
  const rows = Object.entries(ANTHROPIC).flatMap(([name, { enable, ...about }]) =>
    [false, true].map((native) => [
      native ? `${name}-plus-native` : name,
      {
        ...about,
        table: CLAUDE_CASES,
        start() {
          enable();
          return anthropicClient(native);
        },
      },
    ]),
  );
  return Object.fromEntries(rows);
}

// --- the table: name -> packages, set-up (returns the client to call), cases ---

const TABLE = {
  'js-otel-openai': {
    packages: ['@opentelemetry/instrumentation-openai', 'openai'],
    start() {
      const { OpenAIInstrumentation } = require('@opentelemetry/instrumentation-openai');
      hooked(new OpenAIInstrumentation());
      return openaiClient();
    },
  },
  'js-traceloop-openai': {
    packages: ['@traceloop/instrumentation-openai', 'openai'],
    start() {
      const { OpenAIInstrumentation } = require('@traceloop/instrumentation-openai');
      hooked(new OpenAIInstrumentation());
      return openaiClient();
    },
  },
  'js-traceloop-openai-enriched': {
    packages: ['@traceloop/instrumentation-openai', 'openai'],
    notes: 'enrichTokens: true',
    cases: ['chat', 'stream', 'stream-no-usage', 'abandon'],
    start() {
      const { OpenAIInstrumentation } = require('@traceloop/instrumentation-openai');
      hooked(new OpenAIInstrumentation({ enrichTokens: true }));
      return openaiClient();
    },
  },
  'js-openinference-openai': {
    packages: ['@arizeai/openinference-instrumentation-openai', 'openai'],
    start() {
      const { OpenAIInstrumentation } = require('@arizeai/openinference-instrumentation-openai');
      const instrumentation = new OpenAIInstrumentation({ tracerProvider: provide() });
      instrumentation.manuallyInstrument(require('openai'));
      return openaiClient();
    },
  },
  'js-langfuse-openai': {
    packages: ['@langfuse/openai', '@langfuse/otel', '@langfuse/tracing', 'openai'],
    start() {
      langfuse();
      const { observeOpenAI } = require('@langfuse/openai');
      return openaiClient((client) => observeOpenAI(client, { userId: 'u-1', generationMetadata: { tenant: TENANT } }));
    },
  },
  'js-openlit-openai': {
    packages: ['openlit', 'openai'],
    notes: "pricingJson with OpenAI's list prices of two chat models and one of embeddings",
    start() {
      openlit();
      return openaiClient();
    },
  },
  'js-openlit-openai-without-vllm': {
    packages: ['openlit', 'openai'],
    notes: "disabledInstrumentors: ['vllm']; pricingJson as in js-openlit-openai",
    start() {
      openlit({ disabledInstrumentors: ['vllm'] });
      return openaiClient();
    },
  },
  'js-langsmith-openai': {
    packages: ['langsmith', 'openai'],
    notes: 'initializeOTEL, wrapOpenAI',
    start() {
      Object.assign(process.env, {
        LANGSMITH_TRACING: 'true',
        LANGSMITH_OTEL_ENABLED: 'true',
        LANGSMITH_API_KEY: 'none',
        LANGSMITH_ENDPOINT: process.env.OTEL_EXPORTER_OTLP_ENDPOINT,
      });
      const { initializeOTEL } = require('langsmith/experimental/otel/setup');
      initializeOTEL({ globalTracerProvider: provide(), skipGlobalContextManagerSetup: true });
      const { wrapOpenAI } = require('langsmith/wrappers');
      const { Client } = require('langsmith');
      const langsmith = new Client();
      const call = openaiClient((client) => wrapOpenAI(client, { client: langsmith, metadata: { tenant: TENANT } }));
      return Object.assign(call, { finish: () => langsmith.awaitPendingTraceBatches() });
    },
  },
  'js-openinference-langchain': {
    packages: ['@arizeai/openinference-instrumentation-langchain', '@langchain/core', '@langchain/openai'],
    start() {
      const { LangChainInstrumentation } = require('@arizeai/openinference-instrumentation-langchain');
      new LangChainInstrumentation({ tracerProvider: provide() }).manuallyInstrument(manager());
      return langchainClient();
    },
  },
  'js-openinference-langchain-plus-openai': {
    packages: [
      '@arizeai/openinference-instrumentation-langchain', '@arizeai/openinference-instrumentation-openai',
      '@langchain/core', '@langchain/openai', 'openai',
    ],
    start() {
      const tracerProvider = provide();
      const { OpenAIInstrumentation } = require('@arizeai/openinference-instrumentation-openai');
      const { LangChainInstrumentation } = require('@arizeai/openinference-instrumentation-langchain');
      new OpenAIInstrumentation({ tracerProvider }).manuallyInstrument(require('openai'));
      new LangChainInstrumentation({ tracerProvider }).manuallyInstrument(manager());
      return langchainClient();
    },
  },
  'js-traceloop-langchain': {
    packages: ['@traceloop/instrumentation-langchain', '@langchain/core', '@langchain/openai'],
    start() {
      const { LangChainInstrumentation } = require('@traceloop/instrumentation-langchain');
      const instrumentation = new LangChainInstrumentation();
      instrumentation.setTracerProvider(provide());
      instrumentation.manuallyInstrument({ callbackManagerModule: manager() });
      return langchainClient();
    },
  },
  'js-langfuse-langchain': {
    packages: ['@langfuse/langchain', '@langfuse/otel', '@langfuse/tracing', '@langchain/core', '@langchain/openai'],
    start() {
      langfuse();
      const { CallbackHandler } = require('@langfuse/langchain');
      return langchainClient([new CallbackHandler({ userId: 'u-1', sessionId: 's-1' })]);
    },
  },
  'js-openlit-langchain': {
    packages: ['openlit', '@langchain/core', '@langchain/openai', 'openai'],
    notes: "pricingJson with OpenAI's list prices of two chat models and one of embeddings",
    start() {
      openlit();
      return langchainClient();
    },
  },
  'js-vercel-ai-v6-via-langfuse': {
    packages: ['@langfuse/otel', 'ai', '@ai-sdk/openai'],
    notes: "the AI SDK's own spans, through Langfuse's span processor",
    start() {
      langfuse();
      return vercelClient();
    },
  },
  'js-vercel-ai-v6-via-traceloop': {
    packages: ['@traceloop/node-server-sdk', 'ai', '@ai-sdk/openai'],
    notes: "the AI SDK's own spans, through Traceloop's span processor, which rewrites them",
    start() {
      const { createSpanProcessor, ALL_INSTRUMENTATION_LIBRARIES } = require('@traceloop/node-server-sdk');
      const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');
      provide(createSpanProcessor({ exporter: new OTLPTraceExporter(), allowedInstrumentationLibraries: ALL_INSTRUMENTATION_LIBRARIES }));
      return vercelClient();
    },
  },
  'js-genkit-openai': {
    packages: ['genkit', '@genkit-ai/compat-oai'],
    cases: [
      'chat', 'cached', 'reasoning', 'stream', 'stream-reasoning', 'embeddings', 'error-500', 'retry-429', 'abandon', 'disconnect',
      'parallel', 'in-app',
    ],
    start() {
      provide();
      return genkitClient();
    },
  },
  'js-anthropic-native': {
    packages: ['@anthropic-ai/sdk'],
    table: CLAUDE_CASES,
    start() {
      provide();
      return anthropicClient(true);
    },
  },
  ...anthropicRows(),
  'js-otel-aws-sdk': {
    packages: ['@opentelemetry/instrumentation-aws-sdk', '@aws-sdk/client-bedrock-runtime'],
    table: BEDROCK_CASES,
    start() {
      const { AwsInstrumentation } = require('@opentelemetry/instrumentation-aws-sdk');
      hooked(new AwsInstrumentation());
      return bedrockClient();
    },
  },
  'js-traceloop-bedrock': {
    packages: ['@traceloop/instrumentation-bedrock', '@aws-sdk/client-bedrock-runtime'],
    table: BEDROCK_CASES,
    start() {
      const { BedrockInstrumentation } = require('@traceloop/instrumentation-bedrock');
      hooked(new BedrockInstrumentation());
      return bedrockClient();
    },
  },
  'js-openinference-bedrock': {
    packages: ['@arizeai/openinference-instrumentation-bedrock', '@aws-sdk/client-bedrock-runtime'],
    table: BEDROCK_CASES,
    start() {
      const { BedrockInstrumentation } = require('@arizeai/openinference-instrumentation-bedrock');
      hooked(new BedrockInstrumentation());
      return bedrockClient();
    },
  },
};

// --- main ---

/** LangChain brings a newer `openai` of its own. */
function version(name, packages) {
  const own = path.join(__dirname, 'node_modules', '@langchain/openai', 'node_modules', name, 'package.json');
  const shared = path.join(__dirname, 'node_modules', name, 'package.json');
  const isOwn = packages.includes('@langchain/openai') && fs.existsSync(own);
  return JSON.parse(fs.readFileSync(isOwn ? own : shared, 'utf8')).version;
}

const COMMON = ['@opentelemetry/api', '@opentelemetry/sdk-trace-node', '@opentelemetry/exporter-trace-otlp-http'];

const PROVIDERS = new Map([[CASES, 'openai'], [CLAUDE_CASES, 'anthropic'], [BEDROCK_CASES, 'bedrock']]);

function list() {
  const instrumentations = {};
  for (const [name, { packages, notes = null, table = CASES, cases = Object.keys(table) }] of Object.entries(TABLE)) {
    const provider = PROVIDERS.get(table);
    const versions = Object.fromEntries([...packages, ...COMMON].map((one) => [one, version(one, packages)]));
    instrumentations[name] = { cases, notes, packages: versions, provider, runtime: `node ${process.version}` };
  }
  return { instrumentations };
}

const settle = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** In a span of the application, which says whom the call is for. */
function inApp(call) {
  const options = { attributes: { 'http.route': '/answer', 'tenant.id': TENANT } };
  return trace.getTracer('app').startActiveSpan('POST /answer', options, async (span) => {
    try {
      return await call();
    } finally {
      span.end();
    }
  });
}

async function run(name, title) {
  const call = await TABLE[name].start();
  const kase = (TABLE[name].table ?? CASES)[title];
  const outcome = { exception: null, returned: null };
  try {
    const answer = await (kase.app ? inApp(() => call(kase)) : call(kase));
    outcome.returned = JSON.stringify(answer) ?? null;
  } catch (error) {
    outcome.exception = { type: error.constructor.name, message: String(error.message).slice(0, 200) };
  }
  await settle(150);
  await call.finish?.();
  const provider = trace.getTracerProvider();
  await (provider.getDelegate?.() ?? provider).forceFlush?.();
  const left = [...open.values()].map((span) => ({ name: span.name, attributes: span.attributes }));
  return { ...outcome, spans_started: started, spans_never_ended: left };
}

async function main([name, title]) {
  const told = name === 'list' ? list() : await run(name, title);
  process.stdout.write(`\n${JSON.stringify(told)}\n`, () => process.exit(0));
}

main(process.argv.slice(2));
