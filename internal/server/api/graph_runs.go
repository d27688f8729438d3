package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/task"
)

// GraphRuns carries out graphs of jobs. Its errors are problems, or errors of the
// engine.
type GraphRuns interface {
	Start(ctx context.Context, in *NewGraphRun) (*GraphRun, error)
	Get(ctx context.Context, id string, wait time.Duration) (*GraphRun, error)
	List(ctx context.Context, graph, cursor string, limit int) ([]*GraphRun, string, error)
	Cancel(ctx context.Context, id string) (*GraphRun, error)
	Retry(ctx context.Context, id string) (*GraphRun, error)
	SetPaused(ctx context.Context, id string, paused bool) (*GraphRun, error)
	SVG(ctx context.Context, id string) ([]byte, error)
	Calls(ctx context.Context, id, job string) ([]GraphCall, error)
}

// NewGraphRun is the body of POST /v1/graph-runs.
type NewGraphRun struct {
	Graph         string                     `json:"graph,omitempty" maxLength:"200" doc:"Name of the graph: of one that is stored, or for the definition that is given. Two runs of one name do not run at the same time."`
	Definition    map[string]json.RawMessage `json:"definition,omitempty" doc:"The graph, as in a file of sendoff graph; default the stored one."`
	Inputs        map[string]any             `json:"inputs,omitempty" doc:"For the inputs that the graph declares."`
	Args          []any                      `json:"args,omitempty" doc:"Positional arguments of the calls."`
	Parallel      int                        `json:"parallel,omitempty" minimum:"1" maximum:"1000" default:"1" doc:"Jobs at a time."`
	Tries         int                        `json:"tries,omitempty" minimum:"1" maximum:"1000" doc:"Attempts of jobs that name none; default what the graph says, or 3."`
	RetryDelay    string                     `json:"retry_delay,omitempty" doc:"From the start of an attempt to the next, of jobs that name none; default what the graph says, or 1s." example:"500ms"`
	Only          []string                   `json:"only,omitempty" doc:"These jobs, with all below them, are the goals."`
	From          []string                   `json:"from,omitempty" doc:"What these jobs stand on counts as done."`
	Except        []string                   `json:"except,omitempty" doc:"These jobs are left out and count as done."`
	StopAtFailure bool                       `json:"stop_at_failure,omitempty" doc:"Begin nothing more once a job has failed."`
	NoAct         bool                       `json:"no_act,omitempty" doc:"Call the first checks only, as a plan does: nothing is changed, and it waits for no other run."`
	OnRunning     string                     `json:"on_running,omitempty" enum:"queue,refuse" default:"queue" doc:"While another run of the same graph goes on: wait for it, or answer 409."`
	Queue         string                     `json:"queue,omitempty" doc:"Queue of the run; default default."`
	Labels        map[string]string          `json:"labels,omitempty"`

	IdempotencyKey string `json:"-"` // the header of that name
}

// GraphRun is a run as it is. Once it has ended it has the fields of what sendoff
// graph run --json prints last.
type GraphRun struct {
	ID         string            `json:"id"`
	State      string            `json:"state" enum:"queued,running,succeeded,failed,canceled" doc:"failed: the goal was not reached, or a cleanup failed."`
	Paused     bool              `json:"paused,omitempty" doc:"Nothing more begins until it is resumed."`
	Graph      string            `json:"graph,omitempty"`
	NoAct      bool              `json:"no_act,omitempty" doc:"Only the first checks are called: its jobs have a verdict."`
	Rev        int32             `json:"rev,omitempty" doc:"Revision of the stored graph that it runs; nothing when the definition came with the request, and in listings."`
	Schedule   string            `json:"schedule,omitempty" doc:"The schedule that began it."`
	RetryOf    string            `json:"retry_of,omitempty" doc:"The run whose failed jobs it tries again."`
	CreatedAt  time.Time         `json:"created_at"`
	StartedAt  *time.Time        `json:"started_at,omitempty"`
	FinishedAt *time.Time        `json:"finished_at,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	Goal       string            `json:"goal,omitempty"`
	Reached    bool              `json:"reached"`
	Partial    bool              `json:"partial"`
	Passes     int               `json:"passes"`
	Exit       *int              `json:"exit,omitempty" doc:"0 reached, 1 not, 3 a cleanup failed."`
	Duration   float64           `json:"duration" doc:"Seconds."`
	Error      *GraphError       `json:"error" scope:"payloads"`
	Jobs       []GraphJob        `json:"jobs,omitempty" doc:"In depth-first post-order from the goal; not in listings."`
	Cleanups   []GraphCleanup    `json:"cleanups,omitzero" doc:"In the order in which they were called; not in listings."`
	Redacted   bool              `json:"redacted,omitempty" doc:"What it carries was left out: the key has no scope payloads."`
}

// GraphError is what a run, a job or a cleanup failed with.
type GraphError struct {
	Phase   string `json:"phase,omitempty" enum:"definition,run,cleanup"`
	Type    string `json:"type"`
	Message string `json:"message"`
}

// GraphJob is how a job stands.
type GraphJob struct {
	Name     string            `json:"name"`
	Deps     []string          `json:"deps"`
	Labels   map[string]string `json:"labels,omitempty"`
	State    string            `json:"state" enum:"waiting,running,succeeded,failed,blocked,skipped,canceled"`
	How      *string           `json:"how" enum:"in_place,achieved"`
	Color    string            `json:"color" enum:"green,darkgreen,red,white"`
	Attempts int               `json:"attempts"`
	Checks   int               `json:"checks"`
	Runs     int               `json:"runs"`
	Rechecks int               `json:"rechecks"`
	Reason   string            `json:"reason,omitempty" scope:"payloads" doc:"What the first Check of its last attempt said."`
	Duration float64           `json:"duration" doc:"Seconds, of its attempts."`
	Error    *GraphError       `json:"error" scope:"payloads"`
	Result   json.RawMessage   `json:"result" scope:"payloads"`
	Verdict  string            `json:"verdict,omitempty" enum:"in_place,would_run,would_wait,cannot_tell,would_skip,canceled" doc:"Of a run with no_act that has ended: what a run would find."`
	WaitsFor []string          `json:"waits_for,omitempty" doc:"Of would_wait: those of its deps that are not in place."`
	TaskID   string            `json:"task_id,omitempty" doc:"Of its last attempt."`
	Redacted bool              `json:"redacted,omitempty" doc:"What it carries was left out: the key has no scope payloads."`
}

// GraphCall is a call of a job that has ended: a line of sendoff graph run --json, and
// what the call printed.
type GraphCall struct {
	Job       string    `json:"job"`
	Attempt   int       `json:"attempt"`
	Call      string    `json:"call" enum:"check,run,recheck,cleanup"`
	Outcome   string    `json:"outcome" enum:"pass,fail"`
	Message   *string   `json:"message" scope:"payloads"`
	Output    string    `json:"output" scope:"payloads" doc:"The last 16 KiB of what it printed."`
	OutputCut int64     `json:"output_cut,omitempty" doc:"Bytes of what it printed before that."`
	BeganAt   time.Time `json:"began_at"`
	Duration  float64   `json:"duration" doc:"Seconds."`
	TaskID    string    `json:"task_id" doc:"Of its attempt, or of the cleanup."`
	Redacted  bool      `json:"redacted,omitempty" doc:"What it carries was left out: the key has no scope payloads."`
}

// GraphCleanup is how a call of a Cleanup ended.
type GraphCleanup struct {
	Job      string  `json:"job"`
	Attempt  int     `json:"attempt"`
	Outcome  string  `json:"outcome" enum:"pass,fail"`
	Message  *string `json:"message" scope:"payloads"`
	Redacted bool    `json:"redacted,omitempty" doc:"What it carries was left out: the key has no scope payloads."`
}

type (
	graphRunInput struct {
		ID string `path:"id" doc:"Id of the run."`
	}
	getGraphRunInput struct {
		ID   string `path:"id" doc:"Id of the run."`
		Wait string `query:"wait" doc:"Answer when the run has ended, or after this time, at most 60s." example:"30s"`
	}
	graphRunsInput struct {
		Graph  string `query:"graph" doc:"Runs of the graph of this name."`
		Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
		Cursor string `query:"cursor" doc:"next_cursor of the page before."`
	}
	graphCallsInput struct {
		ID  string `path:"id" doc:"Id of the run."`
		Job string `query:"job" required:"true" doc:"Name of the job."`
	}
	graphCallsReply struct {
		Body struct {
			Items []GraphCall `json:"items"`
		}
	}
	graphRunReply struct{ Body *GraphRun }
	graphRunMade  struct {
		Location string `header:"Location"`
		Body     *GraphRun
	}
	graphRunsReply struct {
		Body struct {
			Items      []*GraphRun `json:"items"`
			NextCursor string      `json:"next_cursor,omitempty"`
		}
	}
	svgReply struct {
		ContentType string `header:"Content-Type"`
		Body        []byte
	}
)

func mountGraphRuns(mux *route.Mux, api huma.API, runs GraphRuns, refuse func(http.ResponseWriter, *problem.Problem)) {
	if runs == nil {
		runs = noGraphs{}
	}
	mux.HandleFunc(auth.Enqueue, "POST /v1/graph-runs", func(w http.ResponseWriter, r *http.Request) {
		run, err := startGraphRun(w, r, runs)
		if err != nil {
			refuse(w, problemOf(err))
			return
		}
		b, err := json.Marshal(shownTo(r.Context(), run))
		if err != nil {
			refuse(w, problemOf(err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Location", "/v1/graph-runs/"+run.ID)
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(append(b, '\n')) // the client may be gone
	})
	start := operation(auth.Enqueue, http.MethodPost, "/v1/graph-runs", "start-graph-run", "Run a graph of jobs", http.StatusCreated)
	start.Parameters = []*huma.Param{{Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: "string"}, Description: "Names the request: for 24 hours another one with the same key and body gets the same run."}}
	describe[NewGraphRun, GraphRun](api.OpenAPI(), &start, "201", "400", "401", "403", "404", "408", "409", "413", "415", "422", "503")
	get(api, "/v1/graph-runs", "list-graph-runs", "List runs of graphs, the newest first", func(ctx context.Context, in *graphRunsInput) (*graphRunsReply, error) {
		items, next, err := runs.List(ctx, in.Graph, in.Cursor, in.Limit)
		if err != nil {
			return nil, problemOf(err)
		}
		out := &graphRunsReply{}
		out.Body.Items, out.Body.NextCursor = items, next
		return out, nil
	})
	get(api, "/v1/graph-runs/{id}", "get-graph-run", "Get a run of a graph, and how its jobs stand", func(ctx context.Context, in *getGraphRunInput) (*graphRunReply, error) {
		wait, err := waitOf(in.Wait)
		if err != nil {
			return nil, err
		}
		run, err := runs.Get(ctx, in.ID, wait)
		return shown(run, err)
	})
	get(api, "/v1/graph-runs/{id}/graph.svg", "draw-graph-run", "Draw a run of a graph", func(ctx context.Context, in *graphRunInput) (*svgReply, error) {
		svg, err := runs.SVG(ctx, in.ID)
		if err != nil {
			return nil, problemOf(err)
		}
		return &svgReply{"image/svg+xml", svg}, nil
	})
	get(api, "/v1/graph-runs/{id}/calls", "list-graph-calls", "List the calls of a job in a run that have ended, in their order, with what they printed", func(ctx context.Context, in *graphCallsInput) (*graphCallsReply, error) {
		calls, err := runs.Calls(ctx, in.ID, in.Job)
		if err != nil {
			return nil, problemOf(err)
		}
		out := &graphCallsReply{}
		out.Body.Items = calls
		return out, nil
	})
	mountGraphVerbs(api, runs)
}

// mountGraphVerbs adds what is done with runs that there are.
func mountGraphVerbs(api huma.API, runs GraphRuns) {
	cancel := operation(auth.Operate, http.MethodPost, "/v1/graph-runs/{id}/cancel", "cancel-graph-run", "Cancel a run of a graph: what is under way ends, and the cleanups are called", http.StatusOK)
	huma.Register(api, cancel, func(ctx context.Context, in *graphRunInput) (*graphRunReply, error) {
		run, err := runs.Cancel(ctx, in.ID)
		return shown(run, err)
	})
	for verb, summary := range map[string]string{
		"pause":  "Pause a run of a graph: what is under way goes on, and nothing more begins",
		"resume": "Have a run of a graph go on that was paused",
	} {
		op := operation(auth.Operate, http.MethodPost, "/v1/graph-runs/{id}/"+verb, verb+"-graph-run", summary, http.StatusOK)
		huma.Register(api, op, func(ctx context.Context, in *graphRunInput) (*graphRunReply, error) {
			run, err := runs.SetPaused(ctx, in.ID, verb == "pause")
			return shown(run, err)
		})
	}
	retry := operation(auth.Operate, http.MethodPost, "/v1/graph-runs/{id}/retry", "retry-graph-run", "Run a graph again, without the jobs that a run of it has done", http.StatusCreated)
	huma.Register(api, retry, func(ctx context.Context, in *graphRunInput) (*graphRunMade, error) {
		run, err := runs.Retry(ctx, in.ID)
		return made(run, err)
	})
}

// startGraphRun reads what is to be run, and begins it.
func startGraphRun(w http.ResponseWriter, r *http.Request, runs GraphRuns) (*GraphRun, error) {
	in, text, fault := readAs[NewGraphRun](w, r, task.MaxPayload)
	if fault != nil {
		return nil, fault
	}
	for key, value := range in.Definition {
		in.Definition[key] = plainJSON(value)
	}
	bad := in.check()
	if kind := kindOf(bytes.TrimSpace(text)); kind != "object" {
		bad.Add("body", "is a JSON %s: want an object such as {\"graph\":\"site\"}", kind)
	}
	if len(bad) > 0 {
		return nil, bad
	}
	in.IdempotencyKey = r.Header.Get("Idempotency-Key")
	return runs.Start(r.Context(), &in)
}

// check notes what is out of range.
func (in *NewGraphRun) check() (bad task.Invalid) {
	if in.Parallel < 0 || in.Parallel > maxParallel {
		bad.Add("parallel", "is %d: want 1 to %d", in.Parallel, maxParallel)
	}
	if in.Tries < 0 || in.Tries > maxTries {
		bad.Add("tries", "is %d: want 1 to %d", in.Tries, maxTries)
	}
	if in.OnRunning != "" && in.OnRunning != "queue" && in.OnRunning != "refuse" {
		bad.Add("on_running", "is %q: want queue or refuse", in.OnRunning)
	}
	if len(in.Graph) > 200 {
		bad.Add("graph", "has %d bytes: want at most 200", len(in.Graph))
	}
	return bad
}

// GraphKey is the duplicate key of the runs of a graph, by its name.
func GraphKey(name string) string { return accept.NamedKey("graph:", name) }

const (
	maxParallel = 1000
	maxTries    = 1000
)

func made(run *GraphRun, err error) (*graphRunMade, error) {
	if err != nil {
		return nil, problemOf(err)
	}
	return &graphRunMade{"/v1/graph-runs/" + run.ID, run}, nil
}

func shown(run *GraphRun, err error) (*graphRunReply, error) {
	if err != nil {
		return nil, problemOf(err)
	}
	return &graphRunReply{run}, nil
}

// noGraphs is a server that carries out none.
type noGraphs struct{}

func (noGraphs) refuse() error {
	return problem.New(http.StatusNotFound, "not_found", "this program carries out no graphs: sendoff serve does")
}
func (n noGraphs) Start(context.Context, *NewGraphRun) (*GraphRun, error) { return nil, n.refuse() }
func (n noGraphs) Get(context.Context, string, time.Duration) (*GraphRun, error) {
	return nil, n.refuse()
}

func (n noGraphs) List(context.Context, string, string, int) ([]*GraphRun, string, error) {
	return nil, "", n.refuse()
}
func (n noGraphs) Cancel(context.Context, string) (*GraphRun, error) { return nil, n.refuse() }
func (n noGraphs) Retry(context.Context, string) (*GraphRun, error)  { return nil, n.refuse() }
func (n noGraphs) SVG(context.Context, string) ([]byte, error)       { return nil, n.refuse() }

func (n noGraphs) Calls(context.Context, string, string) ([]GraphCall, error) {
	return nil, n.refuse()
}

func (n noGraphs) SetPaused(context.Context, string, bool) (*GraphRun, error) {
	return nil, n.refuse()
}
