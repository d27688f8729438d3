package graphs

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff"
)

// ended keeps what the calls of the runs that were looked at last came to: it is not in
// listings, and who follows a run asks again and again. It is safe for concurrent use.
type ended struct {
	mu    sync.Mutex
	runs  map[string]map[string]end // by run, by call
	order []string                  // of the runs, the oldest first
}

// end is how a call ended, at a time: one that is tried again has another.
type end struct {
	at     time.Time
	result json.RawMessage
	fault  string
}

// keptRuns is how many runs.
const keptRuns = 8

// complete adds to a call of a run what listings do not have.
func (e *ended) complete(ctx context.Context, client *sendoff.Client, run string, c *sendoff.Task) error {
	e.mu.Lock()
	known, has := e.runs[run][c.ID]
	e.mu.Unlock()
	if !has || !known.at.Equal(c.FinishedAt) {
		full, err := client.Get(ctx, c.ID)
		if err != nil {
			return err
		}
		known = end{full.FinishedAt, full.Result, full.LastError}
		e.keep(run, c.ID, known)
	}
	c.Result, c.LastError = known.result, known.fault
	return nil
}

func (e *ended) keep(run, call string, known end) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.runs[run] == nil {
		if len(e.order) == keptRuns {
			delete(e.runs, e.order[0])
			e.order = e.order[1:]
		}
		if e.runs == nil {
			e.runs = map[string]map[string]end{}
		}
		e.runs[run] = map[string]end{}
		e.order = append(e.order, run)
	}
	e.runs[run][call] = known
}
