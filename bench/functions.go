package main

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sendoff-dev/sendoff"
	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// fnArgs is what a function gets; those of peers get the same.
type fnArgs struct {
	From  int    `json:"from"`
	Count int    `json:"count"`
	Pad   string `json:"pad"`
}

const (
	stepsName  = "steps"
	gatherName = "gather"
)

// steps adds From, From+1, ... in Count steps, one after the other.
var steps = sendoff.Func(stepsName, func(ctx context.Context, a fnArgs) (int, error) {
	total := 0
	for i := range a.Count {
		n, err := sendoff.Step(ctx, "add", func(context.Context) (int, error) { return a.From + i, nil })
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
})

var same = sendoff.Func("same", func(_ context.Context, n int) (int, error) { return n, nil })

// gather adds as much by Count calls, all at once.
var gather = sendoff.Func(gatherName, func(ctx context.Context, a fnArgs) (int, error) {
	in := make([]int, a.Count)
	for i := range in {
		in[i] = a.From + i
	}
	out, err := same.Gather(ctx, in)
	total := 0
	for _, n := range out {
		total += n
	}
	return total, err
})

// result is what a function of that input returns.
func (a fnArgs) result() int { return a.Count*a.From + a.Count*(a.Count-1)/2 }

// checkSum compares the sum of the results of n functions, which began at 0, 1, ...
func checkSum(got, n, count int) error {
	want := 0
	for i := range n {
		want += fnArgs{From: i, Count: count}.result()
	}
	if got != want {
		return fmt.Errorf("the results of %d functions add up to %d, want %d", n, got, want)
	}
	return nil
}

// journals notes what a store gets to keep for functions.
type journals struct {
	checkpoints, bytes atomic.Int64 // while functions run; of all segments

	mu      sync.Mutex
	results [][]byte // of functions that nobody called
	failed  string
}

func (j *journals) settled(ts []store.Transition, errs []error) {
	for i := range ts {
		t := &ts[i]
		if errs[i] != nil {
			continue
		}
		if t.Effects != nil && t.Effects.Append != nil {
			j.bytes.Add(int64(len(t.Effects.Append.Bytes)))
		}
		called := t.Flags&store.FlagParent != 0
		if called || !t.Decision.To.Final() {
			continue
		}
		j.mu.Lock()
		if t.Decision.To != task.Succeeded {
			j.failed = t.Error
		}
		j.results = append(j.results, bytes.Clone(t.Answer.Body))
		j.mu.Unlock()
	}
}

// Append implements store.Functions.
func (c *counted) Append(ctx context.Context, cs []store.Checkpoint) ([]error, error) {
	errs, err := c.Store.Append(ctx, cs)
	if c.journals != nil && err == nil {
		for i := range cs {
			if errs[i] == nil {
				c.journals.checkpoints.Add(1)
				c.journals.bytes.Add(int64(len(cs[i].Segment.Bytes)))
			}
		}
	}
	return errs, err
}

// check reads the results of n functions with so many steps or calls each.
func (j *journals) check(function string, n, count int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed != "" {
		return fmt.Errorf("a function failed: %s", j.failed)
	}
	if len(j.results) != n {
		return fmt.Errorf("%d functions ended, want %d", len(j.results), n)
	}
	sum := 0
	for _, b := range j.results {
		var r sdkv1.CallResult
		if err := proto.Unmarshal(b, &r); err != nil {
			return err
		}
		if r.GetError() != nil {
			return fmt.Errorf("%s: %s", function, r.GetError().GetMessage())
		}
		var v wrapperspb.Int64Value
		if err := r.GetOutput().UnmarshalTo(&v); err != nil {
			return err
		}
		sum += int(v.GetValue())
	}
	return checkSum(sum, n, count)
}
