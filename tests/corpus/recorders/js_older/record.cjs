'use strict';
// Makes one case's calls with one release of the Vercel AI SDK; see record.py. Usage: node record.cjs list | NAME CASE

const { NodeTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-node');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const installed = require('./package.json').dependencies;

const RELEASES = ['4.3.19', '5.0.0', '5.0.277', '6.0.326'];
const root = (process.env.OPENAI_BASE_URL ?? '').replace(/\/v1$/, '');

// provider -> its package's factory, settings, and the model
const PROVIDERS = {
  openai: ['openai', 'createOpenAI', { baseURL: `${root}/v1`, apiKey: 'none' }, (made, kase) => (kase.responses ? made.responses('gpt-5') : made.chat(kase.reasoning ? 'o4-mini' : 'gpt-4.1'))],
  anthropic: ['anthropic', 'createAnthropic', { baseURL: `${root}/v1`, apiKey: 'none' }, (made) => made('claude-sonnet-4-5')],
  bedrock: ['amazon-bedrock', 'createAmazonBedrock', { baseURL: root, region: 'us-east-1', accessKeyId: 'none', secretAccessKey: 'none' }, (made) => made('us.anthropic.claude-3-7-sonnet-20250219-v1:0')],
  google: ['google', 'createGoogleGenerativeAI', { baseURL: `${root}/v1beta`, apiKey: 'none' }, (made) => made('gemini-2.5-flash')],
  xai: ['xai', 'createXai', { baseURL: `${root}/v1`, apiKey: 'none' }, (made) => (made.chat ?? made)('grok-4.20')],
};
const CASES = {
  chat: { length: 3 },
  cached: { length: 97 },
  stream: { length: 113, stream: true },
  reasoning: { length: 41, reasoning: true, only: 'openai' },
  responses: { length: 131, responses: true, only: 'openai' },
};
const SILENT = { bedrock: ['stream', 'cached'] }; // no event streams; what version 5 reads from the cache is lost, see FINDINGS.md

function table() {
  const rows = RELEASES.flatMap((release) =>
    Object.entries(PROVIDERS).map(([provider, [name]]) => {
      const packages = { ai: release, [`@ai-sdk/${name}`]: installed[`${name}-${release[0]}`].split('@').at(-1) };
      const cases = Object.keys(CASES).filter((c) => (CASES[c].only ?? provider) === provider && !SILENT[provider]?.includes(c));
      return [`js-vercel-ai-${release}-${provider}`, { cases, file: `js-vercel-ai-${release}`, provider, packages, runtime: `Node ${process.version}`, notes: null }];
    }),
  );
  return Object.fromEntries(rows);
}

async function main(name, caseName) {
  const [release, provider] = name.replace('js-vercel-ai-', '').split('-');
  const [packageName, factory, settings, modelOf] = PROVIDERS[provider];
  const kase = CASES[caseName];
  const tracing = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': process.env.OTEL_SERVICE_NAME }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  tracing.register();
  const { generateText, streamText } = require(`ai-${release}`);
  const made = require(`${packageName}-${release[0]}`)[factory](settings);
  const asked = {
    model: modelOf(made, kase),
    prompt: `${caseName} ${'lorem ipsum '.repeat(kase.length)}`.trim(),
    maxRetries: 0,
    experimental_telemetry: { isEnabled: true, functionId: 'answer' },
  };
  let exception = null;
  let returned = null;
  try {
    if (kase.stream) {
      const result = streamText({ ...asked, onError() {} });
      for await (const _ of result.textStream);
      returned = 'streamed';
    } else returned = JSON.stringify((await generateText(asked)).usage);
  } catch (error) {
    exception = `${error.name}: ${error.message}`.slice(0, 300);
  }
  await tracing.forceFlush();
  console.log(JSON.stringify({ exception, returned, spans_started: null, spans_never_ended: [] }));
}

if (process.argv[2] === 'list') console.log(JSON.stringify({ instrumentations: table() }));
else main(process.argv[2], process.argv[3]);
