package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/task"
)

// Tasks that depend on each other: each on the one before, so that every link is a settle
// and a claim of its own; or all on the first, whose end releases them in pages.
func depsCases() (cases []benchCase) {
	for name, depends := range map[string]func(n int) (up int){
		"burn-chain": func(n int) int { return n - 1 },
		"burn-fan":   func(int) int { return 0 },
	} {
		cases = append(cases, floors(name, func(group string) []benchCase {
			_, floor, _ := strings.Cut(group, "/")
			return []benchCase{{Group: group, Who: "sendoff", Beside: "burn/" + floor, N: 10_000, Short: 3_000, do: func(ctx context.Context, r *run) error {
				_, err := r.burnFilled(ctx, func(e *engine.Engine) error { return fillDepending(ctx, e, r.N, depends) }, func() (func(), error) { return func() {}, nil })
				return err
			}}}
		})...)
	}
	return cases
}

// fillDepending stores tasks in their order, which is that of what they depend on.
func fillDepending(ctx context.Context, e *engine.Engine, n int, depends func(n int) int) error {
	for first := 0; first < n; first += task.MaxBatch {
		subs := make([]engine.Task, min(task.MaxBatch, n-first))
		for i := range subs {
			subs[i] = local(nil)
			subs[i].ID, subs[i].Body = strconv.Itoa(first+i), payload
			if first+i > 0 {
				subs[i].DependsOn = []string{strconv.Itoa(depends(first + i))}
			}
		}
		if _, err := e.SubmitMany(ctx, subs, true); err != nil {
			return err
		}
	}
	return nil
}
