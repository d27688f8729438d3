package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/events"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Submitter takes tasks in.
type Submitter interface {
	Accept(ctx context.Context, subs []accept.Submission, atomic bool) ([]accept.Result, error)
}

// Stored reads tasks that were just submitted, and those that have their keys.
type Stored interface {
	Get(ctx context.Context, id string) (operate.Task, error)
	Rows(ctx context.Context, ids []task.ID) ([]operate.Task, error)
	Wait(ctx context.Context, id string, atMost time.Duration) (operate.Task, error)
	Expect(id task.ID) *operate.Expected
}

// Viewer looks at tasks.
type Viewer interface {
	Get(ctx context.Context, id string) (operate.Task, error)
	Wait(ctx context.Context, id string, atMost time.Duration) (operate.Task, error)
	List(ctx context.Context, f operate.Filter) (operate.Page, error)
	Attempts(ctx context.Context, id, cursor string, limit int) (operate.AttemptPage, error)
	Payload(ctx context.Context, id task.ID) ([]byte, error)
	Progress(ctx context.Context, t *operate.Task) (*store.Progress, error)
	Result(ctx context.Context, t *operate.Task) ([]byte, error)
}

// Steerer changes what becomes of tasks.
type Steerer interface {
	Cancel(ctx context.Context, id string) (operate.Task, error)
	CancelNow(ctx context.Context, id string) (operate.Task, error)
	Retry(ctx context.Context, id string) (operate.Task, error)
	RunNow(ctx context.Context, id string) (operate.Task, error)
	Delete(ctx context.Context, id string) error
}

// Queues looks at queues and steers them.
type Queues interface {
	List(ctx context.Context) ([]operate.Queue, error)
	Get(ctx context.Context, name string) (operate.Queue, error)
	SetPaused(ctx context.Context, name string, paused bool) (operate.Queue, error)
	Delete(ctx context.Context, name string) error
	Purge(ctx context.Context, name string) (int, error)
	Stats(ctx context.Context, name string) (operate.QueueStats, error)
	PauseAll(ctx context.Context, paused bool) (operate.Everything, error)
	Everything(ctx context.Context) operate.Everything
}

// Setter changes the settings of queues.
type Setter interface {
	Set(ctx context.Context, name string, settings task.QueueSettings) (operate.Queue, error)
	Update(ctx context.Context, name string, change func(*task.QueueSettings) error) (operate.Queue, error)
}

// Config of the door. All but Control, GraphRuns and Unknown are required.
type Config struct {
	Submit      Submitter
	Stored      Stored
	Tasks       Viewer
	Waits       Waits
	Steer       Steerer
	Others      Others
	Changes     Changer
	Acks        Acks
	Queues      Queues
	Settings    Setter
	Limits      Limits
	Functions   Functions
	Definitions Definitions
	Schedules   Schedules
	Endpoints   Endpoints
	Events      *events.Hub
	Workers     Workers
	Audit       Audit
	Actions     Actions
	Keys        Keys
	SigningKeys SigningKeys // nil = nothing is signed
	Failures    Failures
	Series      Series
	Suggest     Suggest
	Health      Healths
	Views       SavedViews
	Control     Control   // nil = this server is no service of dispatcherd
	GraphRuns   GraphRuns // nil = this server carries out no graphs
	Nodes       func(ctx context.Context) ([]store.Node, error)
	Drain       func(ctx context.Context, node string, on bool) error // has a node claim nothing more, or claim again
	Version     string
	Unknown     func(error) // gets what went wrong with the database when a client is answered 503; nil = nobody
}

// Mount adds the routes to a mux and returns the OpenAPI description of them.
func Mount(mux *route.Mux, cfg Config) *huma.OpenAPI {
	hc := huma.DefaultConfig("Sendoff", cfg.Version)
	hc.CreateHooks, hc.DocsPath, hc.SchemasPath = nil, "", ""
	hc.Transformers = []huma.Transformer{func(ctx huma.Context, _ string, v any) (any, error) {
		if p, ok := v.(*problem.Problem); ok {
			cfg.tell(p)
		}
		return shownTo(ctx.Context(), v), nil
	}, fromHuma}
	hc.Info.Description = "Hand it a task: it is on disk before you get the answer, and then it is carried out."
	api := huma.NewAPI(hc, routes{mux})

	c := &creator{submit: cfg.Submit, tasks: cfg.Stored, cfg: &cfg, refuse: func(w http.ResponseWriter, p *problem.Problem) {
		cfg.tell(p)
		problem.Write(w, p)
	}}
	mux.HandleFunc(auth.Enqueue, "POST /v1/tasks", c.create)
	mux.HandleFunc(auth.Enqueue, "POST /v1/tasks/batch", c.batch)
	describeCreate(api.OpenAPI())
	mountSettings(mux, api.OpenAPI(), cfg.Settings, c.refuse)
	mountChange(mux, api.OpenAPI(), &cfg, c.refuse)
	mountAcks(mux, api.OpenAPI(), &cfg, c.refuse)
	mountTasks(api, cfg)
	mountQueues(api, cfg)
	mountEverything(api, cfg.Queues)
	mountNodes(api, cfg)
	mountWorkers(api, cfg.Workers)
	mountControl(api, cfg.Control)
	mountLimits(mux, api, cfg.Limits, c.refuse)
	mountDefinitions(mux, api, cfg.Definitions, c.refuse)
	mountSchedules(mux, api, &cfg, c.refuse)
	mountFunctions(api, cfg)
	mountEndpoints(mux, api, cfg.Endpoints, c.refuse)
	mountAudit(api, cfg.Audit)
	mountActions(mux, api, cfg.Actions, c.refuse)
	mountStats(api, cfg.Series)
	mountSuggest(api, cfg.Suggest)
	mountHealth(api, &cfg)
	mountViews(mux, api, cfg.Views, c.refuse)
	mountFailures(mux, api, cfg.Failures, c.refuse)
	mountKeys(mux, api, &cfg, c.refuse)
	mountSigningKeys(mux, api, cfg.SigningKeys, c.refuse)
	mountEvents(mux, api.OpenAPI(), cfg.Events, c.refuse)
	mountGraphRuns(mux, api, cfg.GraphRuns, c.refuse)
	describeProblems(api.OpenAPI())
	describeScopes(api.OpenAPI(), mux)
	return api.OpenAPI()
}

type taskReply struct{ Body Task }

type idInput struct {
	ID string `path:"id" doc:"Id of the task, an id chosen by the client, or its job number."`
}

func mountTasks(api huma.API, cfg Config) {
	get(api, "/v1/tasks", "list-tasks", "List tasks, newest first", func(ctx context.Context, in *listInput) (*listReply, error) {
		return list(ctx, cfg.Tasks, in)
	})
	get(api, "/v1/tasks/{id}", "get-task", "Get a task, and wait for its end if you like", func(ctx context.Context, in *getInput) (*taskReply, error) {
		return getTask(ctx, &cfg, in)
	})
	get(api, "/v1/tasks/{id}/attempts", "list-attempts", "List the attempts of a task that are kept, oldest first", func(ctx context.Context, in *attemptsInput) (*attemptsReply, error) {
		page, err := cfg.Tasks.Attempts(ctx, in.ID, in.Cursor, in.Limit)
		if err != nil {
			return nil, cursorProblem(err)
		}
		out := &attemptsReply{}
		out.Body.NextCursor = page.Next
		out.Body.Items = make([]Attempt, len(page.Items))
		for i := range page.Items {
			out.Body.Items[i] = attemptView(&page.Items[i], page.Task.Kind)
		}
		return out, nil
	})
	cancel := operation(auth.Operate, http.MethodPost, "/v1/tasks/{id}/cancel", "cancel-task",
		"Cancel a task: it ends at once, an attempt under way is told to stop; a function that has something to undo does that first, within 5 minutes", http.StatusOK)
	huma.Register(api, cancel, func(ctx context.Context, in *cancelInput) (*taskReply, error) {
		if in.Now {
			return replyOf(cfg.Steer.CancelNow(ctx, in.ID))
		}
		return replyOf(cfg.Steer.Cancel(ctx, in.ID))
	})
	mountOthers(api, cfg)
	huma.Register(api, operation(auth.Operate, http.MethodDelete, "/v1/tasks/{id}", "delete-task", "Erase a task that is not running", http.StatusNoContent),
		func(ctx context.Context, in *idInput) (*struct{}, error) {
			if err := cfg.Steer.Delete(ctx, in.ID); err != nil {
				return nil, problemOf(err)
			}
			return nil, nil
		})
}

func steer(api huma.API, verb, summary string, do func(context.Context, string) (operate.Task, error)) {
	huma.Register(api, operation(auth.Operate, http.MethodPost, "/v1/tasks/{id}/"+verb, verb+"-task", summary, http.StatusOK),
		func(ctx context.Context, in *idInput) (*taskReply, error) {
			return replyOf(do(ctx, in.ID))
		})
}

type cancelInput struct {
	ID  string `path:"id" doc:"Id of the task, an id chosen by the client, or its job number."`
	Now bool   `query:"now" doc:"End a function at once, and undo nothing."`
}

func replyOf(t operate.Task, err error) (*taskReply, error) {
	if err != nil {
		return nil, problemOf(err)
	}
	return &taskReply{viewOf(&t)}, nil
}

// get adds a route that shows something: it needs the scope read.
func get[I, O any](api huma.API, path, id, summary string, handler func(context.Context, *I) (*O, error)) {
	getWith(api, auth.Read, path, id, summary, handler)
}

// getWith is get with another need.
func getWith[I, O any](api huma.API, need auth.Scope, path, id, summary string, handler func(context.Context, *I) (*O, error)) {
	huma.Register(api, operation(need, http.MethodGet, path, id, summary, http.StatusOK), handler)
}

func operation(need auth.Scope, method, path, id, summary string, status int) huma.Operation {
	return huma.Operation{
		Metadata: map[string]any{needs: need},
		Method:   method, Path: path, OperationID: id, Summary: summary, DefaultStatus: status,
		RejectUnknownQueryParameters: id != "list-tasks", // which has label.KEY, and looks for itself
		Tags:                         []string{strings.Split(path, "/")[2]}, MaxBodyBytes: 64 << 10,
	}
}

type getInput struct {
	ID   string `path:"id" doc:"Id of the task, an id chosen by the client, or its job number."`
	Wait string `query:"wait" doc:"Answer when the task has ended, or after this time: a duration, or seconds; more than 60s is 60s." example:"30s"`
}

const (
	maxWait     = time.Minute            // the longest that an answer is held back
	lastReading = 500 * time.Millisecond // for the answer to who waits while the server stops
)

// waitOf is how long an answer is held back.
func waitOf(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := task.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, invalidProblem(task.Invalid{{Field: "wait", Message: fmt.Sprintf("is %q: want a duration such as 30s, or seconds", text)}})
	}
	return min(d, maxWait), nil
}

func getTask(ctx context.Context, cfg *Config, in *getInput) (*taskReply, error) {
	var t operate.Task
	var err error
	tasks := cfg.Tasks
	if in.Wait == "" {
		t, err = tasks.Get(ctx, in.ID)
	} else {
		wait, wrong := waitOf(in.Wait)
		if wrong != nil {
			return nil, wrong
		}
		t, err = tasks.Wait(ctx, in.ID, wait)
		if errors.Is(err, context.Canceled) && t.Spec != nil {
			var done context.CancelFunc // the server stops: the task as it is
			ctx, done = context.WithTimeout(context.WithoutCancel(ctx), lastReading)
			defer done()
			err = nil
		}
	}
	if err != nil {
		return nil, problemOf(err)
	}
	return wholeTask(ctx, cfg, &t)
}

// wholeTask is a task with all that belongs to it.
func wholeTask(ctx context.Context, cfg *Config, t *operate.Task) (*taskReply, error) {
	payload, err := cfg.Tasks.Payload(ctx, t.ID)
	if err != nil {
		return nil, problemOf(err)
	}
	return taskWith(ctx, cfg, t, payload)
}

// taskWith is wholeTask for who has the payload.
func taskWith(ctx context.Context, cfg *Config, t *operate.Task, payload []byte) (*taskReply, error) {
	waiting, err := cfg.Waits.For(ctx, t)
	if err != nil {
		return nil, problemOf(err)
	}
	reply := &taskReply{viewOf(t)}
	reply.Body.withPayload(t.Spec, payload)
	reply.Body.WaitingFor = waitingView(waiting)
	progress, err := cfg.Tasks.Progress(ctx, t)
	if err != nil {
		return nil, problemOf(err)
	}
	if p := progress; p != nil {
		reply.Body.Progress = &Progress{Done: p.Done, Total: p.Total, Text: p.Text, At: timeText(p.At)}
	}
	if err := reply.Body.withEnd(ctx, t, cfg.Tasks); err != nil {
		return nil, problemOf(err)
	}
	return reply, nil
}

type attemptsInput struct {
	ID     string `path:"id" doc:"Id of the task, an id chosen by the client, or its job number."`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"100"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before."`
}

type attemptsReply struct {
	Body struct {
		Items      []Attempt `json:"items"`
		NextCursor string    `json:"next_cursor,omitempty"`
	}
}

// describeCreate adds the handlers written by hand to the OpenAPI document.
func describeCreate(doc *huma.OpenAPI) {
	one := operation(auth.Enqueue, http.MethodPost, "/v1/tasks", "create-task", "Submit a task: it is on disk when the answer comes", http.StatusCreated)
	many := operation(auth.Enqueue, http.MethodPost, "/v1/tasks/batch", "create-tasks", "Submit up to 1,000 tasks in one transaction", http.StatusCreated)
	one.Parameters = []*huma.Param{{
		Name: waitParameter, In: "query", Schema: &huma.Schema{Type: "string"}, Example: "30s",
		Description: "Answer when the task has ended, or after this time, as it is then: a duration, or seconds; more than 60s is 60s. The task is on disk all the while: who goes away changes nothing. It takes the scope read as well.",
	}}
	for _, op := range []*huma.Operation{&one, &many} {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: "string"},
			Description: "The same request with the same key within 24 hours gets the same answer, with Idempotent-Replayed: true.",
		})
	}
	describe[CreateRequest, Task](doc, &one, "200", "201", "400", "401", "403", "408", "409", "413", "415", "422", "503")
	describe[BatchRequest, BatchReply](doc, &many, "200", "201", "400", "401", "403", "408", "409", "413", "415", "422", "503")
}
