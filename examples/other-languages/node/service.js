// A service that calls a model for the tenant in its request's baggage. The span of each call says which:
//
//   npm install
//   OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317 OPENAI_API_KEY=… node service.js
//   curl -H 'baggage: tenant.id=acme' 127.0.0.1:8080

const { BaggageSpanProcessor } = require('@opentelemetry/baggage-span-processor');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-grpc');
const { registerInstrumentations } = require('@opentelemetry/instrumentation');
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');
const { OpenAIInstrumentation } = require('@opentelemetry/instrumentation-openai');
const { BatchSpanProcessor, NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');

const provider = new NodeTracerProvider({
  spanProcessors: [
    new BaggageSpanProcessor((key) => key === 'tenant.id'), // as each span starts
    new BatchSpanProcessor(new OTLPTraceExporter()),
  ],
});
provider.register(); // reads trace context and baggage of requests
registerInstrumentations({ instrumentations: [new HttpInstrumentation(), new OpenAIInstrumentation()] });

const http = require('node:http');
const { OpenAI } = require('openai');

const client = new OpenAI();
const server = http.createServer(async (request, response) => {
  const answer = await client.chat.completions.create({
    model: 'gpt-4o-mini',
    messages: [{ role: 'user', content: `What is new at ${request.url}?` }],
  });
  response.end(answer.choices[0].message.content);
});
server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

process.on('SIGTERM', async () => {
  server.close();
  await provider.shutdown(); // sends what is left
  process.exit(0);
});
