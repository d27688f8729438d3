package graphs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/graphrun"
	"github.com/sendoff-dev/sendoff/internal/graphfile"
	"github.com/sendoff-dev/sendoff/internal/server/api"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/jobgraph"
	"github.com/sendoff-dev/sendoff/jobgraph/draw"
	"github.com/sendoff-dev/sendoff/task"
)

// retryOf is the label of a run that tries the failed jobs of another one again.
const retryOf = "sendoff.retry_of"

// Start begins a run.
func (s *Service) Start(ctx context.Context, in *api.NewGraphRun) (*api.GraphRun, error) {
	definition, rev, err := s.definition(ctx, in)
	if err != nil {
		return nil, err
	}
	run, err := inputOf(in, definition, rev)
	if _, invalid := errors.AsType[task.Invalid](err); err != nil && !invalid {
		err = wrong(err)
	}
	if err != nil {
		return nil, err
	}
	return s.begin(ctx, run, in, nil)
}

// inputOf is what a run is begun with. The error is of graphfile, or a task.Invalid.
func inputOf(in *api.NewGraphRun, definition []byte, rev int32) (graphrun.Input, error) {
	f, err := graphfile.Parse("definition", "", definition)
	if err != nil {
		return graphrun.Input{}, err
	}
	inputs, err := f.Values(in.Inputs)
	if err != nil {
		return graphrun.Input{}, err
	}
	run := graphrun.Input{
		Definition: definition, Rev: rev, Inputs: inputs, Args: in.Args, Parallel: in.Parallel, Tries: in.Tries, RetryDelay: f.RetryDelay,
		Only: in.Only, From: in.From, Except: in.Except, StopAtFailure: in.StopAtFailure,
		NoAct: in.NoAct,
	}
	if run.Tries == 0 {
		run.Tries = f.Tries
	}
	if in.RetryDelay != "" {
		d, err := task.ParseDuration(in.RetryDelay)
		if err != nil || d < 0 {
			return run, task.Invalid{{Field: "retry_delay", Message: fmt.Sprintf("is %q: want a duration such as 500ms, or seconds", in.RetryDelay)}}
		}
		run.RetryDelay = &d
	}
	return run, nil
}

// definition is the graph that is asked for, and its revision when it is a stored one.
func (s *Service) definition(ctx context.Context, in *api.NewGraphRun) ([]byte, int32, error) {
	switch {
	case in.Definition != nil:
		text, err := json.Marshal(in.Definition)
		return text, 0, err
	case in.Graph == "":
		return nil, 0, task.Invalid{{Field: "definition", Message: "is missing: want the graph, or the name of a stored one as graph"}}
	}
	g, err := s.client().Graphs.Get(ctx, in.Graph, 0)
	if sendoff.IsNotFound(err) {
		return nil, 0, task.Invalid{{Field: "graph", Message: fmt.Sprintf("is %q: no graph of this name is stored, and there is no definition", in.Graph)}}
	}
	if err != nil {
		return nil, 0, passed(err)
	}
	return g.Definition, int32(g.Rev), nil
}

// begin submits the task that is a run. Two runs of one graph wait for each other by
// the rule for duplicates.
func (s *Service) begin(ctx context.Context, run graphrun.Input, in *api.NewGraphRun, labels map[string]string) (*api.GraphRun, error) {
	t := sendoff.NewTask{Name: in.Graph, Queue: in.Queue, Labels: map[string]string{}, IdempotencyKey: in.IdempotencyKey}
	for _, m := range []map[string]string{in.Labels, labels} {
		maps.Copy(t.Labels, m)
	}
	if in.Graph != "" && !run.NoAct {
		t.DuplicateKey, t.OnDuplicate = api.GraphKey(in.Graph), sendoff.DuplicateSerial
		if in.OnRunning == "refuse" {
			t.OnDuplicate = sendoff.DuplicateDiscard
		}
	}
	made, err := s.runner.Start(ctx, run, t)
	switch {
	case err == nil && made.Dropped:
		return nil, problem.New(http.StatusConflict, "graph_running", fmt.Sprintf("run %s of graph %q goes on: wait for it, cancel it, or queue behind it with \"on_running\": \"queue\"", made.ID, in.Graph))
	case err != nil && isDefinition(err):
		return nil, wrong(err)
	case err != nil:
		return nil, passed(err)
	}
	return s.Get(ctx, made.ID, 0)
}

func isDefinition(err error) bool {
	for _, one := range graphfile.Mistakes(err) {
		switch one.(type) { //nolint:errorlint // what was joined is taken apart
		case *jobgraph.DefinitionError, *graphfile.Problem:
			return true
		}
	}
	return false
}

// Get returns a run, when it has ended or after a time.
func (s *Service) Get(ctx context.Context, id string, wait time.Duration) (*api.GraphRun, error) {
	run, _, _, err := s.load(ctx, id, wait)
	return run, err
}

// load reads a run: how it stands, what it was begun with, and how it ended, nil when it
// has not, or not by itself.
func (s *Service) load(ctx context.Context, id string, wait time.Duration) (*api.GraphRun, *graphrun.Input, *graphrun.Output, error) {
	t, err := s.task(ctx, id, wait)
	if err != nil {
		return nil, nil, nil, err
	}
	in, err := begunWith(t)
	if err != nil {
		return nil, nil, nil, err
	}
	run, out := s.view(t)
	run.NoAct, run.Rev = in.NoAct, in.Rev
	if out != nil {
		show(run, out.Jobs)
		if run.NoAct {
			judge(run, out)
		}
		return run, &in, out, nil
	}
	jobs, err := s.standing(ctx, run, &in)
	if err != nil {
		return nil, nil, nil, err
	}
	if run.FinishedAt == nil {
		if run.Paused, err = s.runner.Paused(ctx, t.ID); err != nil {
			return nil, nil, nil, passed(err)
		}
	}
	show(run, jobs)
	if n := len(jobs); n > 0 {
		run.Goal = jobs[n-1].Name
	}
	return run, &in, nil, nil
}

// begunWith is what a run was begun with.
func begunWith(t *sendoff.Task) (in graphrun.Input, err error) {
	if err = json.Unmarshal(t.Payload, &in); err != nil {
		err = fmt.Errorf("what run %s was begun with: %w", t.ID, err)
	}
	return in, err
}

// standing says how the jobs of a run stand that has no output.
// When the run has ended, what has not is canceled.
func (s *Service) standing(ctx context.Context, run *api.GraphRun, in *graphrun.Input) ([]graphrun.Job, error) {
	var calls []*sendoff.Task
	for c, err := range s.client().Tasks.List(ctx, sendoff.Filter{Root: run.ID, Function: s.runner.JobFunction()}) {
		if err == nil && c.Final() {
			err = s.ended.complete(ctx, s.client(), run.ID, c)
		}
		if err != nil {
			return nil, passed(err)
		}
		calls = append(calls, c)
	}
	jobs, err := s.runner.Standing(run.ID, *in, calls)
	if run.FinishedAt == nil {
		return jobs, err
	}
	for i := range jobs {
		if j := &jobs[i]; j.State == jobgraph.Waiting || j.State == jobgraph.Running {
			j.State = jobgraph.Canceled
		}
	}
	return jobs, err
}

// task is the task of a run.
func (s *Service) task(ctx context.Context, id string, wait time.Duration) (*sendoff.Task, error) {
	var t sendoff.Task
	q := url.Values{}
	if wait > 0 {
		q.Set("wait", wait.String())
	}
	if err := s.ask(ctx, http.MethodGet, "/v1/tasks/"+url.PathEscape(id), q, &t); err != nil {
		return nil, err
	}
	if t.Function != s.runner.RunFunction() {
		return nil, problem.New(http.StatusNotFound, "not_found", fmt.Sprintf("task %q is no run of a graph", id))
	}
	return &t, nil
}

// ask makes a request to the engine that the client has no method for.
func (s *Service) ask(ctx context.Context, method, path string, q url.Values, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://embedded"+path+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	res, err := (&http.Client{Transport: s.engine.Transport()}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		p := &problem.Problem{}
		if err := json.NewDecoder(res.Body).Decode(p); err != nil {
			return fmt.Errorf("%s %s: status %d", method, path, res.StatusCode)
		}
		return p
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// List returns runs, the newest first.
func (s *Service) List(ctx context.Context, graph, cursor string, limit int) ([]*api.GraphRun, string, error) {
	q := url.Values{"function": {s.runner.RunFunction()}, "limit": {strconv.Itoa(limit)}}
	if graph != "" {
		q.Set("name", graph)
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	var page struct {
		Items      []*sendoff.Task `json:"items"`
		NextCursor string          `json:"next_cursor"`
	}
	if err := s.ask(ctx, http.MethodGet, "/v1/tasks", q, &page); err != nil {
		return nil, "", err
	}
	runs := []*api.GraphRun{}
	for _, t := range page.Items {
		if t.Final() { // its result is not in listings
			full, err := s.task(ctx, t.ID, 0)
			if err != nil {
				return nil, "", err
			}
			t = full
		}
		run, out := s.view(t)
		if out != nil {
			show(run, out.Jobs)
		}
		run.Jobs, run.Cleanups = nil, nil
		runs = append(runs, run)
	}
	return runs, page.NextCursor, nil
}

// Cancel ends a run: what is under way ends, and the cleanups are called.
func (s *Service) Cancel(ctx context.Context, id string) (*api.GraphRun, error) {
	if _, err := s.task(ctx, id, 0); err != nil {
		return nil, err
	}
	if _, err := s.client().Tasks.Cancel(ctx, id); err != nil {
		return nil, passed(err)
	}
	return s.Get(ctx, id, 0)
}

// SetPaused has a run begin nothing more, or go on.
func (s *Service) SetPaused(ctx context.Context, id string, paused bool) (*api.GraphRun, error) {
	run, err := s.Get(ctx, id, 0)
	if err != nil {
		return nil, err
	}
	if run.FinishedAt != nil {
		return nil, problem.New(http.StatusConflict, "state_conflict", fmt.Sprintf("run %s has ended: it is %s", run.ID, run.State))
	}
	tell := s.runner.Resume
	if paused {
		tell = s.runner.Pause
	}
	if err := tell(ctx, run.ID); err != nil {
		return nil, passed(err)
	}
	run.Paused = paused
	return run, nil
}

// Retry runs a graph again, without what a run of it has done.
func (s *Service) Retry(ctx context.Context, id string) (*api.GraphRun, error) {
	run, in, out, err := s.load(ctx, id, 0)
	if err != nil {
		return nil, err
	}
	switch run.State {
	case "queued", "running":
		return nil, problem.New(http.StatusConflict, "state_conflict", fmt.Sprintf("run %s has not ended: cancel it first, or wait for it", run.ID))
	case "succeeded":
		return nil, problem.New(http.StatusConflict, "state_conflict", fmt.Sprintf("run %s has reached its goal: begin a new one", run.ID))
	}
	var jobs []graphrun.Job
	if out != nil {
		jobs, in.Shared = out.Jobs, out.Shared
	} else if jobs, err = s.standing(ctx, run, in); err != nil {
		return nil, err
	}
	in.Done = nil
	for _, j := range jobs {
		if j.State == jobgraph.Succeeded {
			j.Deps, j.Labels = nil, nil // the graph says so, and a payload is small
			in.Done = append(in.Done, j)
		}
	}
	return s.begin(ctx, *in, &api.NewGraphRun{Graph: run.Graph, Labels: run.Labels}, map[string]string{retryOf: run.ID})
}

// SVG draws a run.
func (s *Service) SVG(ctx context.Context, id string) ([]byte, error) {
	run, in, out, err := s.load(ctx, id, 0)
	if err != nil {
		return nil, err
	}
	if out == nil {
		jobs, err := s.standing(ctx, run, in)
		if err != nil {
			return nil, err
		}
		out = &graphrun.Output{Goal: run.Goal, Jobs: jobs}
	}
	var b bytes.Buffer
	err = draw.SVG(&b, out.JobGraph().Drawing(), draw.Options{})
	return b.Bytes(), err
}
