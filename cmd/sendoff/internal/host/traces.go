package host

import (
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/otlp"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Traces is where the spans of tasks go.
type Traces struct {
	OTLP string `name:"otlp" env:"SENDOFF_OTLP" placeholder:"URL" help:"Receiver of traces, by OTLP over HTTP, such as http://127.0.0.1:4318. Default: that of OTEL_EXPORTER_OTLP_ENDPOINT, if it is set."`
}

func (t *Traces) check() error {
	if t.OTLP == "" {
		return nil
	}
	if _, err := otlp.Endpoint(t.OTLP); err != nil {
		return term.Usage("--otlp %w", err)
	}
	return nil
}
