package graphs

import (
	"encoding/json"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/graphrun"
	"github.com/sendoff-dev/sendoff/internal/server/api"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// view is a run as its task says it stands, and its output when it has one.
func (s *Service) view(t *sendoff.Task) (*api.GraphRun, *graphrun.Output) {
	run := &api.GraphRun{
		ID: t.ID, State: stateOf(t), Graph: t.Name, Schedule: t.Schedule, RetryOf: t.Labels[retryOf], CreatedAt: t.CreatedAt,
		FinishedAt: timeOrNil(t.FinishedAt), Labels: map[string]string{}, Cleanups: []api.GraphCleanup{},
	}
	for k, v := range t.Labels {
		if k != retryOf {
			run.Labels[k] = v
		}
	}
	if t.Error != nil {
		run.Error = &api.GraphError{Phase: "run", Type: t.Error.Type, Message: t.Error.Message}
	} else if t.Final() && t.State != sendoff.StateSucceeded {
		run.Error = &api.GraphError{Phase: "run", Type: t.Reason, Message: t.LastError}
	}
	var out graphrun.Output
	if t.State != sendoff.StateSucceeded || json.Unmarshal(t.Result, &out) != nil {
		return run, nil
	}
	run.Goal, run.Reached, run.Partial, run.Passes, run.Exit = out.Goal, out.Reached, out.Partial, out.Passes, &out.Exit
	if run.State = "succeeded"; out.Exit != jobgraph.ExitReached {
		run.State = "failed"
	}
	if out.Error != nil {
		run.Error = &api.GraphError{Phase: "run", Type: out.Error.Type, Message: out.Error.Message}
	}
	for _, c := range out.Cleanups {
		call := api.GraphCleanup{Job: c.Job, Attempt: c.Attempt, Outcome: "pass"}
		if c.Error != nil {
			call.Outcome, call.Message = "fail", &c.Error.Message
			if run.Error == nil {
				run.Error = &api.GraphError{Phase: "cleanup", Type: c.Error.Type, Message: c.Error.Message}
			}
		}
		run.Cleanups = append(run.Cleanups, call)
	}
	return run, &out
}

// stateOf is the state of a run by that of its task.
func stateOf(t *sendoff.Task) string {
	switch t.State {
	case sendoff.StateRunning, sendoff.StateSuspended:
		return "running"
	case sendoff.StateSucceeded, sendoff.StateFailed, sendoff.StateCanceled:
		return string(t.State)
	}
	if !t.StartedAt.IsZero() {
		return "running" // between two steps
	}
	return "queued"
}

// show adds the jobs to a run, and the time since the first of them began: the task of
// a run begins again each time that it learns something.
func show(run *api.GraphRun, jobs []graphrun.Job) {
	run.Jobs = jobsOf(jobs)
	for _, j := range jobs {
		if !j.Began.IsZero() && (run.StartedAt == nil || j.Began.Before(*run.StartedAt)) {
			run.StartedAt = timeOrNil(j.Began)
		}
		run.Partial = run.Partial || j.State == jobgraph.Succeeded
	}
	if run.StartedAt == nil {
		return
	}
	end := time.Now()
	if run.FinishedAt != nil {
		end = *run.FinishedAt
	}
	run.Duration = end.Sub(*run.StartedAt).Seconds()
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func jobsOf(jobs []graphrun.Job) []api.GraphJob {
	out := make([]api.GraphJob, len(jobs))
	for i, j := range jobs {
		result := jobgraph.JobResult{State: j.State, How: j.How}
		out[i] = api.GraphJob{
			Name: j.Name, Deps: j.Deps, Labels: j.Labels, State: string(j.State), Color: string(result.Color()),
			Attempts: j.Attempts, Checks: j.Checks, Runs: j.Runs, Rechecks: j.Rechecks, Reason: j.Reason, Duration: j.Duration,
			Result: j.Result, TaskID: j.TaskID,
		}
		if out[i].Deps == nil {
			out[i].Deps = []string{}
		}
		if j.How != "" {
			how := string(j.How)
			out[i].How = &how
		}
		if j.State == jobgraph.Failed && j.Error != nil {
			out[i].Error = &api.GraphError{Type: j.Error.Type, Message: j.Error.Message}
		}
		if out[i].Result == nil {
			out[i].Result = json.RawMessage("null")
		}
	}
	return out
}
