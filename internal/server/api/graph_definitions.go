package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Definitions keeps the definitions of job graphs.
type Definitions interface {
	Save(ctx context.Context, name string, definition []byte) (g store.Graph, made bool, err error)
	Get(ctx context.Context, name string, rev int32) (store.Graph, error)
	List(ctx context.Context, cursor string, limit int) (operate.DefinitionPage, error)
	Delete(ctx context.Context, name string) error
}

// GraphDefinition is the body of POST /v1/graphs: a graph's file as JSON.
type GraphDefinition struct {
	Name        string          `json:"name" doc:"1 to 200 bytes. What has the name already gets a new revision." example:"film-evening"`
	Description json.RawMessage `json:"description,omitempty" doc:"For people."`
	Goal        json.RawMessage `json:"goal,omitempty" doc:"Name of the job to reach; default the only one that no other needs."`
	Inputs      json.RawMessage `json:"inputs,omitempty" doc:"What a run can be told, by name."`
	Env         json.RawMessage `json:"env,omitempty" doc:"Variables of every command."`
	Tries       json.RawMessage `json:"tries,omitempty" doc:"Of jobs that name none."`
	RetryDelay  json.RawMessage `json:"retry_delay,omitempty" doc:"Of jobs that name none."`
	Jobs        json.RawMessage `json:"jobs" doc:"The jobs, by name or as a list, as in a graph's file."`
}

// GraphRevision is a revision of a graph, in an answer.
type GraphRevision struct {
	Name       string          `json:"name"`
	Rev        int32           `json:"rev" doc:"From 1 on, without gaps."`
	Definition json.RawMessage `json:"definition,omitempty" scope:"payloads" doc:"As it was saved; only of GET /v1/graphs/{name}."`
	CreatedAt  time.Time       `json:"created_at" doc:"When this revision was saved."`
	Redacted   bool            `json:"redacted,omitempty" doc:"What it carries was left out: the key has no scope payloads."`
}

type graphReply struct{ Body GraphRevision }

type graphsReply struct {
	Body struct {
		Items      []GraphRevision `json:"items"`
		NextCursor string          `json:"next_cursor,omitempty"`
	}
}

type graphsInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before."`
}

type graphInput struct {
	Name string `path:"name" doc:"Name of the graph, percent-encoded."`
}

type graphRevInput struct {
	Name string `path:"name" doc:"Name of the graph, percent-encoded."`
	Rev  int32  `query:"rev" minimum:"1" doc:"Which revision; default the latest."`
}

func mountDefinitions(mux *route.Mux, api huma.API, graphs Definitions, refuse func(http.ResponseWriter, *problem.Problem)) {
	mux.HandleFunc(auth.Operate, "POST /v1/graphs", byHand(refuse, func(w http.ResponseWriter, r *http.Request) (int, any, *problem.Problem) {
		return saveGraph(w, r, graphs)
	}))
	save := operation(auth.Operate, http.MethodPost, "/v1/graphs", "save-graph", "Keep the definition of a job graph, as the next revision of its name; 200 when it is the latest already", http.StatusCreated)
	describe[GraphDefinition, GraphRevision](api.OpenAPI(), &save, "200", "201", "400", "401", "403", "408", "413", "415", "422", "503")
	get(api, "/v1/graphs", "list-graphs", "List the graphs that are kept, by name, each with its latest revision", func(ctx context.Context, in *graphsInput) (*graphsReply, error) {
		page, err := graphs.List(ctx, in.Cursor, in.Limit)
		if err != nil {
			return nil, cursorProblem(err)
		}
		out := &graphsReply{}
		out.Body.NextCursor = page.Next
		out.Body.Items = make([]GraphRevision, len(page.Items))
		for i := range page.Items {
			out.Body.Items[i] = graphView(&page.Items[i])
		}
		return out, nil
	})
	get(api, "/v1/graphs/{name}", "get-graph", "Get a revision of a graph, with its definition", func(ctx context.Context, in *graphRevInput) (*graphReply, error) {
		g, err := graphs.Get(ctx, in.Name, in.Rev)
		if err != nil {
			return nil, problemOf(err)
		}
		return &graphReply{graphView(&g)}, nil
	})
	huma.Register(api, operation(auth.Operate, http.MethodDelete, "/v1/graphs/{name}", "delete-graph", "Forget a graph with all its revisions", http.StatusNoContent),
		func(ctx context.Context, in *graphInput) (*struct{}, error) {
			if err := graphs.Delete(ctx, in.Name); err != nil {
				return nil, problemOf(err)
			}
			return nil, nil
		})
}

func saveGraph(w http.ResponseWriter, r *http.Request, graphs Definitions) (status int, v any, fault *problem.Problem) {
	name, definition, fault := readGraph(w, r)
	if fault != nil {
		return 0, nil, fault
	}
	store.AuditOf(r.Context()).SetTarget(name)
	g, made, err := graphs.Save(r.Context(), name, definition)
	if err != nil {
		return 0, nil, problemOf(err)
	}
	w.Header().Set("Location", "/v1/graphs/"+url.PathEscape(name))
	if status = http.StatusOK; made {
		status = http.StatusCreated
	}
	return status, graphView(&g), nil
}

// maxGraph limits the body of a definition, in bytes: it may be indented.
const maxGraph = 4 << 20

// readGraph reads a definition, and returns it as it is kept.
func readGraph(w http.ResponseWriter, r *http.Request) (name string, definition []byte, fault *problem.Problem) {
	req, text, fault := readAs[GraphDefinition](w, r, maxGraph)
	if fault != nil {
		return "", nil, fault
	}
	var bad task.Invalid
	if kind := kindOf(bytes.TrimSpace(text)); kind != "object" {
		bad.Add("body", `is a JSON %s: want an object such as {"name":"a","jobs":{"A":{"run":["true"]}}}`, kind)
	} else if len(req.Jobs) == 0 {
		bad.Add("jobs", `is missing: want an object of jobs by name, such as {"A":{"run":["true"]}}`)
	}
	if len(bad) > 0 {
		return "", nil, invalidProblem(bad)
	}
	return req.Name, plainJSON(text), nil
}

// plainJSON writes valid JSON in one way: without blanks, with as few escapes as there
// can be, in the order in which it came. What means the same is then mostly the same,
// and what reads it as YAML, which joins no two escapes to one character, reads it well.
func plainJSON(valid []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(valid))
	d.UseNumber()
	var b bytes.Buffer
	writePlain(&b, d)
	return b.Bytes()
}

func writePlain(b *bytes.Buffer, d *json.Decoder) {
	token, _ := d.Token() // it is valid
	opens, list := token.(json.Delim)
	if !list {
		e := json.NewEncoder(b)
		e.SetEscapeHTML(false)
		_ = e.Encode(token)
		b.Truncate(b.Len() - 1) // its line break
		return
	}
	b.WriteString(opens.String())
	for n := 0; d.More(); n++ {
		if n > 0 {
			b.WriteByte(',')
		}
		if opens == '{' {
			writePlain(b, d)
			b.WriteByte(':')
		}
		writePlain(b, d)
	}
	closes, _ := d.Token()
	b.WriteString(closes.(json.Delim).String())
}

func graphView(g *store.Graph) GraphRevision {
	return GraphRevision{Name: g.Name, Rev: g.Rev, Definition: g.Definition, CreatedAt: time.UnixMicro(g.CreatedAt).UTC()}
}
