package graphrun

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// Call is a call of a job that has ended, as it is on record.
type Call struct {
	Attempt int
	Call    jobgraph.Call
	Error   *Failure  // nil = it passed
	Again   bool      // a Run that was cut off, which the Check found done
	Output  string    // the last 16 KiB of what it printed
	Cut     int64     // how many bytes of the output are not in Output, the first ones
	Began   time.Time // when it was made
	Took    time.Duration
	TaskID  string // of its attempt
}

// Calls returns the calls of a job in a run that have ended, in their order, the cleanups
// last. None is there any more once the tasks of the run have been deleted.
func (r *Runner) Calls(ctx context.Context, run, job string) ([]Call, error) {
	client := r.client()
	if client == nil {
		return nil, errNoEndpoint
	}
	attempts, err := tasksOf(ctx, client, sendoff.Filter{Root: run, Function: r.job.Name(), Name: job})
	if err != nil {
		return nil, err
	}
	calls := []Call{}
	for n, t := range attempts {
		if calls, err = addCalls(ctx, client, calls, t, n+1); err != nil {
			return nil, err
		}
	}
	tidied, err := tasksOf(ctx, client, sendoff.Filter{Root: run, Function: r.tidy.Name(), Name: job + cleanupSuffix})
	if err != nil {
		return nil, err
	}
	for _, t := range tidied {
		if calls, err = addCalls(ctx, client, calls, t, 0); err != nil {
			return nil, err
		}
	}
	return calls, nil
}

// cleanupSuffix makes the name of a task that cleans up of that of the job.
const cleanupSuffix = " cleanup"

// tasksOf lists tasks of a run, the oldest first.
func tasksOf(ctx context.Context, client *sendoff.Client, f sendoff.Filter) (tasks []*sendoff.Task, err error) {
	for t, err := range client.Tasks.List(ctx, f) {
		if err != nil {
			return nil, err
		}
		if !t.EarlierRun {
			tasks = append(tasks, t)
		}
	}
	slices.SortFunc(tasks, func(a, b *sendoff.Task) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return tasks, nil
}

// addCalls adds the calls of one attempt, or of one cleanup. Which attempt that is, is in
// its payload: attempt is for those that are in order.
func addCalls(ctx context.Context, client *sendoff.Client, calls []Call, t *sendoff.Task, attempt int) ([]Call, error) {
	if attempt == 0 {
		full, err := client.Get(ctx, t.ID)
		if err != nil {
			return nil, err
		}
		var in jobInput
		if json.Unmarshal(full.Payload, &in) == nil {
			attempt = in.Attempt
		}
	}
	f := sendoff.StepFilter{Limit: 100}
	for {
		page, err := client.Tasks.Steps(ctx, t.ID, f)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			if c, is := callOf(&page.Items[i]); is {
				c.Attempt, c.TaskID = attempt, t.ID
				calls = append(calls, c)
			}
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			return calls, nil
		}
	}
}

// callOf is the call that a step is, if it is one that has ended.
func callOf(s *sendoff.StepRecord) (c Call, is bool) {
	switch c.Call = jobgraph.Call(s.Name); c.Call {
	case jobgraph.CallCheck, jobgraph.CallRun, jobgraph.CallRecheck, jobgraph.CallCleanup:
	default:
		return c, false
	}
	var end callEnd
	if s.State != sendoff.StateSucceeded || json.Unmarshal(s.Result, &end) != nil || end.Began.IsZero() {
		return c, false
	}
	c.Error, c.Again, c.Output, c.Cut, c.Began, c.Took = end.Error, end.Again, end.Output, end.Cut, end.Began, end.Took
	return c, true
}
