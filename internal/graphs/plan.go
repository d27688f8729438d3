package graphs

import (
	"encoding/json"
	"errors"

	"github.com/sendoff-dev/sendoff/internal/graphfile"
	"github.com/sendoff-dev/sendoff/internal/server/api"
	"github.com/sendoff-dev/sendoff/task"
)

// Plan returns what makes the tasks of runs of stored graphs for schedules, which store
// them in transactions of their own: see PlanGraph of the engine's Config.
func Plan(cfg Config) (func(run, definition []byte, rev int32) ([]byte, error), error) {
	s, err := build(cfg)
	return s.plan, err
}

func (s *Service) plan(run, definition []byte, rev int32) ([]byte, error) {
	in, err := api.PlannedRun(run)
	if err != nil {
		return nil, err
	}
	input, err := inputOf(in, definition, rev)
	if err == nil {
		err = s.runner.Check(input)
	}
	if err != nil {
		return nil, unfit(in.Graph, err)
	}
	payload, err := json.Marshal(input)
	if err != nil {
		return nil, err
	}
	return json.Marshal(api.CreateRequest{
		Function: s.runner.RunFunction(), Endpoint: Endpoint, Payload: payload, Timeout: json.RawMessage(`"` + longest.String() + `"`),
		Name: in.Graph, Queue: in.Queue, Labels: in.Labels,
	})
}

// unfit says what is wrong with a run of a stored graph: what is asked for, or the graph.
func unfit(graph string, err error) error {
	if bad, ok := errors.AsType[task.Invalid](err); ok {
		return bad
	}
	var bad task.Invalid
	for _, f := range graphfile.Faults(err) {
		if f.Field == "inputs" {
			bad.Add(f.Field, "%s", f.Message)
			continue
		}
		bad.Add("graph", "is %q, of which no run can be made: %s", graph, f.Message)
	}
	return bad
}
