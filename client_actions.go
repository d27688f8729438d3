package sendoff

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Bulk is what is to be done to many tasks: those that a filter selects, or those with ids.
// A zero filter without ids needs All.
type Bulk struct {
	Action string              // "cancel", "retry", "run", "delete", "reschedule" or "move"
	To     *BulkTo             // of reschedule and move
	Filter map[string][]string // as Filter.Where: the parameters of GET /v1/tasks that select
	IDs    []string            // at most 500, in place of Filter
	All    bool
	Rate   string       // "500/s", the default; or "max"
	Reason string       // for the audit
	Bound  *ActionBound // of a preview: the same tasks; nil = those that are there now
}

// BulkTo is what tasks become: one of its fields.
type BulkTo struct {
	Queue string         // of move: where they are to wait
	Delay *time.Duration // of reschedule: when they are to start, from now on; 0 is at once
	RunAt time.Time      // of reschedule, in place of Delay; what is past is at once
}

// ActionTo is what an action makes of tasks.
type ActionTo struct {
	Queue string    `json:"queue,omitempty"`
	RunAt time.Time `json:"run_at,omitzero"`
}

// ActionBound is up to where an action goes.
type ActionBound struct {
	ID string    `json:"id"` // tasks that were made before it
	At time.Time `json:"at"` // of tasks that have ended: those that did before it
}

// ActionPreview is what an action would do.
type ActionPreview struct {
	Bound      ActionBound    `json:"bound"`
	Matched    int            `json:"matched"`
	Exact      bool           `json:"exact"`       // false: there are that many at least
	PassedOver map[string]int `json:"passed_over"` // selected tasks to which nothing would be done, by their states
	Sample     []Task         `json:"sample"`      // the first 10
}

// Action is something that is done to many tasks.
type Action struct {
	ID         string              `json:"id"`
	Action     string              `json:"action"`
	To         *ActionTo           `json:"to,omitempty"` // of reschedule and move
	State      string              `json:"state"`        // "counting", "running", "paused", "done" or "aborted"
	Filter     map[string][]string `json:"filter,omitempty"`
	IDs        int                 `json:"ids,omitempty"`
	UndoOf     string              `json:"undo_of,omitempty"`
	Bound      ActionBound         `json:"bound"`
	Matched    int                 `json:"matched"`
	Exact      bool                `json:"exact"`
	Done       int64               `json:"done"`
	Passed     int64               `json:"passed"` // tasks to which nothing was done, because of how they stood
	Failed     int64               `json:"failed"`
	Rate       string              `json:"rate"`
	Reason     string              `json:"reason,omitempty"`
	By         AuditActor          `json:"by"`
	CreatedAt  time.Time           `json:"created_at"`
	FinishedAt time.Time           `json:"finished_at,omitzero"`
	Undoable   bool                `json:"undoable"`
}

// Ended tells whether nothing more happens to it.
func (a *Action) Ended() bool { return a.State == "done" || a.State == "aborted" }

// ActionItem is a task that an action was done to.
type ActionItem struct {
	Seq    int64  `json:"seq"`
	TaskID string `json:"task_id"`
	Run    int32  `json:"run,omitempty"`
}

// Actions acts on many tasks at once: [Client.Actions]. Of errors, repeats and concurrent
// use holds what [Client] says.
type Actions struct{ c *Client }

type bulkTo struct {
	Queue string    `json:"queue,omitempty"`
	Delay string    `json:"delay,omitempty"`
	RunAt time.Time `json:"run_at,omitzero"`
}

func (t *BulkTo) body() *bulkTo {
	if t == nil {
		return nil
	}
	to := &bulkTo{Queue: t.Queue, RunAt: t.RunAt}
	if t.Delay != nil {
		to.Delay = t.Delay.String()
	}
	return to
}

type bulkBody struct {
	Action string              `json:"action"`
	To     *bulkTo             `json:"to,omitempty"`
	Filter map[string][]string `json:"filter,omitempty"`
	IDs    []string            `json:"ids,omitempty"`
	All    bool                `json:"all,omitempty"`
	Rate   string              `json:"rate,omitempty"`
	Reason string              `json:"reason,omitempty"`
	DryRun bool                `json:"dry_run,omitempty"`
	Bound  *ActionBound        `json:"bound,omitempty"`
}

func (b *Bulk) body(dry bool) bulkBody {
	return bulkBody{b.Action, b.To.body(), b.Filter, b.IDs, b.All, b.Rate, b.Reason, dry, b.Bound}
}

// Preview tells what an action would do, and does nothing.
func (a Actions) Preview(ctx context.Context, b Bulk) (*ActionPreview, error) {
	var out ActionPreview
	if _, _, err := a.c.do(ctx, request{method: http.MethodPost, path: "/v1/tasks/bulk", body: b.body(true), again: true}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Start begins an action, which the server carries out whatever becomes of the client. It
// is not repeated when its answer is lost: see List.
func (a Actions) Start(ctx context.Context, b Bulk) (*Action, error) {
	return a.one(ctx, http.MethodPost, "/v1/tasks/bulk", b.body(false))
}

// List goes through actions, newest first. They are kept for 30 days after their end.
func (a Actions) List(ctx context.Context) iter.Seq2[Action, error] {
	return pages[Action](ctx, a.c, "/v1/actions", url.Values{}, 0)
}

// Get returns an action.
func (a Actions) Get(ctx context.Context, id string) (*Action, error) {
	return a.one(ctx, http.MethodGet, actionPath(id, ""), nil)
}

// Items goes through the tasks that an action was done to, the first 100,000.
func (a Actions) Items(ctx context.Context, id string) iter.Seq2[ActionItem, error] {
	return pages[ActionItem](ctx, a.c, actionPath(id, "/items"), url.Values{}, 0)
}

// Pause has an action rest where it is. See [IsConflict].
func (a Actions) Pause(ctx context.Context, id string) (*Action, error) {
	return a.one(ctx, http.MethodPost, actionPath(id, "/pause"), nil)
}

// Resume has an action go on. See [IsConflict].
func (a Actions) Resume(ctx context.Context, id string) (*Action, error) {
	return a.one(ctx, http.MethodPost, actionPath(id, "/resume"), nil)
}

// Abort ends an action where it is; what it did stays. See [IsConflict].
func (a Actions) Abort(ctx context.Context, id string) (*Action, error) {
	return a.one(ctx, http.MethodPost, actionPath(id, "/abort"), nil)
}

// Undo begins an action that undoes a cancel or a retry, as far as that holds, and returns
// the new one. See [IsConflict].
func (a Actions) Undo(ctx context.Context, id string) (*Action, error) {
	return a.one(ctx, http.MethodPost, actionPath(id, "/undo"), nil)
}

func (a Actions) one(ctx context.Context, method, path string, body any) (*Action, error) {
	var out Action
	if _, _, err := a.c.do(ctx, request{method: method, path: path, body: body}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

func actionPath(id, rest string) string { return "/v1/actions/" + url.PathEscape(id) + rest }
