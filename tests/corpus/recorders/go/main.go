// Makes one case's calls with one instrumentation on; see ../record.py. Usage: recorder list | INSTRUMENTATION CASE
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/firebase/genkit/go/ai"
	"github.com/firebase/genkit/go/genkit"
	oai "github.com/firebase/genkit/go/plugins/compat_oai/openai"
	"github.com/openai/openai-go"
	"github.com/openai/openai-go/option"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const tenant = "acme"

var errAbandoned = errors.New("abandoned")

// A call; texts have distinct lengths, so that every case has token counts of its own.
type call struct {
	model, text            string
	stream, usage, abandon bool
	embeddings, flow       bool
	retries, times         int
}

func words(count int, start string) string {
	return strings.TrimSpace(start + " " + strings.Repeat("lorem ipsum ", count))
}

var names = []string{
	"chat", "cached", "reasoning", "stream", "stream-no-usage", "embeddings", "error-500", "retry-429", "abandon",
	"disconnect", "parallel", "flow",
}

var cases = map[string]call{
	"chat":            {model: "gpt-4o-mini", text: words(4, "chat")},
	"cached":          {model: "gpt-4o", text: words(91, "cached")},
	"reasoning":       {model: "o3-mini", text: words(32, "reasoning")},
	"stream":          {model: "gpt-4o-mini", text: words(114, "stream"), stream: true, usage: true},
	"stream-no-usage": {model: "gpt-4o-mini", text: words(18, "silent"), stream: true},
	"embeddings":      {model: "text-embedding-3-small", text: words(24, "embed"), embeddings: true},
	"error-500":       {model: "gpt-4o-mini", text: words(6, "[500]")},
	"retry-429":       {model: "gpt-4o-mini", text: words(44, "[429]"), retries: 2},
	"abandon":         {model: "gpt-4o-mini", text: words(48, "[slow] abandon"), stream: true, usage: true, abandon: true},
	"disconnect":      {model: "gpt-4o-mini", text: words(54, "[disconnect]"), stream: true, usage: true},
	"parallel":        {model: "gpt-4o-mini", text: words(60, "parallel"), times: 3},
	"flow":            {model: "gpt-4.1", text: words(66, "flow"), flow: true, times: 2},
}

// The table: what is instrumented, and how it is called.
var table = map[string]struct {
	packages []string
	call     func(context.Context, call) (string, error)
}{
	"go-genkit-openai": {
		[]string{"github.com/firebase/genkit/go", "github.com/openai/openai-go"}, callGenkit,
	},
}

func callGenkit(ctx context.Context, one call) (string, error) {
	plugin := &oai.OpenAI{Opts: []option.RequestOption{
		option.WithBaseURL(os.Getenv("OPENAI_BASE_URL")), option.WithMaxRetries(one.retries),
	}}
	g := genkit.Init(ctx, genkit.WithPlugins(plugin))
	if one.flow {
		flow := genkit.DefineFlow(g, "answer", func(ctx context.Context, text string) (string, error) {
			return genkitCalls(ctx, g, one)
		})
		return flow.Run(ctx, one.text)
	}
	return genkitCalls(ctx, g, one)
}

// genkitCalls makes the case's calls: one after the other in a flow, else at once.
func genkitCalls(ctx context.Context, g *genkit.Genkit, one call) (string, error) {
	times := max(one.times, 1)
	answers, failures := make([]string, times), make([]error, times)
	var group sync.WaitGroup
	for n := range times {
		if one.flow {
			answers[n], failures[n] = genkitCall(ctx, g, one)
			continue
		}
		group.Go(func() { answers[n], failures[n] = genkitCall(ctx, g, one) })
	}
	group.Wait()
	return answers[times-1], errors.Join(failures...)
}

func genkitCall(ctx context.Context, g *genkit.Genkit, one call) (string, error) {
	if one.embeddings {
		answer, err := genkit.Embed(ctx, g, ai.WithEmbedderName("openai/"+one.model), ai.WithTextDocs(one.text))
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d embeddings", len(answer.Embeddings)), nil
	}
	config := openai.ChatCompletionNewParams{User: openai.String(tenant)}
	if one.usage {
		config.StreamOptions.IncludeUsage = openai.Bool(true)
	}
	options := []ai.GenerateOption{
		ai.WithModelName("openai/" + one.model), ai.WithPrompt(one.text), ai.WithConfig(config),
	}
	if one.stream {
		chunks := 0
		options = append(options, ai.WithStreaming(func(context.Context, *ai.ModelResponseChunk) error {
			if chunks++; one.abandon && chunks == 2 {
				return errAbandoned
			}
			return nil
		}))
	}
	answer, err := genkit.Generate(ctx, g, options...)
	if err != nil {
		return "", err
	}
	usage, err := json.Marshal(answer.Usage)
	return string(usage), err
}

// census counts the spans that start and end.
type census struct {
	sync.Mutex
	started int
	open    map[string]map[string]any
}

func (c *census) OnStart(_ context.Context, span sdktrace.ReadWriteSpan) {
	c.Lock()
	defer c.Unlock()
	c.started++
	c.open[span.SpanContext().SpanID().String()] = map[string]any{"name": span.Name(), "attributes": map[string]any{}}
}

func (c *census) OnEnd(span sdktrace.ReadOnlySpan) {
	c.Lock()
	defer c.Unlock()
	delete(c.open, span.SpanContext().SpanID().String())
}

func (c *census) Shutdown(context.Context) error   { return nil }
func (c *census) ForceFlush(context.Context) error { return nil }

func run(name, kase string) (map[string]any, error) {
	ctx := context.Background()
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, err
	}
	counts := &census{open: map[string]map[string]any{}}
	from, err := resource.New(ctx, resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, err
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(counts), sdktrace.WithBatcher(exporter), sdktrace.WithResource(from),
	)
	otel.SetTracerProvider(provider)
	returned, failure := table[name].call(ctx, cases[kase])
	if err := provider.Shutdown(ctx); err != nil {
		return nil, err
	}
	var exception any
	if failure != nil {
		exception = map[string]string{"type": fmt.Sprintf("%T", failure), "message": failure.Error()}
	}
	open := []map[string]any{}
	for _, span := range counts.open {
		open = append(open, span)
	}
	return map[string]any{
		"exception": exception, "returned": returned, "spans_started": counts.started, "spans_never_ended": open,
	}, nil
}

func list() map[string]any {
	versions := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			versions[module.Path] = module.Version
		}
	}
	told := map[string]any{}
	for name, about := range table {
		packages := map[string]string{}
		for _, path := range append(about.packages, "go.opentelemetry.io/otel/sdk") {
			packages[path] = versions[path]
		}
		told[name] = map[string]any{
			"cases": names, "notes": nil, "packages": packages, "provider": "openai", "runtime": runtime.Version(),
		}
	}
	return map[string]any{"instrumentations": told}
}

func main() {
	told := list()
	if len(os.Args) == 3 {
		var err error
		if told, err = run(os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		os.Exit(1)
	}
}
