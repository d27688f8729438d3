package graphs

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/graphrun"
	"github.com/sendoff-dev/sendoff/internal/server/api"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// Calls returns the calls of a job in a run that have ended, with what they printed.
func (s *Service) Calls(ctx context.Context, id, job string) ([]api.GraphCall, error) {
	t, err := s.task(ctx, id, 0)
	if err != nil {
		return nil, err
	}
	jobs, err := s.jobs(t)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(jobs, func(j graphrun.Job) bool { return j.Name == job }) {
		return nil, problem.New(http.StatusNotFound, "not_found", fmt.Sprintf("run %s has no job %q: GET /v1/graph-runs/%s names them", t.ID, job, t.ID))
	}
	calls, err := s.runner.Calls(ctx, t.ID, job)
	if err != nil {
		return nil, passed(err)
	}
	out := make([]api.GraphCall, len(calls))
	for i := range calls {
		out[i] = callView(job, &calls[i])
	}
	return out, nil
}

// jobs are those of a run. How they stand is not asked for: that reads each attempt.
func (s *Service) jobs(t *sendoff.Task) ([]graphrun.Job, error) {
	if _, out := s.view(t); out != nil {
		return out.Jobs, nil
	}
	in, err := begunWith(t)
	if err != nil {
		return nil, err
	}
	return s.runner.Standing(t.ID, in, nil)
}

func callView(job string, c *graphrun.Call) api.GraphCall {
	v := api.GraphCall{
		Job: job, Attempt: c.Attempt, Call: string(c.Call), Outcome: "pass", Output: c.Output, OutputCut: c.Cut,
		BeganAt: c.Began.UTC(), Duration: c.Took.Seconds(), TaskID: c.TaskID,
	}
	if c.Error != nil {
		v.Outcome, v.Message = "fail", &c.Error.Message
	}
	return v
}

// judge adds what a run would find, to one that has only asked.
func judge(run *api.GraphRun, out *graphrun.Output) {
	for i, j := range jobgraph.PlanOf(out.JobGraph()).Jobs {
		run.Jobs[i].Verdict, run.Jobs[i].WaitsFor = string(j.Verdict), j.WaitsFor
	}
}
