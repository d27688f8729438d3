package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"google.golang.org/protobuf/types/known/anypb"

	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/protocol"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/value"
	"github.com/sendoff-dev/sendoff/task"
)

// Functions looks at durable functions and steers them.
type Functions interface {
	Tree(ctx context.Context, id string) (operate.Tree, error)
	Steps(ctx context.Context, id string, q operate.StepQuery) (operate.StepPage, error)
	Restart(ctx context.Context, id string) (operate.Task, error)
	Signal(ctx context.Context, id, name string, value []byte) error
}

// FunctionError is what a function failed with.
type FunctionError struct {
	Type      string `json:"type,omitempty"`
	Message   string `json:"message"`
	Traceback string `json:"traceback,omitempty"`
}

type treeReply struct {
	Body struct {
		Items     []Task `json:"items" doc:"The task first, then the calls below it by creation; parent_id tells where each belongs."`
		Truncated bool   `json:"truncated,omitempty"`
	}
}

type signalInput struct {
	ID      string `path:"id" doc:"Id of the task."`
	Name    string `path:"name" doc:"Name of the signal: text of at most 200 bytes."`
	RawBody []byte `doc:"The value: any JSON, whatever the content type; no body is null."`
}

func mountFunctions(api huma.API, cfg Config) {
	get(api, "/v1/tasks/{id}/tree", "get-tree", "Get a function with all calls made for it", func(ctx context.Context, in *idInput) (*treeReply, error) {
		tree, err := cfg.Functions.Tree(ctx, in.ID)
		if err != nil {
			return nil, problemOf(err)
		}
		out := &treeReply{}
		out.Body.Truncated = tree.Truncated
		out.Body.Items = make([]Task, len(tree.Tasks))
		for i := range tree.Tasks {
			out.Body.Items[i] = viewOf(&tree.Tasks[i])
		}
		return out, nil
	})
	get(api, "/v1/tasks/{id}/steps", "list-steps", "List the steps of a function, from its journal", func(ctx context.Context, in *stepsInput) (*stepsReply, error) {
		return listSteps(ctx, cfg.Functions, in)
	})
	steer(api, "restart", "Begin a function again from its input, whatever its state; the calls made for it are canceled", cfg.Functions.Restart)
	signal := operation(auth.Enqueue, http.MethodPost, "/v1/tasks/{id}/signals/{name}", "send-signal", "Send a signal to a function that has not ended", http.StatusNoContent)
	signal.MaxBodyBytes = task.MaxSignal
	signal.Middlewares = huma.Middlewares{readFirst(signal.MaxBodyBytes)}
	huma.Register(api, signal,
		func(ctx context.Context, in *signalInput) (*struct{}, error) {
			text := in.RawBody
			if len(text) == 0 {
				text = []byte("null")
			}
			if !utf8.Valid(text) || !json.Valid(text) {
				return nil, invalidProblem(task.Invalid{{Field: "body", Message: "is not JSON in UTF-8: a text needs quotes, such as \"approved\""}})
			}
			value, err := anypb.New(&sendoffv1.JSON{Json: text})
			if err != nil {
				return nil, problemOf(err)
			}
			if err := cfg.Functions.Signal(ctx, in.ID, in.Name, protocol.Payload(value)); err != nil {
				return nil, problemOf(err)
			}
			return nil, nil
		})
	mayBeEmpty(api, signal.Path)
}

// readFirst reads the body of a request before huma does, which has other answers
// for one that does not come.
func readFirst(limit int64) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		text, fault := readBody(w, r, limit)
		if fault != nil {
			problem.Write(w, fault)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(text))
		next(ctx)
	}
}

// resultView shows what a function ended with.
func resultView(body []byte) (json.RawMessage, *FunctionError) {
	result, e := value.Result(body)
	if e == nil {
		return result, nil
	}
	return result, &FunctionError{Type: e.GetType(), Message: e.GetMessage(), Traceback: text(e.GetTraceback())}
}

func (t *Task) withResult(body []byte) { t.Result, t.Error = resultView(body) }

func (a *Attempt) withResult(body []byte) { a.Result, a.Failure = resultView(body) }

func text(b []byte) string {
	if !utf8.Valid(b) {
		return ""
	}
	return string(b)
}

// functionPayload shows the input of a function as JSON, whatever it came as.
func (t *Task) functionPayload(spec *task.Spec, payload []byte) {
	if spec.ContentType == "application/json" && json.Valid(payload) {
		t.Payload = payload
		return
	}
	t.Payload = value.JSON(payload)
}
