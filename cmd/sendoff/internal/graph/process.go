package graph

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/internal/exec/process"
	"github.com/sendoff-dev/sendoff/internal/graphfile"
	"github.com/sendoff-dev/sendoff/jobgraph"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// workers carry out the process tasks of a graph: warm Python processes, which are started
// when the first of them is called. Who writes the file may name any code, as with commands.
type workers struct {
	dir string // where they work and import from
	max int

	mu    sync.Mutex
	pool  *process.Pool
	logs  map[string]io.Writer // of the calls that go on, by their ids
	calls int
	stop  context.CancelFunc
	ended chan struct{}
}

// endless is the timeout of tasks without one: those of calls end with their contexts.
const endless = 365 * 24 * time.Hour

// call carries out one process task. It is what a graphfile.Host has as Task.
func (w *workers) call(ctx context.Context, t *graphfile.TaskCall, log io.Writer) (json.RawMessage, error) {
	id, err := w.begin(log)
	if err != nil {
		return nil, err
	}
	defer w.end(id)
	spec := &task.Spec{Process: t.Process, ClientID: id, Timeout: endless}
	o := process.Executor{Pool: w.pool}.Execute(ctx, &store.Claimed{Payload: t.Payload, MaxAttempts: 1}, spec)
	if o.Class == task.Success {
		return o.Answer.Body, nil
	}
	failure := failureOf(o.Error)
	if o.Class == task.Snooze { // "not now", which is no fault
		return nil, jobgraph.CannotTell(failure)
	}
	return nil, failure
}

// begin starts the pool when this is the first call, and gives the call an id.
func (w *workers) begin(log io.Writer) (id string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pool == nil {
		if err := w.start(); err != nil {
			return "", err
		}
	}
	w.calls++
	id = fmt.Sprint(w.calls)
	w.logs[id] = log
	return id, nil
}

func (w *workers) start() error {
	python, err := process.Python("")
	if err != nil {
		return &graphfile.CallError{Kind: "NotStarted", Text: "no Python interpreter: want python3 in PATH, or VIRTUAL_ENV"}
	}
	pool, err := process.New(process.Config{
		Worker: python, Env: os.Environ(), Dir: w.dir, Allow: []string{"*"}, Max: w.max, Output: w.print,
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	w.pool, w.stop, w.logs, w.ended = pool, stop, map[string]io.Writer{}, make(chan struct{})
	go func() {
		defer close(w.ended)
		_ = pool.Run(ctx) // it returns nil
	}()
	return nil
}

// print passes on what tasks print.
func (w *workers) print(l process.Line) {
	w.mu.Lock()
	log := w.logs[l.Task]
	w.mu.Unlock()
	if log != nil {
		_, _ = log.Write(append(append([]byte(nil), l.Text...), '\n'))
	}
}

func (w *workers) end(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.logs, id)
}

// close ends the processes.
func (w *workers) close() {
	if w.pool != nil {
		w.stop()
		<-w.ended
	}
}

var exception = regexp.MustCompile(`^([A-Za-z_][\w.]*): `)

// failureOf is an exception as the error of a call.
func failureOf(text string) error {
	message, trace, _ := strings.Cut(text, "\nTraceback ")
	kind := "ProcessError"
	if m := exception.FindStringSubmatch(message); m != nil {
		kind, message = m[1], message[len(m[0]):]
	}
	e := &graphfile.CallError{Kind: kind, Text: message}
	if trace != "" {
		e.Stack = "Traceback " + trace
	}
	return e
}
