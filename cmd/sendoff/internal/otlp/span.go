package otlp

import (
	"context"
	"net/url"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/sendoff-dev/sendoff/engine"
)

// Send takes a span, and does not block.
func (s *Sender) Send(sp engine.Span) {
	ctx := context.WithValue(context.Background(), ids{}, sp)
	if trace.SpanID(sp.Parent).IsValid() {
		ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: sp.Trace, SpanID: trace.SpanID(sp.Parent), TraceFlags: trace.FlagsSampled, Remote: true,
		}))
	}
	_, span := s.tracer.Start(ctx, sp.Name+" "+sp.Kind, trace.WithTimestamp(sp.Start), trace.WithSpanKind(kind(&sp)), trace.WithAttributes(attributes(&sp)...))
	if !sp.Answered.IsZero() {
		span.AddEvent("answered", trace.WithTimestamp(sp.Answered))
	}
	if sp.Error != "" {
		span.SetStatus(codes.Error, sp.Error)
	}
	span.End(trace.WithTimestamp(sp.End))
}

// Records tells whether a trace that begins here is kept: the sampler decides by its id, on
// every node alike.
func (s *Sender) Records(id [16]byte) bool {
	return s.sampler.ShouldSample(sdktrace.SamplingParameters{ParentContext: context.Background(), TraceID: id}).Decision == sdktrace.RecordAndSample
}

func kind(sp *engine.Span) trace.SpanKind {
	switch sp.Name {
	case "accept":
		return trace.SpanKindProducer
	case "attempt":
		return trace.SpanKindClient
	}
	return trace.SpanKindInternal
}

// attributes are those that are set.
func attributes(sp *engine.Span) (all []attribute.KeyValue) {
	for _, a := range []struct{ name, value string }{
		{"sendoff.task.id", sp.TaskID},
		{"sendoff.task.name", sp.Label},
		{"sendoff.task.kind", sp.Kind},
		{"sendoff.queue", sp.Queue},
		{"sendoff.outcome", sp.Outcome},
		{"sendoff.state", sp.State},
		{"sendoff.reason", sp.Reason},
	} {
		if a.value != "" {
			all = append(all, attribute.String(a.name, a.value))
		}
	}
	for _, a := range []struct {
		name  string
		value int64
	}{{"sendoff.attempt", int64(sp.Attempt)}, {"sendoff.token", sp.Token}, {"http.response.status_code", int64(sp.Code)}} {
		if a.value != 0 {
			all = append(all, attribute.Int64(a.name, a.value))
		}
	}
	return append(all, target(sp)...)
}

// target is what is called; of a URL the host, for the rest can hold secrets.
func target(sp *engine.Span) []attribute.KeyValue {
	if sp.Kind != "http" {
		return []attribute.KeyValue{attribute.String("sendoff.target", sp.Target)}
	}
	u, err := url.Parse(sp.Target)
	if err != nil {
		return nil
	}
	return []attribute.KeyValue{attribute.String("server.address", u.Host)}
}

// ids is the key of the span in a context that tells given its ids.
type ids struct{}

// given makes no ids: the engine has chosen them, since others know them by now.
type given struct{}

func (given) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	sp, _ := ctx.Value(ids{}).(engine.Span)
	return sp.Trace, trace.SpanID(sp.ID)
}

func (given) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	sp, _ := ctx.Value(ids{}).(engine.Span)
	return trace.SpanID(sp.ID)
}
