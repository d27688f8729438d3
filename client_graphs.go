package sendoff

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// NewGraphRun is a graph of jobs to run. One of Graph and Definition is needed; a
// zero field leaves the choice to the server.
type NewGraphRun struct {
	Graph         string            `json:"graph,omitempty"`      // name of a stored graph, or of the one that is given: two runs of one name do not run at the same time
	Definition    any               `json:"definition,omitempty"` // encoded as JSON: as in a file of sendoff graph
	Inputs        map[string]any    `json:"inputs,omitempty"`     // that the graph declares
	Args          []any             `json:"args,omitempty"`       // positional arguments of the calls
	Parallel      int               `json:"parallel,omitempty"`   // jobs at a time; default 1
	Tries         int               `json:"tries,omitempty"`      // of jobs that name none
	RetryDelay    *time.Duration    `json:"-"`                    // of jobs that name none, from the start of an attempt to the next
	Only          []string          `json:"only,omitempty"`       // these jobs, with all below them, are the goals
	From          []string          `json:"from,omitempty"`       // what these jobs stand on counts as done
	Except        []string          `json:"except,omitempty"`     // these are left out and count as done
	StopAtFailure bool              `json:"stop_at_failure,omitempty"`
	NoAct         bool              `json:"no_act,omitempty"`     // call the first checks only: the jobs of the run get a verdict
	OnRunning     string            `json:"on_running,omitempty"` // while another run of the graph goes on: "queue" (the default) or "refuse", with a conflict
	Queue         string            `json:"queue,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (n NewGraphRun) MarshalJSON() ([]byte, error) {
	type plain NewGraphRun
	out := struct {
		plain
		RetryDelay string `json:"retry_delay,omitempty"`
	}{plain: plain(n)}
	if n.RetryDelay != nil {
		out.RetryDelay = n.RetryDelay.String()
	}
	return json.Marshal(out)
}

// The states of a run of a graph.
const (
	GraphQueued    = "queued"
	GraphRunning   = "running"
	GraphSucceeded = "succeeded" // the goal was reached
	GraphFailed    = "failed"    // it was not, or a cleanup failed
	GraphCanceled  = "canceled"
)

// GraphRun is a run of a graph as it is.
type GraphRun struct {
	ID         string            `json:"id"`
	State      string            `json:"state"`
	Paused     bool              `json:"paused,omitempty"` // nothing more begins until it is resumed
	Graph      string            `json:"graph,omitempty"`
	NoAct      bool              `json:"no_act,omitempty"`   // only the first checks are called
	Rev        int               `json:"rev,omitempty"`      // of the stored graph; 0 = the definition came with the request. Not in listings
	Schedule   string            `json:"schedule,omitempty"` // that began it
	RetryOf    string            `json:"retry_of,omitempty"` // the run whose failed jobs it tries again
	CreatedAt  time.Time         `json:"created_at,omitzero"`
	StartedAt  time.Time         `json:"started_at,omitzero"`
	FinishedAt time.Time         `json:"finished_at,omitzero"`
	Labels     map[string]string `json:"labels,omitempty"`
	Goal       string            `json:"goal,omitempty"`
	Reached    bool              `json:"reached"`
	Partial    bool              `json:"partial"` // a job succeeded
	Passes     int               `json:"passes"`
	Exit       *int              `json:"exit,omitempty"` // 0 reached, 1 not, 3 a cleanup failed; nil = it has not ended by itself
	Duration   float64           `json:"duration"`       // seconds
	Error      *GraphError       `json:"error"`
	Jobs       []GraphJob        `json:"jobs,omitempty"`    // in depth-first post-order from the goal; not in listings
	Cleanups   []GraphCleanup    `json:"cleanups,omitzero"` // in the order of their calls; not in listings
}

// Final tells whether the run has ended.
func (r *GraphRun) Final() bool { return r.State != GraphQueued && r.State != GraphRunning }

// GraphError is what a run, a job or a cleanup failed with.
type GraphError struct {
	Phase   string `json:"phase,omitempty"` // of a run: definition, run or cleanup
	Type    string `json:"type"`
	Message string `json:"message"`
}

// GraphJob is how a job of a run stands.
type GraphJob struct {
	Name     string            `json:"name"`
	Deps     []string          `json:"deps"`
	Labels   map[string]string `json:"labels,omitempty"`
	State    string            `json:"state"` // waiting, running, succeeded, failed, blocked, skipped or canceled
	How      string            `json:"how"`   // of one that succeeded: in_place or achieved
	Color    string            `json:"color"` // green, darkgreen, red or white
	Attempts int               `json:"attempts"`
	Checks   int               `json:"checks"`
	Runs     int               `json:"runs"`
	Rechecks int               `json:"rechecks"`
	Reason   string            `json:"reason,omitempty"` // what the first Check of its last attempt said
	Duration float64           `json:"duration"`         // seconds, of its attempts
	Error    *GraphError       `json:"error"`
	Result   json.RawMessage   `json:"result"`
	Verdict  string            `json:"verdict,omitempty"`   // of a run with NoAct that has ended: in_place, would_run, would_wait, cannot_tell, would_skip or canceled
	WaitsFor []string          `json:"waits_for,omitempty"` // of would_wait: those of its deps that are not in place
	TaskID   string            `json:"task_id,omitempty"`   // of its last attempt
}

// GraphCall is a call of a job that has ended, and what it printed.
type GraphCall struct {
	Job       string    `json:"job"`
	Attempt   int       `json:"attempt"` // from 1
	Call      string    `json:"call"`    // check, run, recheck or cleanup
	Outcome   string    `json:"outcome"` // pass or fail
	Message   string    `json:"message"`
	Output    string    `json:"output"`               // the last 16 KiB of what it printed
	OutputCut int64     `json:"output_cut,omitempty"` // bytes of what it printed before that
	BeganAt   time.Time `json:"began_at"`
	Duration  float64   `json:"duration"` // seconds
	TaskID    string    `json:"task_id"`  // of its attempt, or of the cleanup
}

// MarshalJSON implements json.Marshaler: the shape of the API, in which message is null
// for one that passed.
func (c GraphCall) MarshalJSON() ([]byte, error) {
	type plain GraphCall
	return json.Marshal(struct {
		plain
		Message *string `json:"message"`
	}{plain(c), textOrNull(c.Message)})
}

// MarshalJSON implements json.Marshaler: the shape of the API, in which how is null for
// what did not succeed.
func (j GraphJob) MarshalJSON() ([]byte, error) {
	type plain GraphJob
	return json.Marshal(struct {
		plain
		How *string `json:"how"`
	}{plain(j), textOrNull(j.How)})
}

// GraphCleanup is how a call of a Cleanup ended.
type GraphCleanup struct {
	Job     string `json:"job"`
	Attempt int    `json:"attempt"`
	Outcome string `json:"outcome"` // pass or fail
	Message string `json:"message"`
}

// MarshalJSON implements json.Marshaler: the shape of the API, in which message is null
// for one that passed.
func (c GraphCleanup) MarshalJSON() ([]byte, error) {
	type plain GraphCleanup
	return json.Marshal(struct {
		plain
		Message *string `json:"message"`
	}{plain(c), textOrNull(c.Message)})
}

func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// GraphRuns begins, lists, watches and steers runs of graphs of jobs: [Client.GraphRuns].
// Of errors, repeats and concurrent use holds what [Client] says.
type GraphRuns struct{ c *Client }

// Start begins a run, once however often the request is sent.
func (g GraphRuns) Start(ctx context.Context, n NewGraphRun) (*GraphRun, error) {
	return g.one(ctx, request{method: http.MethodPost, path: "/v1/graph-runs", body: n, key: newKey()})
}

// List goes through runs, the newest first, all or those of the graph of a name, and
// fetches page by page. The first error ends it.
func (g GraphRuns) List(ctx context.Context, graph string) iter.Seq2[*GraphRun, error] {
	q := url.Values{}
	if graph != "" {
		q.Set("graph", graph)
	}
	return pages[*GraphRun](ctx, g.c, "/v1/graph-runs", q, 0)
}

// Get returns a run and how its jobs stand. See [IsNotFound].
func (g GraphRuns) Get(ctx context.Context, id string) (*GraphRun, error) {
	return g.one(ctx, request{method: http.MethodGet, path: graphRun(id)})
}

// Calls returns the calls of a job in a run that have ended, in their order. There are none
// any more once the tasks of the run have been deleted. See [IsNotFound].
func (g GraphRuns) Calls(ctx context.Context, id, job string) ([]GraphCall, error) {
	var page struct{ Items []GraphCall }
	_, _, err := g.c.do(ctx, request{method: http.MethodGet, path: graphRun(id) + "/calls", query: url.Values{"job": {job}}}, &page)
	return page.Items, err
}

// Wait returns a run when it has ended.
func (g GraphRuns) Wait(ctx context.Context, id string) (*GraphRun, error) {
	for {
		run, err := g.one(ctx, request{method: http.MethodGet, path: graphRun(id), query: url.Values{"wait": {maxWait.String()}}, wait: maxWait})
		if err != nil || run.Final() {
			return run, err
		}
	}
}

// Cancel ends a run: what is under way ends, and the cleanups are called.
func (g GraphRuns) Cancel(ctx context.Context, id string) (*GraphRun, error) {
	return g.one(ctx, request{method: http.MethodPost, path: graphRun(id) + "/cancel", again: true})
}

// Pause has a run begin nothing more; what is under way goes on. See [IsConflict].
func (g GraphRuns) Pause(ctx context.Context, id string) (*GraphRun, error) {
	return g.one(ctx, request{method: http.MethodPost, path: graphRun(id) + "/pause", again: true})
}

// Resume has a run go on that was paused. See [IsConflict].
func (g GraphRuns) Resume(ctx context.Context, id string) (*GraphRun, error) {
	return g.one(ctx, request{method: http.MethodPost, path: graphRun(id) + "/resume", again: true})
}

// Retry begins a run of the same graph without the jobs that this one, which has
// ended, has done. See [IsConflict]. It is not repeated when its answer is lost: that would begin another one.
func (g GraphRuns) Retry(ctx context.Context, id string) (*GraphRun, error) {
	return g.one(ctx, request{method: http.MethodPost, path: graphRun(id) + "/retry"})
}

func (g GraphRuns) one(ctx context.Context, r request) (*GraphRun, error) {
	var run GraphRun
	_, _, err := g.c.do(ctx, r, &run)
	if err != nil {
		return nil, err
	}
	return &run, nil
}

func graphRun(id string) string { return "/v1/graph-runs/" + url.PathEscape(cmp.Or(id, "-")) }
