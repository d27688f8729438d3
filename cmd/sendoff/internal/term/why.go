package term

import (
	"context"

	"github.com/sendoff-dev/sendoff"
)

// Why is the flag of commands whose doings are in the audit.
type Why struct {
	Reason string `placeholder:"TEXT" help:"Why, for the audit."`
}

// Because returns a context in which things are done for that reason.
func (w *Why) Because(ctx context.Context) context.Context { return sendoff.WithReason(ctx, w.Reason) }
