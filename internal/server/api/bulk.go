package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Actions does things to many tasks.
type Actions interface {
	Preview(ctx context.Context, n *operate.NewAction) (operate.Preview, error)
	Create(ctx context.Context, n *operate.NewAction) (operate.ActionView, error)
	Get(ctx context.Context, id task.ID) (operate.ActionView, error)
	List(ctx context.Context, before task.ID, limit int) ([]operate.ActionView, error)
	Items(ctx context.Context, id task.ID, after int64, limit int) ([]store.ActionItem, error)
	Steer(ctx context.Context, id task.ID, to store.ActionState) (operate.ActionView, error)
	Undo(ctx context.Context, id task.ID) (operate.ActionView, error)
}

type bulkIDs []string

// BulkRequest is the body of POST /v1/tasks/bulk: one of filter, ids and all.
type BulkRequest struct {
	Action string          `json:"action" enum:"cancel,retry,run,delete,reschedule,move" doc:"What is done to each task."`
	To     *BulkTo         `json:"to,omitempty" doc:"With reschedule and move only."`
	Filter json.RawMessage `json:"filter,omitempty" doc:"An object: the parameters of GET /v1/tasks that select tasks, each with a value or a list of them."`
	IDs    bulkIDs         `json:"ids,omitempty" maxItems:"500" doc:"In place of filter."`
	All    bool            `json:"all,omitempty" doc:"In place of filter: all tasks."`
	Rate   string          `json:"rate,omitempty" default:"500/s" doc:"Tasks a second, such as 500/s; or max."`
	Reason string          `json:"reason,omitempty" doc:"For the audit."`
	DryRun bool            `json:"dry_run,omitempty" doc:"Tell what would be done, and do nothing."`
	Bound  *ActionBound    `json:"bound,omitempty" doc:"Of a dry run: the same tasks. Default now."`
}

// BulkTo is what tasks are to become: one of its fields.
type BulkTo struct {
	Queue string          `json:"queue,omitempty" doc:"Of move: the queue in which they are to wait."`
	Delay json.RawMessage `json:"delay,omitempty" doc:"Of reschedule: when they are to start, from now on; 0s is at once."`
	RunAt string          `json:"run_at,omitempty" doc:"Of reschedule, in place of delay; what is past is at once."`
}

// ActionTo is what tasks are to become, in an answer.
type ActionTo struct {
	Queue string `json:"queue,omitempty"`
	RunAt string `json:"run_at,omitempty"`
}

// ActionBound is up to where an action goes.
type ActionBound struct {
	ID string `json:"id" doc:"Tasks made before it."`
	At string `json:"at" doc:"Of tasks that have ended: those that did before it."`
}

// ActionActor is who asked for an action.
type ActionActor struct {
	Key     string `json:"key,omitempty"`
	Name    string `json:"name,omitempty"`
	Address string `json:"address,omitempty"`
}

// Action is something that is done to many tasks, in an answer.
type Action struct {
	ID         string              `json:"id"`
	Action     string              `json:"action" enum:"cancel,retry,run,delete,reschedule,move"`
	To         *ActionTo           `json:"to,omitempty" doc:"Of reschedule and move."`
	State      string              `json:"state" enum:"counting,running,paused,done,aborted"`
	Filter     map[string][]string `json:"filter,omitempty"`
	IDs        int                 `json:"ids,omitempty" doc:"How many tasks it was given by their ids."`
	UndoOf     string              `json:"undo_of,omitempty" doc:"The action that it undoes."`
	Bound      ActionBound         `json:"bound"`
	Matched    int                 `json:"matched" doc:"Tasks that there were something to do for when it was made."`
	Exact      bool                `json:"exact" doc:"false: there were that many at least."`
	Done       int64               `json:"done"`
	Passed     int64               `json:"passed" doc:"Tasks to which nothing was done, because of how they stood."`
	Failed     int64               `json:"failed"`
	Rate       string              `json:"rate"`
	Reason     string              `json:"reason,omitempty"`
	By         ActionActor         `json:"by"`
	CreatedAt  string              `json:"created_at"`
	FinishedAt string              `json:"finished_at,omitempty"`
	Undoable   bool                `json:"undoable"`
}

// ActionPreview answers a dry run.
type ActionPreview struct {
	DryRun     bool                `json:"dry_run"`
	Action     string              `json:"action"`
	Filter     map[string][]string `json:"filter,omitempty"`
	Bound      ActionBound         `json:"bound"`
	Matched    int                 `json:"matched"`
	Exact      bool                `json:"exact" doc:"false: there are that many at least."`
	PassedOver map[string]int      `json:"passed_over" doc:"Selected tasks to which nothing would be done, by their states."`
	Sample     []Task              `json:"sample" doc:"The first 10."`
}

// ActionItem is a task that was acted on.
type ActionItem struct {
	Seq    int64  `json:"seq"`
	TaskID string `json:"task_id"`
	Run    int32  `json:"run,omitempty" doc:"In which it is since then."`
}

type actionReply struct{ Body Action }

type actionInput struct {
	ID string `path:"id" doc:"Id of the action."`
}

type actionsInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before."`
}

type actionsReply struct {
	Body struct {
		Items      []Action `json:"items"`
		NextCursor string   `json:"next_cursor,omitempty"`
	}
}

type actionItemsInput struct {
	ID     string `path:"id" doc:"Id of the action."`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"500"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before."`
}

type actionItemsReply struct {
	Body struct {
		Items      []ActionItem `json:"items"`
		NextCursor string       `json:"next_cursor,omitempty"`
	}
}

const maxBulk = 64 << 10

func mountActions(mux *route.Mux, api huma.API, actions Actions, refuse func(http.ResponseWriter, *problem.Problem)) {
	mux.HandleFunc(auth.Operate, "POST /v1/tasks/bulk", byHand(refuse, func(w http.ResponseWriter, r *http.Request) (int, any, *problem.Problem) {
		return bulk(w, r, actions)
	}))
	op := operation(auth.Operate, http.MethodPost, "/v1/tasks/bulk", "act-on-tasks",
		"Act on many tasks: a dry run answers 200 with what would be done; otherwise 202, and the action is carried out in steps", http.StatusAccepted)
	describe[BulkRequest, Action](api.OpenAPI(), &op, "202", "400", "401", "403", "404", "408", "413", "415", "422", "503")
	get(api, "/v1/actions", "list-actions", "List actions on many tasks, newest first; they are kept for 30 days after their end", func(ctx context.Context, in *actionsInput) (*actionsReply, error) {
		return listActions(ctx, actions, in)
	})
	get(api, "/v1/actions/{id}", "get-action", "Get an action on many tasks", func(ctx context.Context, in *actionInput) (*actionReply, error) {
		return onAction(ctx, in.ID, actions.Get)
	})
	get(api, "/v1/actions/{id}/items", "list-action-items", "List the tasks that an action was done to, the first 100,000", func(ctx context.Context, in *actionItemsInput) (*actionItemsReply, error) {
		return listItems(ctx, actions, in)
	})
	steer := func(verb, summary string, do func(context.Context, task.ID) (operate.ActionView, error)) {
		huma.Register(api, operation(auth.Operate, http.MethodPost, "/v1/actions/{id}/"+verb, verb+"-action", summary, http.StatusOK),
			func(ctx context.Context, in *actionInput) (*actionReply, error) { return onAction(ctx, in.ID, do) })
	}
	to := func(state store.ActionState) func(context.Context, task.ID) (operate.ActionView, error) {
		return func(ctx context.Context, id task.ID) (operate.ActionView, error) {
			return actions.Steer(ctx, id, state)
		}
	}
	steer("pause", "Have an action rest where it is", to(store.ActionPaused))
	steer("resume", "Have an action go on", to(store.ActionRunning))
	steer("abort", "End an action where it is; what it did stays", to(store.ActionAborted))
	steer("undo", "Make an action that undoes a cancel or a retry, as far as that holds; the answer is the new one", actions.Undo)
}

func onAction(ctx context.Context, id string, do func(context.Context, task.ID) (operate.ActionView, error)) (*actionReply, error) {
	found, err := task.ParseID(id)
	if err != nil {
		return nil, problemOf(store.ErrNotFound)
	}
	a, err := do(ctx, found)
	if err != nil {
		return nil, problemOf(err)
	}
	return &actionReply{actionView(&a)}, nil
}

func listActions(ctx context.Context, actions Actions, in *actionsInput) (*actionsReply, error) {
	var before task.ID
	if in.Cursor != "" {
		var err error
		if before, err = task.ParseID(in.Cursor); err != nil {
			return nil, cursorProblem(operate.ErrBadCursor)
		}
	}
	all, err := actions.List(ctx, before, in.Limit)
	if err != nil {
		return nil, problemOf(err)
	}
	out := &actionsReply{}
	out.Body.Items = make([]Action, len(all))
	for i := range all {
		out.Body.Items[i] = actionView(&all[i])
	}
	if len(all) == in.Limit {
		out.Body.NextCursor = out.Body.Items[len(all)-1].ID
	}
	return out, nil
}

func listItems(ctx context.Context, actions Actions, in *actionItemsInput) (*actionItemsReply, error) {
	id, err := task.ParseID(in.ID)
	if err != nil {
		return nil, problemOf(store.ErrNotFound)
	}
	after := int64(0)
	if in.Cursor != "" {
		if after, err = strconv.ParseInt(in.Cursor, 10, 64); err != nil || after < 0 {
			return nil, cursorProblem(operate.ErrBadCursor)
		}
	}
	items, err := actions.Items(ctx, id, after, in.Limit)
	if err != nil {
		return nil, problemOf(err)
	}
	out := &actionItemsReply{}
	out.Body.Items = make([]ActionItem, len(items))
	for i, item := range items {
		out.Body.Items[i] = ActionItem{item.Seq, item.Task.String(), item.Run}
	}
	if len(items) == in.Limit {
		out.Body.NextCursor = strconv.FormatInt(items[len(items)-1].Seq, 10)
	}
	return out, nil
}

// bulk answers POST /v1/tasks/bulk.
func bulk(w http.ResponseWriter, r *http.Request, actions Actions) (int, any, *problem.Problem) {
	req, _, fault := readAs[BulkRequest](w, r, maxBulk)
	if fault != nil {
		return 0, nil, fault
	}
	n, fault := req.action()
	if fault != nil {
		return 0, nil, fault
	}
	if n.Params.Has("error") && !auth.May(r.Context(), auth.Payloads) {
		return 0, nil, lacksPayloads("error")
	}
	if req.DryRun {
		look, err := actions.Preview(r.Context(), n)
		if err != nil {
			return 0, nil, problemOf(err)
		}
		return http.StatusOK, previewView(n, &look), nil
	}
	a, err := actions.Create(r.Context(), n)
	if err != nil {
		return 0, nil, problemOf(err)
	}
	w.Header().Set("Location", "/v1/actions/"+a.ID.String())
	return http.StatusAccepted, actionView(&a), nil
}

var verbs = []string{
	string(store.CancelThem), string(store.RetryThem), string(store.RunThem), string(store.DeleteThem),
	string(store.RescheduleThem), string(store.MoveThem),
}

// action reads what is asked for.
func (q *BulkRequest) action() (*operate.NewAction, *problem.Problem) {
	var bad task.Invalid
	n := &operate.NewAction{Verb: store.Verb(q.Action), IDs: q.IDs, Reason: q.Reason}
	if !slices.Contains(verbs, q.Action) {
		bad.Add("action", "is %q: want one of %s", q.Action, strings.Join(verbs, ", "))
	}
	n.To = q.to(&bad)
	n.Params = q.params(&bad)
	f := operate.ParseFilter(n.Params, &bad)
	ways := 0
	for _, given := range []bool{len(q.Filter) > 0, len(q.IDs) > 0, q.All} {
		if given {
			ways++
		}
	}
	switch {
	case ways > 1:
		bad.Add("filter", "is given beside ids or all: want one of the three")
	case ways == 0 || len(q.Filter) > 0 && f.Empty() && len(bad) == 0:
		bad.Add("filter", "selects all tasks: say \"all\": true when that is meant")
	}
	n.Rate = rateOf(&bad, q.Rate)
	if len(q.Reason) > 500 {
		bad.Add("reason", "has more than 500 bytes")
	}
	if q.Bound != nil {
		id, err := task.ParseID(q.Bound.ID)
		if err != nil {
			bad.Add("bound.id", "%s", err)
		}
		n.Bound = operate.Bound{ID: id, At: timeOf(&bad, "bound.at", q.Bound.At).UnixMicro()}
	}
	if len(bad) > 0 {
		return nil, invalidProblem(bad)
	}
	return n, nil
}

// to reads what tasks are to become.
func (q *BulkRequest) to(bad *task.Invalid) (to operate.ActionTo) {
	verb := store.Verb(q.Action)
	if q.To == nil {
		q.To = &BulkTo{}
	} else if !verb.Changes() {
		bad.Add("to", "belongs to the actions reschedule and move")
		return to
	}
	delay, delayed := duration(bad, "to.delay", q.To.Delay)
	if delayed {
		task.DelaySpan.Check(bad, "to.delay", delay)
		to.Delay = &delay
	}
	to.Queue, to.RunAt = q.To.Queue, timeOf(bad, "to.run_at", q.To.RunAt)
	timed := len(q.To.Delay) > 0 || q.To.RunAt != ""
	switch {
	case verb == store.MoveThem && (timed || to.Queue == ""):
		bad.Add("to", "is not a queue: move wants {\"queue\":\"NAME\"}")
	case verb == store.MoveThem:
		bad.CheckQueue("to.queue", to.Queue)
	case verb == store.RescheduleThem && (to.Queue != "" || !timed || len(q.To.Delay) > 0 && q.To.RunAt != ""):
		bad.Add("to", "is not one time: reschedule wants {\"delay\":\"10m\"} or {\"run_at\":\"2026-01-31T12:00:00Z\"}")
	}
	return to
}

// rateOf reads how many tasks a second; 0 is as fast as it goes.
func rateOf(bad *task.Invalid, text string) int {
	switch text {
	case "":
		return operate.DefaultRate
	case "max":
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSuffix(text, "/s"))
	if err != nil || !strings.HasSuffix(text, "/s") || n < 1 || n > 100_000 {
		bad.Add("rate", "is %q: want tasks a second such as 500/s, or max", text)
	}
	return n
}

// params are the parameters of a filter that is an object of JSON.
func (q *BulkRequest) params(bad *task.Invalid) url.Values {
	params := url.Values{}
	if len(q.Filter) == 0 {
		return params
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(q.Filter, &values); err != nil {
		bad.Add("filter", "is a JSON %s: want an object such as {\"state\":\"failed\"}", kindOf(bytes.TrimSpace(q.Filter)))
		return params
	}
	for name, value := range values {
		list := []json.RawMessage{value}
		if kindOf(value) == "array" {
			_ = json.Unmarshal(value, &list) // valid, as all of it
		}
		if len(list) == 0 {
			bad.Add("filter."+name, "is an empty list, which selects nothing")
		}
		for _, one := range list {
			switch kindOf(one) {
			case "string":
				var text string
				_ = json.Unmarshal(one, &text) // valid, as all of it
				params.Add(name, text)
			case "number":
				params.Add(name, string(one))
			default:
				bad.Add("filter."+name, "is a JSON %s: want text, a number or a list of them", kindOf(one))
			}
		}
	}
	return params
}

var actionStates = map[store.ActionState]string{
	store.ActionCounting: "counting", store.ActionRunning: "running", store.ActionPaused: "paused", store.ActionDone: "done", store.ActionAborted: "aborted",
}

func boundView(b operate.Bound) ActionBound { return ActionBound{b.ID.String(), timeText(b.At)} }

func previewView(n *operate.NewAction, look *operate.Preview) ActionPreview {
	v := ActionPreview{
		DryRun: true, Action: string(n.Verb), Filter: n.Params, Bound: boundView(look.Bound), Matched: look.Matched, Exact: look.Exact, PassedOver: look.Passed,
		Sample: make([]Task, len(look.Sample)),
	}
	for i := range look.Sample {
		v.Sample[i] = viewOf(&look.Sample[i])
	}
	return v
}

func actionView(a *operate.ActionView) Action {
	v := Action{
		ID: a.ID.String(), Action: string(a.Verb), State: actionStates[a.State], Filter: a.Params, IDs: a.IDs, Bound: boundView(a.Bound), Matched: a.Matched, Exact: a.Exact,
		Done: a.Done, Passed: a.Passed, Failed: a.Failed, Rate: "max", Reason: a.Reason, By: ActionActor(a.By),
		CreatedAt: timeText(a.CreatedAt), FinishedAt: timeText(a.FinishedAt), Undoable: a.Undoable(),
	}
	if a.Verb.Changes() {
		v.To = &ActionTo{Queue: a.To.Queue}
		if !a.To.RunAt.IsZero() {
			v.To.RunAt = timeText(a.To.RunAt.UnixMicro())
		}
	}
	if a.Rate > 0 {
		v.Rate = fmt.Sprintf("%d/s", a.Rate)
	}
	if !a.UndoOf.IsZero() {
		v.UndoOf = a.UndoOf.String()
	}
	return v
}
