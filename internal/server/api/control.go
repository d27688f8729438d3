package api

import (
	"context"
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/task"
)

// Control answers a control command of dispatcherd; data is an object of JSON, or empty.
type Control func(command string, data json.RawMessage) json.RawMessage

type controlInput struct {
	Command string `path:"command" enum:"alive,running,cancel,workers,producers,metrics,main,chunks,aio_tasks,status,run,set_log_level" doc:"Of dispatcherd."`
	RawBody []byte `doc:"control_data of the command: an object of JSON; no body is none."`
}

type controlReply struct {
	Body map[string]json.RawMessage `doc:"The answer as dispatcherd's clients get it, with node_id."`
}

func mountControl(api huma.API, control Control) {
	op := operation(auth.Operate|auth.Whole, http.MethodPost, "/v1/control/{command}", "control", "Send a control command of dispatcherd to the service that answers", http.StatusOK)
	op.MaxBodyBytes = task.MaxPayload
	op.Middlewares = huma.Middlewares{readFirst(op.MaxBodyBytes)}
	huma.Register(api, op, func(_ context.Context, in *controlInput) (*controlReply, error) {
		if control == nil {
			return nil, problem.New(http.StatusNotFound, "not_found", "this server is no service of dispatcherd: sendoff dispatcherd --listen is one")
		}
		var data map[string]json.RawMessage
		if len(in.RawBody) > 0 && (!utf8.Valid(in.RawBody) || json.Unmarshal(in.RawBody, &data) != nil) {
			return nil, invalidProblem(task.Invalid{{Field: "body", Message: `is no object of JSON in UTF-8: want one such as {"uuid":"..."}, or nothing`}})
		}
		out := &controlReply{}
		if err := json.Unmarshal(control(in.Command, in.RawBody), &out.Body); err != nil {
			return nil, problemOf(err)
		}
		return out, nil
	})
	mayBeEmpty(api, op.Path)
}

// mayBeEmpty says of a POST that it needs no body, as huma thinks of every raw one.
func mayBeEmpty(api huma.API, path string) {
	api.OpenAPI().Paths[path].Post.RequestBody.Required = false
}
