package graphfile

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// Host is what the calls of a graph need of the program that runs it.
type Host struct {
	// Task carries out a task and returns its result as JSON; nil = they are refused.
	Task func(ctx context.Context, t *TaskCall, log io.Writer) (json.RawMessage, error)

	// NoServer tells that Task knows process tasks only: functions and handlers are refused
	// when the graph is made.
	NoServer bool

	// Allow says why a program may not be run here, nil when it may; a script is the
	// program sh. nil = all may. It is asked when the graph is made.
	Allow func(program string) error

	// Client sends the requests; nil = one that goes anywhere. It should not follow
	// redirects.
	Client *http.Client

	// Env are the variables that commands get, NAME=VALUE, besides those of the file; nil =
	// those of this process.
	Env []string

	// Groups knows the processes that run; nil = nobody can end them at once.
	Groups *Groups
}

// Document is what a call is given: a command as the file that SENDOFF_IN names, a request
// as its body, where it has none of its own.
type Document struct {
	Job      string            `json:"job"`
	Attempt  int               `json:"attempt"`
	Call     jobgraph.Call     `json:"call"`
	Inputs   map[string]any    `json:"inputs"`
	Args     []any             `json:"args,omitempty"`
	Matrix   map[string]string `json:"matrix,omitempty"`
	Local    map[string]any    `json:"local"`
	Shared   map[string]any    `json:"shared"`
	Results  map[string]any    `json:"results"`             // of the deps, by their names
	RunError string            `json:"run_error,omitempty"` // for a recheck: what Run ended with
}

// Answer is what a call may have to say: a command writes it to the file that SENDOFF_OUT
// names, a request gets it as JSON. Values of null take their keys away.
type Answer struct {
	Local  map[string]any `json:"local"`
	Shared map[string]any `json:"shared"`
	Result *any           `json:"result"`
}

// CallError is how a call failed.
type CallError struct {
	Kind, Text string
	Stack      string // where, for people; "" = not known
}

func (e *CallError) Error() string { return e.Text }

// ErrorType is what JSON calls it.
func (e *CallError) ErrorType() string { return e.Kind }

// Trace is where it failed.
func (e *CallError) Trace() string { return e.Stack }

// binding is an action of a job in a run.
type binding struct {
	*Action
	*made
	file   *File
	host   Host
	inputs map[string]any
}

// call is one of a binding.
type call struct {
	*binding
	attempt *jobgraph.Attempt
	doc     *Document
	log     io.Writer
}

// call makes the call, and takes in what it answers, also when it fails.
func (b *binding) call(ctx context.Context, a *jobgraph.Attempt) error {
	if limit := b.Timeout; limit > 0 {
		timed, stop := context.WithTimeoutCause(ctx, limit, &CallError{Kind: "Timeout", Text: fmt.Sprintf("timeout of %v", limit)})
		defer stop()
		ctx = timed
	}
	c := &call{binding: b, attempt: a, log: &lockedWriter{to: a.Log()}, doc: b.document(a)}
	answer, err := c.do(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if len(answer) > 0 {
		if bad := c.take(answer); bad != nil && err == nil {
			err = bad
		}
	}
	return err
}

func (c *call) do(ctx context.Context) (answer []byte, err error) {
	switch {
	case c.Command != nil:
		return c.command(ctx)
	case c.Request != nil:
		return c.request(ctx)
	}
	return c.task(ctx)
}

func (b *binding) document(a *jobgraph.Attempt) *Document {
	d := &Document{
		Job: a.Job.Name, Attempt: a.Number, Call: a.Call(), Inputs: b.inputs, Args: a.Args, Matrix: b.matrix,
		Local: a.Local, Shared: a.Shared.All(), Results: map[string]any{},
	}
	if d.Shared == nil {
		d.Shared = map[string]any{}
	}
	if err := a.RunError(); err != nil && a.Call() == jobgraph.CallRecheck {
		d.RunError = err.Error()
	}
	for _, dep := range a.Job.Deps {
		if v, ok := a.ResultOf(dep); ok {
			d.Results[dep.Name] = v
		}
	}
	return d
}

// value gives what is filled in.
func (c *call) value(of scope, name string) (any, bool) {
	switch of {
	case ofLocal:
		v, ok := c.doc.Local[name]
		return v, ok
	case ofShared:
		v, ok := c.doc.Shared[name]
		return v, ok
	case ofResults:
		v, ok := c.doc.Results[name]
		return v, ok
	case ofCall:
		if name == "attempt" {
			return c.doc.Attempt, true
		}
		return c.doc.Job, true
	}
	return known(c.inputs, c.matrix)(of, name)
}

// maxAnswer is how many bytes an answer may have.
const maxAnswer = 1 << 20

// take keeps what a call answered.
func (c *call) take(answer []byte) error {
	var a Answer
	d := json.NewDecoder(bytes.NewReader(answer))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return &CallError{Kind: "BadAnswer", Text: fmt.Sprintf("its answer: %v: want a JSON object with local, shared, result or some of them", err)}
	}
	put(c.attempt.Local, a.Local)
	if len(a.Shared) > 0 {
		c.attempt.Shared.Do(func(shared map[string]any) { put(shared, a.Shared) })
	}
	if a.Result != nil {
		c.attempt.SetResult(*a.Result)
	}
	return nil
}

func put(into, from map[string]any) {
	for key, value := range from {
		if value == nil {
			delete(into, key)
		} else {
			into[key] = value
		}
	}
}

// lockedWriter is for writers of several goroutines.
type lockedWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (w *lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(b)
}

// lastLine keeps the last line that is not empty of what is written to it.
type lastLine struct {
	mu   sync.Mutex
	line []byte
	next []byte
}

const maxLine = 4 << 10

func (l *lastLine) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest := b; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		if room := maxLine - len(l.next); room > 0 {
			l.next = append(l.next, line[:min(room, len(line))]...)
		}
		if ended && len(bytes.TrimSpace(l.next)) > 0 {
			l.line, l.next = l.next, nil
		} else if ended {
			l.next = l.next[:0]
		}
		rest = after
	}
	return len(b), nil
}

func (l *lastLine) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if text := strings.TrimSpace(string(l.next)); text != "" {
		return strings.ToValidUTF8(text, "�")
	}
	return strings.ToValidUTF8(strings.TrimSpace(string(l.line)), "�")
}

// grace is how long a command may take to end after SIGTERM.
const grace = 5 * time.Second
