package operate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// otherReader finds what tasks wait for that wait for others.
type otherReader interface {
	Gate(ctx context.Context, id store.Hash) (store.GateRow, error)
	Need(ctx context.Context, id task.ID) (store.Need, bool, error)
	Dependencies(ctx context.Context, id, after task.ID, limit int) ([]store.Dependency, error)
}

// WaitStore is what Waits needs of a database.
type WaitStore interface {
	otherReader
	Ahead(ctx context.Context, place store.ReadyEntry, limit int) (int, error)
	AheadAt(ctx context.Context, place store.LineEntry, limit int) (int, error)
	Mailbox(ctx context.Context, id task.ID) (task.Mailbox, error)
	List(ctx context.Context, q store.Query) (rows []store.Row, next task.ID, err error)
	Nodes(ctx context.Context) ([]store.Node, error)
	Now() int64
}

// WaitsConfig is the Config of Waits. All fields are required.
type WaitsConfig struct {
	Store     WaitStore
	Lanes     Lanes
	Functions *Functions
	Settings  func(namespace int32, queue string) task.QueueSettings
	Scheduler string // the role of nodes that make due what is due

	// PausedHost tells since when pushes to a host are paused, in microseconds; 0 = they are
	// not.
	PausedHost func(host string) int64

	// PausedSince tells since when everything is paused in a namespace, likewise.
	PausedSince func(namespace int32) int64
}

// Waits finds out what tasks wait for. Safe for concurrent use.
type Waits struct{ cfg WaitsConfig }

// NewWaits returns a Waits.
func NewWaits(cfg WaitsConfig) *Waits {
	need.Fields(cfg, "Store", "Lanes", "Functions", "Settings", "Scheduler", "PausedHost", "PausedSince")
	return &Waits{cfg}
}

// Waiting is what a task waits for: the first thing that has to happen. It may have
// happened since the task was read.
type Waiting struct {
	Cause   task.WaitCause
	Text    string          // for people, in a line
	Since   int64           // when it began to wait for that; 0 = not known
	Until   int64           // when that ends by itself, or is looked at again; 0 = nobody knows
	Ahead   *Ahead          // in line; nil = it does not wait there
	Limit   *LimitUse       // that it waits for; nil = none
	Holders []string        // ids of tasks that have what it waits for, 20 at most
	Tasks   []WaitedFor     // that have to end first, oldest first, some of them when they are many
	Signals []string        // names of those that it waits for
	Nodes   []string        // names of the nodes that are alive, when none of them can do it
	Help    []WaitOperation // what may end the wait
}

// Ahead is how many tasks are before one in its line.
type Ahead struct {
	N     int
	Exact bool // otherwise there are more
}

// WaitedFor is a task that another one waits for.
type WaitedFor struct {
	ID    string // that it goes by outside
	State task.State
}

// WaitOperation names what a person can do about a wait, as the API does.
type WaitOperation string

// What can be done.
const (
	HelpRun     WaitOperation = "run-task"
	HelpResume  WaitOperation = "resume-queue"
	HelpNodes   WaitOperation = "list-nodes"
	HelpSignal  WaitOperation = "send-signal"
	HelpRestart WaitOperation = "restart-task"
	HelpLimit   WaitOperation = "set-limit"
	HelpQueue   WaitOperation = "update-queue"

	HelpEndpoint  WaitOperation = "resume-endpoint"
	HelpResumeAll WaitOperation = "resume-everything"
)

const (
	maxAhead     = 10_000 // tasks in line that are counted
	maxWaitedFor = 20     // tasks that are named
)

// For tells what a task waits for; nil when it runs or has ended.
func (w *Waits) For(ctx context.Context, t *Task) (*Waiting, error) {
	v, err := w.waiting(ctx, t)
	if p := auth.From(ctx); v != nil && p != nil && p.Elsewhere() {
		v.Nodes = nil // they are of the whole server
	}
	return v, err
}

func (w *Waits) waiting(ctx context.Context, t *Task) (*Waiting, error) {
	switch t.State {
	case task.Scheduled:
		return w.scheduled(ctx, t)
	case task.Ready:
		return w.ready(ctx, t)
	case task.Suspended:
		return w.suspended(ctx, t)
	case task.Blocked:
		return w.blocked(ctx, t)
	case task.Running, task.Succeeded, task.Failed, task.Canceled:
	}
	return nil, nil
}

// overdue is how late the start of what is due can be while somebody looks after it, in
// microseconds.
const overdue = 5_000_000

func (w *Waits) scheduled(ctx context.Context, t *Task) (*Waiting, error) {
	if now := w.cfg.Store.Now(); t.At < now-overdue {
		nodes, err := w.cfg.Store.Nodes(ctx)
		if err != nil {
			return nil, err
		}
		serves := func(n *store.Node) bool { return slices.Contains(strings.Split(n.Roles, ","), w.cfg.Scheduler) }
		if !slices.ContainsFunc(nodes, func(n store.Node) bool { return serves(&n) }) {
			return noNode(nodes, t.At, fmt.Sprintf("it was due at %s, and no node that is alive has the role %q", clock(t.At), w.cfg.Scheduler)), nil
		}
	}
	if t.Flags&store.FlagSlot != 0 && t.Reason == task.Throttled {
		return w.atRate(t), nil
	}
	v := &Waiting{Cause: task.WaitDue, Until: t.At, Text: "due at " + clock(t.At) + whyLater(t), Help: []WaitOperation{HelpRun}}
	if host := pushedHost(t); t.Reason == task.PutOff && host != "" {
		if since := w.cfg.PausedHost(host); since != 0 {
			return &Waiting{
				Cause: task.WaitEndpoint, Since: since, Until: t.At, Help: []WaitOperation{HelpEndpoint},
				Text: fmt.Sprintf("pushes to %s are paused since %s; it is looked at again at %s", host, clock(since), clock(t.At)),
			}, nil
		}
	}
	if t.Reason == task.PutOff || t.Reason == task.Refused {
		v.Cause, v.Text = task.WaitEndpoint, "tried again at "+clock(t.At)+whyLater(t)
	}
	return v, nil
}

// whyLater says why a scheduled task is not due yet.
func whyLater(t *Task) string {
	last := func(text string) string {
		if t.LastError == "" {
			return text
		}
		return text + ": " + t.LastError
	}
	switch t.Reason {
	case task.Delayed:
		return ": it was submitted with a delay or a time"
	case task.Backoff:
		return last(fmt.Sprintf(": attempt %d failed", t.Failures))
	case task.Throttled:
		return last(": the target asked to come back later")
	case task.Snoozed:
		return last(": its handler asked to run later")
	case task.PutOff:
		return last(": its target has as many runs as it can take, or nobody is there")
	case task.Refused:
		return last(": its endpoint does not let us in")
	}
	return ""
}

func (w *Waits) ready(ctx context.Context, t *Task) (*Waiting, error) {
	lane := w.cfg.Lanes.ByID(t.Lane)
	if since := w.cfg.PausedSince(lane.Namespace); since != 0 {
		return &Waiting{
			Cause: task.WaitPaused, Since: max(since, t.At), Text: "everything is paused, since " + clock(since), Help: []WaitOperation{HelpResumeAll},
		}, nil
	}
	if lane.Paused {
		return &Waiting{
			Cause: task.WaitPaused, Since: t.At, Text: fmt.Sprintf("the queue %q is paused", lane.Queue), Help: []WaitOperation{HelpResume},
		}, nil
	}
	nodes, err := w.cfg.Store.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	serves := func(n store.Node) bool {
		return !n.Draining && slices.Contains(strings.Split(n.Pools, "\n"), lane.Pool)
	}
	if !slices.ContainsFunc(nodes, serves) {
		draining := func(n store.Node) bool { return n.Draining && slices.Contains(strings.Split(n.Pools, "\n"), lane.Pool) }
		text := "no node that is alive " + what(lane.Pool)
		if slices.ContainsFunc(nodes, draining) {
			text += ", but for such as are draining"
		}
		return noNode(nodes, t.At, text), nil
	}
	if v, err := w.queueLimit(ctx, t, lane); err != nil || v != nil {
		return v, err
	}
	n, err := w.cfg.Store.Ahead(ctx, t.InLine(), maxAhead)
	if err != nil {
		return nil, err
	}
	fair := lane.Group != "" || w.cfg.Settings(lane.Namespace, lane.Queue).Discipline == task.Fair
	return inLine(t, &Ahead{N: n, Exact: n < maxAhead}, fair), nil
}

// what a node of a pool does.
func what(pool string) string {
	switch handler, local := strings.CutPrefix(pool, task.LocalPool("")); {
	case local:
		return fmt.Sprintf("has the handler %q", handler)
	case pool == task.FunctionPool:
		return "runs functions"
	}
	return "carries out tasks"
}

func noNode(nodes []store.Node, since int64, text string) *Waiting {
	v := &Waiting{Cause: task.WaitNoNode, Since: since, Text: text, Help: []WaitOperation{HelpNodes}}
	for _, n := range nodes {
		v.Nodes = append(v.Nodes, n.Name)
	}
	return v
}

// inLine is a wait for those that are ahead, of its group only where groups take turns.
func inLine(t *Task, ahead *Ahead, fair bool) *Waiting {
	v := &Waiting{Cause: task.WaitLine, Since: t.At, Ahead: ahead}
	of := fmt.Sprintf("of the queue %q", t.Queue)
	if fair {
		of = fmt.Sprintf("of the group %q in the queue %q", t.Group, t.Queue)
	}
	switch {
	case ahead.N == 0:
		v.Text = fmt.Sprintf("it is the next %s, as soon as a node has a free slot", of)
	case !ahead.Exact:
		v.Text = fmt.Sprintf("%d tasks or more %s are ahead of it", ahead.N, of)
	case ahead.N == 1:
		v.Text = fmt.Sprintf("1 task %s is ahead of it", of)
	default:
		v.Text = fmt.Sprintf("%d tasks %s are ahead of it", ahead.N, of)
	}
	if fair {
		v.Text += "; groups take turns"
	}
	if t.InLine().Priority == task.SuspectPriority {
		v.Text += "; it runs alone, because its process has died in an attempt"
	}
	return v
}

func (w *Waits) blocked(ctx context.Context, t *Task) (*Waiting, error) {
	switch {
	case t.InGateLine():
		return w.atGate(ctx, t)
	case t.Reason == task.Depends:
		return w.depends(ctx, t)
	}
	return mismatch(t), nil
}

func mismatch(t *Task) *Waiting {
	v := &Waiting{Cause: task.WaitMismatch, Until: t.At, Help: []WaitOperation{HelpRun, HelpRestart}}
	v.Text = "the code does not fit what the function has recorded; it is asked again at " + clock(t.At)
	if t.LastError != "" {
		v.Text += ": " + t.LastError
	}
	return v
}

// suspended finds out what a function waits for: calls before signals, and those
// before a time, for it may set a time for either.
func (w *Waits) suspended(ctx context.Context, t *Task) (*Waiting, error) {
	box, err := w.cfg.Store.Mailbox(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	if box.Open > 0 {
		v, err := w.calls(ctx, t, &box)
		if err != nil || v != nil {
			return v, err
		}
	}
	names, err := w.cfg.Functions.awaited(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	v := &Waiting{Until: t.At, Signals: names, Help: []WaitOperation{HelpSignal, HelpRun}}
	v.Cause, v.Text = task.WaitSignal, "a signal"+quoted(names)+", until "+clock(t.At)
	if len(names) == 0 && (t.ExpiresAt == 0 || t.At < t.ExpiresAt-second) {
		v.Cause, v.Text, v.Help = task.WaitTimer, "its timer, which goes off at "+clock(t.At)+" at the latest", []WaitOperation{HelpRun}
	}
	return v, nil
}

const second = 1_000_000 // microseconds

// calls names the calls that have not ended, of those that a function made and waits
// for; nil when it finds none.
func (w *Waits) calls(ctx context.Context, t *Task, box *task.Mailbox) (*Waiting, error) {
	root := t.Root
	if root.IsZero() {
		root = t.ID
	}
	open := []task.State{task.Scheduled, task.Ready, task.Running, task.Suspended, task.Blocked}
	rows, next, err := w.cfg.Store.List(ctx, store.Query{Root: root, States: open, Limit: maxPage, Scan: scanLimit})
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(r store.Row) bool {
		return r.Parent != t.ID || r.Epoch != box.Epoch || r.Flags&store.FlagParent == 0
	})
	if len(rows) == 0 && next.IsZero() {
		return nil, nil
	}
	slices.Reverse(rows) // oldest first
	v := &Waiting{Cause: task.WaitCalls, Until: t.At}
	for i := range rows[:min(len(rows), maxWaitedFor)] {
		call := view(rows[i], w.cfg.Lanes)
		v.Tasks = append(v.Tasks, WaitedFor{ID: call.PublicID(), State: call.State})
	}
	v.Text = fmt.Sprintf("%d of %s that it waits for have not ended", len(rows), counted(box.Open, "call"))
	if !next.IsZero() {
		v.Text = fmt.Sprintf("results of %s", counted(box.Open, "call"))
	}
	return v, nil
}

func counted(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func quoted(names []string) string {
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteString(" or")
		}
		fmt.Fprintf(&b, " %q", name)
	}
	return b.String()
}

// clock is a time of the database for people, in UTC.
func clock(us int64) string { return time.UnixMicro(us).UTC().Format("2006-01-02T15:04:05.000Z") }
