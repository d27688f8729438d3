package graphrun

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/jobgraph"
	"github.com/sendoff-dev/sendoff/task"
)

// Standing says how the jobs of a run stand, from the calls below it, while there is
// no Output.
func (r *Runner) Standing(run string, in Input, calls []*sendoff.Task) ([]Job, error) {
	g, err := r.graphFor(run, &in)
	if err != nil {
		return nil, err
	}
	b, err := g.Board(in.config())
	if err != nil {
		return nil, err
	}
	of := map[string][]*sendoff.Task{}
	for _, c := range calls {
		if c.Function == r.job.Name() && !c.EarlierRun {
			of[c.Name] = append(of[c.Name], c)
		}
	}
	states := map[string]jobgraph.State{}
	var jobs []Job
	for _, began := range b.Progress() {
		j := jobOf(began)
		if j.State == jobgraph.Running {
			j.State = jobgraph.Waiting
		}
		spec := g.Job(j.Name)
		tries := cmp.Or(spec.Tries, in.Tries, 3)
		if in.NoAct {
			tries = 1
		}
		j.stands(of[j.Name], tries)
		if j.State == jobgraph.Waiting && j.Attempts == 0 && spec.When == task.AllOK && slices.ContainsFunc(j.Deps, func(dep string) bool {
			return states[dep] == jobgraph.Failed || states[dep] == jobgraph.Blocked
		}) {
			j.State = jobgraph.Blocked
		}
		states[j.Name] = j.State
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// stands adds up the calls that were made for a job.
func (j *Job) stands(calls []*sendoff.Task, tries int) {
	slices.SortFunc(calls, func(a, b *sendoff.Task) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for _, c := range calls {
		j.Attempts++
		if j.Began.IsZero() {
			j.Began = c.CreatedAt
		}
		j.TaskID = c.ID
		if !c.Final() {
			j.State, j.Error, j.How = jobgraph.Running, nil, ""
			continue
		}
		j.Ended = c.FinishedAt
		j.ended(c)
		if j.State == jobgraph.Failed && j.Attempts < tries {
			j.State = jobgraph.Waiting
		}
	}
}

// ended takes in how one call ended.
func (j *Job) ended(c *sendoff.Task) {
	var out jobOutput
	if c.State != sendoff.StateSucceeded || json.Unmarshal(c.Result, &out) != nil {
		j.State, j.Error = jobgraph.Failed, &Failure{Type: string(c.State), Message: c.LastError}
		if c.State == sendoff.StateCanceled {
			j.State = jobgraph.Canceled
		}
		return
	}
	j.Checks += out.Checks
	j.Runs += out.Runs
	j.Rechecks += out.Rechecks
	j.Duration += out.Took.Seconds()
	j.Reason, j.Error, j.Result = out.Reason, out.Error, out.Result
	switch out.Ending {
	case jobgraph.EndedInPlace, jobgraph.EndedAchieved:
		j.State, j.How, j.Error = jobgraph.Succeeded, jobgraph.How(out.Ending), nil
	case jobgraph.EndedSkipped:
		j.State = jobgraph.Skipped
	case jobgraph.EndedCanceled:
		j.State = jobgraph.Canceled
	case jobgraph.EndedFailed:
		j.State = jobgraph.Failed
	}
}
