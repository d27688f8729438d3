package durable

import (
	"fmt"

	"github.com/sendoff-dev/sendoff/internal/journal"
)

// traceEntry prints an entry, when that is asked for.
func (r *Run) traceEntry(e *journal.Entry) {
	if r.host.Trace == nil {
		return
	}
	r.host.Trace(fmt.Sprintf("%s %s", r.info.ID, e))
}
