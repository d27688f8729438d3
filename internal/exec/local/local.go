// Package local carries tasks out by calling Go functions in this process.
package local

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Call is what a handler gets: the task and which attempt of it this is.
type Call struct {
	ID          task.ID
	PublicID    string // the client's own id, if it chose one
	Name        string
	Attempt     int // from 1
	MaxAttempts int
	Token       int64 // fences effects outside: a later attempt has a larger one
	Labels      map[string]string
	ContentType string
	Payload     []byte
}

// Handler carries a task out. nil means done; see sendoff.Permanent,
// sendoff.RetryAfter and sendoff.Snooze for other ends than a plain retry. ctx
// ends with the task's timeout, when the task is canceled and when the node stops.
type Handler func(ctx context.Context, c *Call) error

// Handlers are the functions of this process, by name. Safe for concurrent use.
type Handlers struct {
	mu sync.RWMutex
	by map[string]Handler
}

var _ exec.Executor = (*Handlers)(nil)

// New returns no handlers.
func New() *Handlers { return &Handlers{by: map[string]Handler{}} }

// Handle registers a function. It panics when the name is empty or taken: that
// is a fault of the program.
func (h *Handlers) Handle(name string, fn Handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, taken := h.by[name]; taken || name == "" || fn == nil {
		panic(fmt.Sprintf("sendoff: handler %q is empty or registered twice", name))
	}
	h.by[name] = fn
}

// Names lists the handlers.
func (h *Handlers) Names() []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var names []string
	for name := range h.by {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Execute implements exec.Executor.
func (h *Handlers) Execute(ctx context.Context, t *store.Claimed, spec *task.Spec) task.Outcome {
	h.mu.RLock()
	fn := h.by[spec.Handler]
	h.mu.RUnlock()
	if fn == nil {
		// Another version of this program may know it; this one must not judge.
		return task.Outcome{Class: task.Interrupt, Error: fmt.Sprintf("handler %q is not registered on this node", spec.Handler)}
	}
	exec.Begin(ctx)
	limited, cancel := context.WithTimeout(ctx, spec.TimeoutOrDefault())
	defer cancel()
	err := call(limited, fn, &Call{
		ID: t.ID, PublicID: spec.PublicID(t.ID), Name: spec.Name, Attempt: int(t.Failures) + 1, MaxAttempts: int(t.MaxAttempts), Token: t.Token,
		Labels: spec.Labels, ContentType: spec.ContentType, Payload: t.Payload,
	})
	return outcome(ctx, err, spec.TimeoutOrDefault())
}

func call(ctx context.Context, fn Handler, c *Call) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(ctx, c)
}

func outcome(ctx context.Context, err error, timeout time.Duration) task.Outcome {
	if err == nil {
		return task.Outcome{Class: task.Success}
	}
	if o, stopped := exec.Stopped(ctx); stopped {
		return o
	}
	o := task.Outcome{Class: task.Failure, Error: err.Error()}
	if errors.Is(err, context.DeadlineExceeded) {
		o.Error = fmt.Sprintf("timeout after %s: %s", timeout, err)
	}
	wait, snooze := task.Wait(err)
	o.RetryAfter = wait
	switch {
	case snooze:
		o.Class = task.Snooze
	case task.IsPermanent(err):
		o.Class = task.Reject
	}
	return o
}
