// A service that calls a model for the tenant in its request's baggage. The span of each call says which:
//
//	OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 OPENAI_BASE_URL=https://api.openai.com/v1 OPENAI_API_KEY=… go run .
//	curl -H 'baggage: tenant.id=acme' 127.0.0.1:8080
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"go.opentelemetry.io/contrib/processors/baggagecopy"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

var tracer = otel.Tracer("service")

func isTenant(member baggage.Member) bool { return member.Key() == "tenant.id" }

func main() {
	exporter, err := otlptracehttp.New(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	provider := sdk.NewTracerProvider(
		sdk.WithSpanProcessor(baggagecopy.NewSpanProcessor(isTenant)), // as each span starts
		sdk.WithBatcher(exporter),
	)
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(
		propagation.TraceContext{}, propagation.Baggage{}))

	listener, err := net.Listen("tcp", "127.0.0.1:"+port())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	server := &http.Server{Handler: http.HandlerFunc(answer)}
	go server.Serve(listener)

	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	<-stop.Done()
	server.Shutdown(context.Background())
	provider.Shutdown(context.Background()) // sends what is left
}

func port() string {
	if named := os.Getenv("PORT"); named != "" {
		return named
	}
	return "8080"
}

func answer(response http.ResponseWriter, request *http.Request) {
	// An instrumentation of the server, such as otelhttp, does this too.
	ctx := otel.GetTextMapPropagator().Extract(request.Context(), propagation.HeaderCarrier(request.Header))
	ctx, span := tracer.Start(ctx, "GET", trace.WithSpanKind(trace.SpanKindServer))
	defer span.End()
	text, err := chat(ctx, "gpt-4o-mini", "What is new at "+request.URL.Path+"?")
	if err != nil {
		http.Error(response, err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprint(response, text)
}

type completion struct {
	ID      string `json:"id"`
	Model   string `json:"model"`
	Choices []struct {
		Message struct {
			Content string `json:"content"`
		} `json:"message"`
	} `json:"choices"`
	Usage struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
		Details          struct {
			CachedTokens int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	} `json:"usage"`
}

// chat asks a model, in a span by the conventions for GenAI: what an instrumentation does, where there is one.
func chat(ctx context.Context, model, prompt string) (string, error) {
	ctx, span := tracer.Start(ctx, "chat "+model, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("gen_ai.operation.name", "chat"),
		attribute.String("gen_ai.provider.name", "openai"),
		attribute.String("gen_ai.request.model", model),
	))
	defer span.End()
	done, err := complete(ctx, model, prompt)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		return "", err
	}
	span.SetAttributes(
		attribute.String("gen_ai.response.id", done.ID),
		attribute.String("gen_ai.response.model", done.Model),
		attribute.Int("gen_ai.usage.input_tokens", done.Usage.PromptTokens), // cached ones are part of them
		attribute.Int("gen_ai.usage.cache_read.input_tokens", done.Usage.Details.CachedTokens),
		attribute.Int("gen_ai.usage.output_tokens", done.Usage.CompletionTokens),
	)
	return done.Choices[0].Message.Content, nil
}

func complete(ctx context.Context, model, prompt string) (*completion, error) {
	asked, err := json.Marshal(map[string]any{
		"model":    model,
		"messages": []map[string]string{{"role": "user", "content": prompt}},
	})
	if err != nil {
		return nil, err
	}
	url := os.Getenv("OPENAI_BASE_URL") + "/chat/completions"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(asked))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the provider answered %s", response.Status)
	}
	done := new(completion)
	if err := json.NewDecoder(response.Body).Decode(done); err != nil {
		return nil, err
	}
	if len(done.Choices) == 0 {
		return nil, fmt.Errorf("the provider gave no answer")
	}
	return done, nil
}
