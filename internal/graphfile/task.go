package graphfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// TaskCall is a task that a [Host] carries out: exactly one of Process, Function and
// Handler is there.
type TaskCall struct {
	Process  string
	Function string
	Endpoint string // of Function
	Handler  string
	Payload  json.RawMessage

	Job  string
	Call jobgraph.Call
}

// name is what people call it by.
func (t *TaskCall) name() string { return t.Process + t.Function + t.Handler }

// task has a task carried out. What it returns is its result, unless it is an
// [Answer].
func (c *call) task(ctx context.Context) (answer []byte, err error) {
	t := &TaskCall{Process: c.Task.Process, Function: c.Task.Function, Handler: c.Task.Handler, Job: c.doc.Job, Call: c.doc.Call}
	if t.Endpoint, err = c.Task.Endpoint.String(c.value); err != nil {
		return nil, err
	}
	payload, err := c.payload()
	if err == nil {
		t.Payload, err = json.Marshal(payload)
	}
	if err != nil {
		return nil, err
	}
	result, err := c.host.Task(ctx, t, c.log)
	if err != nil || len(result) == 0 {
		return nil, err
	}
	if answer := answerIn(result); answer != nil {
		return answer, nil
	}
	var value any
	if err := json.Unmarshal(result, &value); err != nil {
		return nil, errors.Join(fmt.Errorf("the result of %s", t.name()), err)
	}
	c.attempt.SetResult(value)
	return nil, nil
}

// payload is what the task gets.
func (c *call) payload() (any, error) {
	if c.Task.Process == "" {
		if c.Task.Input == nil {
			return c.doc, nil
		}
		return c.Task.Input.value(c.value)
	}
	args, err := c.Task.Args.value(c.value)
	if err != nil {
		return nil, err
	}
	kwargs, err := c.Task.Kwargs.value(c.value)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"args": []any{}, "kwargs": map[string]any{}}
	if args != nil {
		out["args"] = args
	}
	if kwargs != nil {
		out["kwargs"] = kwargs
	}
	return out, nil
}
