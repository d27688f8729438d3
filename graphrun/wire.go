package graphrun

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// Input is what a run is begun with.
type Input struct {
	Definition    json.RawMessage `json:"definition,omitempty"` // for Config.Graph
	Inputs        map[string]any  `json:"inputs,omitempty"`
	Args          []any           `json:"args,omitempty"`
	Parallel      int             `json:"parallel,omitempty"`    // default 1
	Tries         int             `json:"tries,omitempty"`       // default 3
	RetryDelay    *time.Duration  `json:"retry_delay,omitempty"` // default 1 s; nanoseconds
	Only          []string        `json:"only,omitempty"`
	From          []string        `json:"from,omitempty"`
	Except        []string        `json:"except,omitempty"`
	StopAtFailure bool            `json:"stop_at_failure,omitempty"`

	// NoAct has each first Check called and nothing else, see [jobgraph.Config.NoAct].
	NoAct bool `json:"no_act,omitempty"`

	// Rev is the revision of the stored graph that Definition is, for people; 0 = of none.
	Rev int32 `json:"rev,omitempty"`

	// Done are jobs that a run before this one has done: they stay as they are.
	Done []Job `json:"done,omitempty"`

	// Shared is what the shared storage holds at first.
	Shared map[string]json.RawMessage `json:"shared,omitempty"`
}

func (in *Input) config() jobgraph.Config {
	c := jobgraph.Config{
		Inputs: in.Inputs, Args: in.Args, Parallel: in.Parallel, Tries: in.Tries, RetryDelay: in.RetryDelay,
		Only: in.Only, From: in.From, Except: in.Except, StopAtFailure: in.StopAtFailure, NoAct: in.NoAct,
	}
	for _, j := range in.Done {
		c.Done = append(c.Done, j.result())
	}
	return c
}

// Output is how a run ended: the fields of jobgraph's result, and what a run that
// goes on after it needs.
type Output struct {
	Goal     string                     `json:"goal"`
	Reached  bool                       `json:"reached"`
	Partial  bool                       `json:"partial"`
	Canceled bool                       `json:"canceled,omitempty"`
	Passes   int                        `json:"passes"`
	Exit     int                        `json:"exit"`
	Error    *Failure                   `json:"error,omitempty"` // why it ended before its jobs had
	Jobs     []Job                      `json:"jobs"`
	Cleanups []Cleanup                  `json:"cleanups"`
	Shared   map[string]json.RawMessage `json:"shared,omitempty"`
}

// Job is how a job ended.
type Job struct {
	Name     string            `json:"name"`
	Deps     []string          `json:"deps"`
	Labels   map[string]string `json:"labels,omitempty"`
	State    jobgraph.State    `json:"state"`
	How      jobgraph.How      `json:"how,omitempty"`
	Attempts int               `json:"attempts"`
	Checks   int               `json:"checks"`
	Runs     int               `json:"runs"`
	Rechecks int               `json:"rechecks"`
	Reason   string            `json:"reason,omitempty"`
	Error    *Failure          `json:"error,omitempty"`
	Result   json.RawMessage   `json:"result,omitempty"`
	Began    time.Time         `json:"began_at,omitzero"`
	Ended    time.Time         `json:"ended_at,omitzero"`
	Duration float64           `json:"duration"`          // seconds, of its attempts
	TaskID   string            `json:"task_id,omitempty"` // of its last attempt
}

// Cleanup is how a Cleanup ended.
type Cleanup struct {
	Job     string   `json:"job"`
	Attempt int      `json:"attempt"`
	Error   *Failure `json:"error,omitempty"`
}

// Failure is an error that came from elsewhere.
type Failure struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Stack   string `json:"trace,omitempty"`
	Means   string `json:"means,omitempty"` // cannot_tell, skip or run_only, "" for nothing more
}

// Error implements error.
func (f *Failure) Error() string { return f.Message }

// ErrorType is the type of the error where it happened.
func (f *Failure) ErrorType() string { return f.Type }

// Trace is where it happened, as far as that is known.
func (f *Failure) Trace() string { return f.Stack }

// failureOf makes an error ready to travel.
func failureOf(err error) *Failure {
	if err == nil {
		return nil
	}
	f := &Failure{Type: jobgraph.ErrorType(err), Message: err.Error(), Means: jobgraph.Meaning(err)}
	if traced, ok := errors.AsType[interface {
		error
		Trace() string
	}](err); ok {
		f.Stack = traced.Trace()
	}
	return f
}

// error is the failure as a call returned it.
func (f *Failure) error() error {
	switch {
	case f == nil:
		return nil
	case f.Means == jobgraph.MeansCannotTell:
		return jobgraph.CannotTell(f)
	case f.Means == jobgraph.MeansSkip:
		return jobgraph.Skip(f.Message)
	case f.Means == jobgraph.MeansRunOnly:
		return jobgraph.ErrRunOnly
	}
	return f
}

// jobOf and result translate how a job ended.
func jobOf(j jobgraph.JobResult) Job {
	out := Job{
		Name: j.Name, Deps: j.Deps, Labels: j.Labels, State: j.State, How: j.How, Attempts: j.Attempts, Checks: j.Checks, Runs: j.Runs, Rechecks: j.Rechecks,
		Reason: j.Reason, Error: failureOf(j.Err), Began: j.Began, Ended: j.Ended, Duration: j.Took.Seconds(),
	}
	out.Result, _ = j.Value.(json.RawMessage)
	return out
}

func (j *Job) result() jobgraph.JobResult {
	return jobgraph.JobResult{
		Name: j.Name, Deps: j.Deps, Labels: j.Labels, State: j.State, How: j.How, Attempts: j.Attempts, Checks: j.Checks, Runs: j.Runs, Rechecks: j.Rechecks,
		Reason: j.Reason, Err: j.Error.error(), Value: rawOrNil(j.Result), Began: j.Began, Ended: j.Ended, Took: time.Duration(j.Duration * float64(time.Second)),
	}
}

func rawOrNil(b json.RawMessage) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// JobGraph returns the output as package jobgraph has it, for its JSON, its drawing and
// its exit status.
func (o *Output) JobGraph() *jobgraph.Result {
	r := &jobgraph.Result{Goal: o.Goal, Reached: o.Reached, Partial: o.Partial, Passes: o.Passes}
	for i := range o.Jobs {
		r.Jobs = append(r.Jobs, o.Jobs[i].result())
	}
	for _, c := range o.Cleanups {
		r.Cleanups = append(r.Cleanups, jobgraph.CleanupResult{Job: c.Job, Attempt: c.Attempt, Err: c.Error.error()})
	}
	return r
}

// jobInput is what one attempt at a job is given.
type jobInput struct {
	Inputs  map[string]any             `json:"inputs,omitempty"`
	Args    []any                      `json:"args,omitempty"`
	Job     string                     `json:"job"`
	Attempt int                        `json:"attempt"`
	Local   map[string]json.RawMessage `json:"local,omitempty"`
	Shared  map[string]json.RawMessage `json:"shared,omitempty"`
	Results map[string]json.RawMessage `json:"results,omitempty"` // of the jobs below it
	NoAct   bool                       `json:"no_act,omitempty"`
}

// jobOutput is what it came to.
type jobOutput struct {
	Ending   jobgraph.Ending            `json:"ending"`
	Error    *Failure                   `json:"error,omitempty"`
	Reason   string                     `json:"reason,omitempty"`
	Checks   int                        `json:"checks"`
	Runs     int                        `json:"runs,omitempty"`
	Rechecks int                        `json:"rechecks,omitempty"`
	Result   json.RawMessage            `json:"result,omitempty"`
	Local    map[string]json.RawMessage `json:"local,omitempty"`
	Changed  map[string]json.RawMessage `json:"changed,omitempty"` // of the shared storage; null is deleted
	Began    time.Time                  `json:"began_at"`
	Took     time.Duration              `json:"took"`
}

// callEnd is how one call ended, as it is on record.
type callEnd struct {
	Error   *Failure                   `json:"error,omitempty"`
	Again   bool                       `json:"again,omitempty"` // a Run that was cut off, which the Check found done
	Result  json.RawMessage            `json:"result,omitempty"`
	Local   map[string]json.RawMessage `json:"local,omitempty"`
	Changed map[string]json.RawMessage `json:"changed,omitempty"`
	Output  string                     `json:"output,omitempty"` // the last of what it printed
	Cut     int64                      `json:"output_cut,omitempty"`
	Began   time.Time                  `json:"began_at"`
	Took    time.Duration              `json:"took"`
}

// encode makes values ready to travel. One that JSON cannot hold is an error that
// names its key.
func encode(values map[string]any) (map[string]json.RawMessage, error) {
	if len(values) == 0 {
		return nil, nil
	}
	out := make(map[string]json.RawMessage, len(values))
	for k, v := range values {
		b, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("storage %q: want a value that JSON can hold: %w", k, err)
		}
		out[k] = b
	}
	return out, nil
}

func decode(raw map[string]json.RawMessage) (map[string]any, error) {
	out := make(map[string]any, len(raw))
	for k, b := range raw {
		var v any
		if err := json.Unmarshal(b, &v); err != nil {
			return nil, fmt.Errorf("storage %q: %w", k, err)
		}
		out[k] = v
	}
	return out, nil
}
