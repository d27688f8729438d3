// Package otlp sends the spans of an engine to a receiver of OpenTelemetry, by OTLP over HTTP.
// Where to, and how many, the variables OTEL_... say, as they do for other programs. It is the
// only package that links OpenTelemetry: who embeds the engine has its spans without that.
package otlp

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Sender takes spans and sends them, some at a time. Safe for concurrent use.
type Sender struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	sampler  sdktrace.Sampler
}

// New returns a Sender to the receiver at base, whose traces are below at v1/traces; "" = the
// one of OTEL_EXPORTER_OTLP_ENDPOINT. nil when there is none, or traces are turned off. What
// cannot be sent is logged.
func New(ctx context.Context, base, version string, log *slog.Logger) (*Sender, error) {
	if !wanted(base, log) {
		return nil, nil //nolint:nilnil // nobody wants spans
	}
	var opts []otlptracehttp.Option
	if base != "" {
		to, err := Endpoint(base)
		if err != nil {
			return nil, err
		}
		opts = append(opts, otlptracehttp.WithEndpointURL(to))
	}
	exporter, err := otlptracehttp.New(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("send traces: %w", err)
	}
	host, _ := os.Hostname()
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "sendoff"), attribute.String("service.version", version), attribute.String("host.name", host)),
		resource.WithFromEnv()) // the last one wins
	if err != nil {
		log.Warn("OTEL_RESOURCE_ATTRIBUTES is not read whole", "err", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(seldom(log)))
	decides := sampler(log)
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about), sdktrace.WithIDGenerator(given{}), sdktrace.WithSampler(decides))
	log.Info("sending traces", "to", cmp.Or(base, os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")))
	return &Sender{provider, provider.Tracer("github.com/sendoff-dev/sendoff", trace.WithInstrumentationVersion(version)), decides}, nil
}

// Endpoint is where a receiver takes traces: below its base, unless that is the place already.
func Endpoint(base string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q: want the URL of a receiver, such as http://127.0.0.1:4318", base)
	}
	if !strings.HasSuffix(strings.TrimRight(u.Path, "/"), "/v1/traces") {
		u = u.JoinPath("v1/traces")
	}
	return u.String(), nil
}

// wanted tells whether somebody is to get spans.
func wanted(base string, log *slog.Logger) bool {
	var protocol, exporter string
	for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"} {
		protocol = cmp.Or(os.Getenv(name), protocol)
	}
	exporter = os.Getenv("OTEL_TRACES_EXPORTER")
	switch {
	case strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true"):
		return false
	case base != "":
		return true
	case os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "":
		return false
	case exporter != "" && exporter != "otlp":
		return false
	case protocol != "" && protocol != "http/protobuf":
		log.Warn("no traces are sent: this program speaks http/protobuf only; set --otlp to a receiver that does", "protocol", protocol)
		return false
	}
	return true
}

// seldom logs one error in a minute: a receiver that is away is away for each batch.
func seldom(log *slog.Logger) func(error) {
	var mu sync.Mutex
	var last time.Time
	return func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(last) > time.Minute {
			last = time.Now()
			log.Warn("traces are lost", "err", err)
		}
	}
}

// Close sends what is left, for some seconds at most.
func (s *Sender) Close() {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.provider.Shutdown(ctx); err != nil {
		otel.Handle(err)
	}
}
