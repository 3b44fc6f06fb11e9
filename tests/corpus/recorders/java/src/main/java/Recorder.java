// Makes one case's calls with one instrumentation on; see record.py. Usage: Recorder list | INSTRUMENTATION CASE

import com.fasterxml.jackson.databind.ObjectMapper;
import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.http.StreamResponse;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import com.openai.models.embeddings.EmbeddingCreateParams;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.instrumentation.awssdk.v2_2.AwsSdkTelemetry;
import io.opentelemetry.instrumentation.openai.v1_1.OpenAITelemetry;
import io.opentelemetry.context.Context;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.ReadWriteSpan;
import io.opentelemetry.sdk.trace.ReadableSpan;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.SpanProcessor;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import java.net.URI;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.retry.RetryPolicy;
import software.amazon.awssdk.services.bedrockruntime.BedrockRuntimeClient;
import software.amazon.awssdk.services.bedrockruntime.model.ContentBlock;
import software.amazon.awssdk.services.bedrockruntime.model.Message;

public final class Recorder {
  private static final String TENANT = "acme";
  private static final String BEDROCK_MODEL = "us.anthropic.claude-3-7-sonnet-20250219-v1:0";

  private record Case(String model, String text, String api, int times, boolean inApp) {
    Case(String model, String text, String api) {
      this(model, text, api, 1, false);
    }
  }

  private interface Call {
    Object with(Case one) throws Exception;
  }

  private static String words(int count, String start) {
    return (start + " " + "lorem ipsum ".repeat(count)).trim();
  }

  // --- cases: distinct text lengths, so that every case has token counts of its own ---

  private static Map<String, Case> openaiCases() {
    Map<String, Case> cases = new LinkedHashMap<>();
    cases.put("chat", new Case("gpt-4o-mini", words(3, "chat"), "chat"));
    cases.put("cached", new Case("gpt-4o", words(90, "cached"), "chat"));
    cases.put("reasoning", new Case("o4-mini", words(31, "reasoning"), "chat"));
    cases.put("stream", new Case("gpt-4o-mini", words(113, "stream"), "stream"));
    cases.put("stream-no-usage", new Case("gpt-4o-mini", words(17, "silent"), "stream-no-usage"));
    cases.put("embeddings", new Case("text-embedding-3-small", words(23, "embed"), "embeddings"));
    cases.put("error-500", new Case("gpt-4o-mini", words(5, "[500]"), "chat"));
    cases.put("parallel", new Case("gpt-4o-mini", words(59, "parallel"), "chat", 3, false));
    cases.put("in-app", new Case("gpt-4o-mini", words(71, "in an application"), "chat", 2, true));
    return cases;
  }

  private static Map<String, Case> bedrockCases() {
    Map<String, Case> cases = new LinkedHashMap<>();
    cases.put("converse", new Case(BEDROCK_MODEL, words(5, "converse"), "converse"));
    cases.put("converse-cached", new Case(BEDROCK_MODEL, words(101, "converse"), "converse"));
    cases.put("invoke", new Case(BEDROCK_MODEL, words(7, "invoke"), "invoke"));
    cases.put("invoke-cached", new Case(BEDROCK_MODEL, words(139, "invoke"), "invoke"));
    cases.put("error-500", new Case(BEDROCK_MODEL, words(9, "[500]"), "converse"));
    cases.put("parallel", new Case(BEDROCK_MODEL, words(61, "parallel"), "converse", 3, false));
    cases.put("in-app", new Case(BEDROCK_MODEL, words(73, "in an application"), "converse", 2, true));
    return cases;
  }

  // --- clients: case -> what the application saw ---

  private static Call openai(OpenTelemetrySdk sdk) {
    OpenAIClient client =
        OpenAITelemetry.create(sdk)
            .wrap(
                OpenAIOkHttpClient.builder()
                    .apiKey("none")
                    .baseUrl(System.getenv("OPENAI_BASE_URL"))
                    .maxRetries(0)
                    .build());
    return one -> {
      if (one.api().equals("embeddings")) {
        EmbeddingCreateParams asked = EmbeddingCreateParams.builder().model(one.model()).input(one.text()).build();
        return client.embeddings().create(asked).usage().toString();
      }
      ChatCompletionCreateParams.Builder asked =
          ChatCompletionCreateParams.builder().model(one.model()).user(TENANT).addUserMessage(one.text());
      if (one.api().equals("chat")) {
        return client.chat().completions().create(asked.build()).usage().map(Object::toString).orElse(null);
      }
      if (one.api().equals("stream")) {
        asked.streamOptions(ChatCompletionStreamOptions.builder().includeUsage(true).build());
      }
      try (StreamResponse<ChatCompletionChunk> chunks = client.chat().completions().createStreaming(asked.build())) {
        return chunks.stream().count() + " chunks";
      }
    };
  }

  private static Call bedrock(OpenTelemetrySdk sdk) {
    BedrockRuntimeClient client =
        BedrockRuntimeClient.builder()
            .endpointOverride(URI.create(System.getenv("BEDROCK_BASE_URL")))
            .overrideConfiguration(
                told ->
                    told.retryPolicy(RetryPolicy.none())
                        .addExecutionInterceptor(AwsSdkTelemetry.create(sdk).createExecutionInterceptor()))
            .build();
    return one -> {
      if (one.api().equals("converse")) {
        Message message = Message.builder().role("user").content(ContentBlock.fromText(one.text())).build();
        return client.converse(asked -> asked.modelId(one.model()).messages(message)).usage().toString();
      }
      Map<String, Object> body =
          Map.of(
              "anthropic_version", "bedrock-2023-05-31",
              "max_tokens", 500,
              "messages", List.of(Map.of("role", "user", "content", one.text())));
      byte[] json = new ObjectMapper().writeValueAsBytes(body);
      SdkBytes answer =
          client
              .invokeModel(
                  asked -> asked.modelId(one.model()).contentType("application/json").body(SdkBytes.fromByteArray(json)))
              .body();
      return new ObjectMapper().readTree(answer.asByteArray()).get("usage").toString();
    };
  }

  // --- tracing: one provider that counts the spans which start and never end ---

  private static final AtomicInteger started = new AtomicInteger();
  private static final Map<String, ReadableSpan> open = new ConcurrentHashMap<>();

  private static final SpanProcessor CENSUS =
      new SpanProcessor() {
        @Override
        public void onStart(Context context, ReadWriteSpan span) {
          started.incrementAndGet();
          open.put(span.getSpanContext().getSpanId(), span);
        }

        @Override
        public boolean isStartRequired() {
          return true;
        }

        @Override
        public void onEnd(ReadableSpan span) {
          open.remove(span.getSpanContext().getSpanId());
        }

        @Override
        public boolean isEndRequired() {
          return true;
        }
      };

  private static SdkTracerProvider provider() {
    OtlpHttpSpanExporter exporter =
        OtlpHttpSpanExporter.builder()
            .setEndpoint(System.getenv("OTEL_EXPORTER_OTLP_ENDPOINT") + "/v1/traces")
            .build();
    return SdkTracerProvider.builder()
        .setResource(
            Resource.getDefault().toBuilder().put("service.name", System.getenv("OTEL_SERVICE_NAME")).build())
        .addSpanProcessor(CENSUS)
        .addSpanProcessor(BatchSpanProcessor.builder(exporter).build())
        .build();
  }

  // --- main ---

  private static Map<String, Object> about(String provider, Map<String, Case> cases, String instrumentation, String client) {
    Map<String, Object> told = new LinkedHashMap<>();
    told.put("cases", new ArrayList<>(cases.keySet()));
    told.put("notes", null);
    told.put("packages", Map.of(instrumentation, "2.31.1-alpha", client.split(" ")[0], client.split(" ")[1]));
    told.put("provider", provider);
    told.put("runtime", "java " + Runtime.version().feature());
    return told;
  }

  private static Object list() {
    Map<String, Object> table = new LinkedHashMap<>();
    table.put("java-otel-openai", about("openai", openaiCases(), "opentelemetry-openai-java-1.1", "openai-java 4.101.0"));
    table.put("java-otel-aws-sdk", about("bedrock", bedrockCases(), "opentelemetry-aws-sdk-2.2", "bedrockruntime 2.57.8"));
    return Map.of("instrumentations", table);
  }

  /** In a span of the application, where the case asks for one, which says whom the call is for. */
  private static Object called(OpenTelemetrySdk sdk, Call call, Case one) throws Exception {
    if (!one.inApp()) {
      return times(call, one);
    }
    Span span = sdk.getTracer("app").spanBuilder("POST /answer").setAttribute(AttributeKey.stringKey("tenant.id"), TENANT).startSpan();
    try (var scope = span.makeCurrent()) {
      return times(call, one);
    } finally {
      span.end();
    }
  }

  private static Object times(Call call, Case one) throws Exception {
    var pool = Context.taskWrapping(Executors.newFixedThreadPool(one.times()));
    try {
      List<Future<Object>> all = new ArrayList<>();
      for (int n = 0; n < one.times(); n++) {
        all.add(pool.submit(() -> call.with(one)));
      }
      Object last = null;
      for (Future<Object> each : all) {
        last = each.get();
      }
      return last;
    } finally {
      pool.shutdown();
    }
  }

  private static Object run(String name, String title) {
    SdkTracerProvider provider = provider();
    OpenTelemetrySdk sdk = OpenTelemetrySdk.builder().setTracerProvider(provider).build();
    boolean isBedrock = name.equals("java-otel-aws-sdk");
    Case one = (isBedrock ? bedrockCases() : openaiCases()).get(title);
    Map<String, Object> outcome = new LinkedHashMap<>();
    outcome.put("exception", null);
    outcome.put("returned", null);
    try {
      outcome.put("returned", String.valueOf(called(sdk, isBedrock ? bedrock(sdk) : openai(sdk), one)));
    } catch (Exception error) {
      Throwable cause = error.getCause() == null ? error : error.getCause();
      outcome.put("exception", Map.of("type", cause.getClass().getSimpleName(), "message", String.valueOf(cause.getMessage())));
    }
    provider.shutdown().join(10, java.util.concurrent.TimeUnit.SECONDS);
    List<Object> left = new ArrayList<>();
    open.values().forEach(span -> left.add(Map.of("name", span.getName(), "attributes", Map.of())));
    outcome.put("spans_started", started.get());
    outcome.put("spans_never_ended", left);
    return outcome;
  }

  public static void main(String[] arguments) throws Exception {
    Object told = arguments[0].equals("list") ? list() : run(arguments[0], arguments[1]);
    System.out.println("\n" + new ObjectMapper().writeValueAsString(told));
    System.exit(0);
  }
}
