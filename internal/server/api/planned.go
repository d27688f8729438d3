package api

import (
	"encoding/json"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/task"
)

// Planned reads the task of a schedule, which is stored as POST /v1/tasks takes it, in the
// words of accept. task.Invalid.
func Planned(text []byte) (accept.Submission, error) {
	var req CreateRequest
	if len(text) == 0 || kindOf(text) != "object" {
		return accept.Submission{}, task.Invalid{{Message: `is missing: want a task as POST /v1/tasks takes it, such as {"url":"http://host/path"}`}}
	}
	if fault := decode(text, &req); fault != nil {
		return accept.Submission{}, invalidOf(fault)
	}
	var bad task.Invalid
	sub := req.submission(&bad)
	accept.CheckPlanned(&bad, &sub)
	return sub, bad.Err()
}

func invalidOf(fault *problem.Problem) task.Invalid {
	var bad task.Invalid
	for _, e := range fault.Errors {
		bad = append(bad, task.FieldError{Field: e.Field, Message: e.Message})
	}
	if len(bad) == 0 {
		bad.Add("", "%s", fault.Detail)
	}
	return bad
}

// PlannedTask is the task of a schedule: as POST /v1/tasks takes it, or, with graph, as POST
// /v1/graph-runs does.
type PlannedTask struct {
	CreateRequest

	Graph         string         `json:"graph,omitempty" doc:"In place of a target: a run of the stored graph of this name is begun, as it is stored then. Beside it stand the fields that follow, queue and labels."`
	Inputs        map[string]any `json:"inputs,omitempty" doc:"Of graph: for the inputs that it declares."`
	Args          []any          `json:"args,omitempty" doc:"Of graph: positional arguments of the calls."`
	Parallel      int            `json:"parallel,omitempty" minimum:"1" maximum:"1000" default:"1" doc:"Of graph: jobs at a time."`
	Tries         int            `json:"tries,omitempty" minimum:"1" maximum:"1000" doc:"Of graph: attempts of jobs that name none; default what the graph says, or 3."`
	RetryDelay    string         `json:"retry_delay,omitempty" doc:"Of graph: from the start of an attempt to the next, of jobs that name none; default what the graph says, or 1s." example:"500ms"`
	Only          []string       `json:"only,omitempty" doc:"Of graph: these jobs, with all below them, are the goals."`
	From          []string       `json:"from,omitempty" doc:"Of graph: what these jobs stand on counts as done."`
	Except        []string       `json:"except,omitempty" doc:"Of graph: these jobs are left out and count as done."`
	StopAtFailure bool           `json:"stop_at_failure,omitempty" doc:"Of graph: begin nothing more once a job has failed."`
}

// PlannedRun reads the task of a schedule that begins runs of a stored graph, as POST
// /v1/graph-runs takes it. task.Invalid.
func PlannedRun(text []byte) (*NewGraphRun, error) {
	var other struct{ URL, Function, Process, Handler json.RawMessage }
	_ = json.Unmarshal(text, &other) // faults are found below
	for name, given := range map[string]json.RawMessage{"url": other.URL, "function": other.Function, "process": other.Process, "handler": other.Handler} {
		if given != nil {
			return nil, task.Invalid{{Field: "graph", Message: "exactly one target is needed: url, function, process, handler or graph; given: graph and " + name}}
		}
	}
	var in NewGraphRun
	if fault := decode(text, &in); fault != nil {
		bad := invalidOf(fault)
		for i := range bad {
			bad[i].Message = strings.Replace(bad[i].Message, unknownField, "does not go with graph: want inputs, args, parallel, tries, retry_delay, only, from, except, stop_at_failure, queue and labels", 1)
		}
		return nil, bad
	}
	return &in, in.check().Err()
}
