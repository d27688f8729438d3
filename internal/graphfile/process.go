package graphfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// process has a process task carried out. What it returns is its result, unless it is an
// [Answer].
func (c *call) process(ctx context.Context) (answer []byte, err error) {
	args, err := c.Process.Args.value(c.value)
	if err != nil {
		return nil, err
	}
	kwargs, err := c.Process.Kwargs.value(c.value)
	if err != nil {
		return nil, err
	}
	payload, err := json.Marshal(payload(args, kwargs))
	if err != nil {
		return nil, err
	}
	result, err := c.host.Process(ctx, c.Process.Target, payload, c.log)
	if err != nil || len(result) == 0 {
		return nil, err
	}
	if answer := answerIn(result); answer != nil {
		return answer, nil
	}
	var value any
	if err := json.Unmarshal(result, &value); err != nil {
		return nil, errors.Join(fmt.Errorf("the result of %s", c.Process.Target), err)
	}
	c.attempt.SetResult(value)
	return nil, nil
}

func payload(args, kwargs any) map[string]any {
	out := map[string]any{"args": []any{}, "kwargs": map[string]any{}}
	if args != nil {
		out["args"] = args
	}
	if kwargs != nil {
		out["kwargs"] = kwargs
	}
	return out
}
