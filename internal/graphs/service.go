// Package graphs carries out graphs of jobs that are submitted to a server: it
// reads definitions, has package graphrun run them, and tells how they stand. It
// talks to the engine as any client does, and knows neither stores nor HTTP.
package graphs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/graphrun"
	"github.com/sendoff-dev/sendoff/internal/graphfile"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// Endpoint is where the functions of runs are served, in every server.
const Endpoint = "embedded://graphs"

// Engine is what the service needs of the engine in its process.
type Engine interface {
	sendoff.Engine
	// HTTPClient sends requests where pushes may go, and nowhere else.
	HTTPClient() *http.Client
}

// Config of the service.
type Config struct {
	// Commands may be run for jobs, by the names of their programs; "any" is all. None:
	// a graph with a command is refused.
	Commands []string

	// Env are the variables that commands get, NAME=VALUE, besides those of the graph; nil = those of
	// this process, secrets included.
	Env []string
}

// Service is safe for concurrent use.
type Service struct {
	cfg      Config
	engine   Engine
	requests *http.Client // that makes those of jobs that jobs make; nil = there are none, as no run is carried out
	runner   *graphrun.Runner
	endpoint *sendoff.Endpoint
	groups   graphfile.Groups
	ended    ended
}

// New has an engine carry out runs of graphs until the service is closed.
func New(e Engine, cfg Config) (*Service, error) {
	s, err := build(cfg)
	if err != nil {
		return nil, err
	}
	s.engine, s.requests = e, e.HTTPClient()
	s.endpoint, err = s.runner.Serve(sendoff.EndpointConfig{Engine: e, URL: Endpoint})
	return s, err
}

// build makes a service that checks runs and carries none out.
func build(cfg Config) (*Service, error) {
	s := &Service{cfg: cfg}
	var err error
	s.runner, err = graphrun.New("sendoff.graph", graphrun.Config{Graph: s.graph})
	return s, err
}

// Close ends the calls of jobs that are under way here; other nodes, or the next
// start, go on with their runs.
func (s *Service) Close() {
	s.endpoint.Close()
	s.groups.Kill()
}

func (s *Service) client() *sendoff.Client { return s.endpoint.Client() }

// graph makes the graph of a definition, for this process.
func (s *Service) graph(definition json.RawMessage, inputs map[string]any) (*jobgraph.Graph, error) {
	f, err := graphfile.Parse("definition", "", definition)
	if err != nil {
		return nil, err
	}
	goal, err := f.Goal(inputs, graphfile.Host{Task: s.carryOut, Allow: s.allow, Client: s.requests, Groups: &s.groups, Env: s.cfg.Env})
	if err != nil {
		return nil, err
	}
	return jobgraph.New(goal)
}

// allow says which programs run here: who submits a graph must not become whoever runs
// the server.
func (s *Service) allow(program string) error {
	for _, name := range s.cfg.Commands {
		if name == "any" || name == program {
			return nil
		}
	}
	return fmt.Errorf("this server does not run %q for graphs: start it with --process-commands %s, or --process-commands any (process.commands in its configuration)", program, program)
}

// longest is how long a task may take that has no timeout of its own, as long as any.
const longest = 24 * time.Hour

// carryOut has a task carried out, with a key of the call that asks: when its step is
// repeated after a crash, it waits for the same task. There is one attempt, as the tries
// of the job decide. The task ends with the call when that timed out or was canceled;
// when this node stops, another one goes on with it.
func (s *Service) carryOut(ctx context.Context, call *graphfile.TaskCall, log io.Writer) (json.RawMessage, error) {
	c := s.client()
	t, err := c.Submit(ctx, sendoff.NewTask{
		Process: call.Process, Function: call.Function, Endpoint: call.Endpoint, Handler: call.Handler, Name: call.Job, Payload: call.Payload,
		IdempotencyKey: sendoff.StepKey(ctx) + "/" + string(call.Call), Timeout: longest, Retry: &sendoff.RetryPolicy{MaxAttempts: 1},
	})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(log, "task %s\n", t.ID)
	id := t.ID
	if t, err = c.Wait(ctx, id); err != nil {
		s.unwanted(ctx, id)
		return nil, err
	}
	if t.State == sendoff.StateSucceeded {
		return t.Result, nil
	}
	if t.Error != nil {
		return nil, &graphfile.CallError{Kind: t.Error.Type, Text: t.Error.Message}
	}
	return nil, errors.New(cmp.Or(t.LastError, t.Reason, "task "+id+" is "+string(t.State)))
}

// unwanted cancels the task of a call that was ended for good.
func (s *Service) unwanted(ctx context.Context, id string) {
	cause := context.Cause(ctx)
	if _, timedOut := errors.AsType[*graphfile.CallError](cause); !timedOut && !errors.Is(cause, graphrun.ErrCanceled) {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	_, _ = s.client().Tasks.Cancel(ctx, id) // it may have ended, and ends with its timeout else
}

// wrong is the answer to a definition, or a run, that cannot be.
func wrong(err error) error {
	p := problem.New(http.StatusUnprocessableEntity, "invalid_graph", err.Error())
	for _, one := range graphfile.Mistakes(err) {
		field, text := "definition", one.Error()
		if at, ok := errors.AsType[*graphfile.Problem](one); ok {
			if text = at.Text; at.Line > 0 {
				field += ":" + strconv.Itoa(at.Line)
			}
		}
		p.Errors = append(p.Errors, problem.FieldError{Field: field, Message: text})
	}
	return p
}

// passed hands on what the server answered to the service's own request.
func passed(err error) error {
	p, ok := errors.AsType[*sendoff.Problem](err)
	if !ok {
		return err
	}
	out := problem.New(p.Status, p.Code, p.Detail)
	for _, f := range p.Fields {
		out.Errors = append(out.Errors, problem.FieldError{Field: f.Field, Message: f.Message})
	}
	return out
}
