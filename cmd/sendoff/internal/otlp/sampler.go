package otlp

import (
	"crypto/sha256"
	"log/slog"
	"os"
	"strconv"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// sampler is the one that OTEL_TRACES_SAMPLER names. That of the SDK cannot be used: it counts
// on bits of a trace's id being random that are the same in all ids of tasks.
func sampler(log *slog.Logger) sdktrace.Sampler {
	name := os.Getenv("OTEL_TRACES_SAMPLER")
	root, below := strings.CutPrefix(name, "parentbased_")
	of := sdktrace.AlwaysSample()
	switch root {
	case "", "always_on":
	case "always_off":
		of = sdktrace.NeverSample()
	case "traceidratio":
		of = even{sdktrace.TraceIDRatioBased(ratio(log))}
	default:
		log.Warn("all traces are sent: OTEL_TRACES_SAMPLER is none of always_on, always_off, traceidratio, and these with parentbased_", "sampler", name)
	}
	if below || name == "" {
		return sdktrace.ParentBased(of)
	}
	return of
}

func ratio(log *slog.Logger) float64 {
	text := os.Getenv("OTEL_TRACES_SAMPLER_ARG")
	if text == "" {
		return 1
	}
	r, err := strconv.ParseFloat(text, 64)
	if err != nil || r < 0 || r > 1 {
		log.Warn("all traces are sent: OTEL_TRACES_SAMPLER_ARG wants to be 0 to 1", "arg", text)
		return 1
	}
	return r
}

// even samples by ids that are spread evenly.
type even struct{ sdktrace.Sampler }

func (e even) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	sum := sha256.Sum256(p.TraceID[:])
	p.TraceID = trace.TraceID(sum[:16])
	return e.Sampler.ShouldSample(p)
}
