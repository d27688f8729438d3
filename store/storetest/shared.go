package storetest

import (
	"context"
	"sync"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Shared is an oracle that several goroutines may use, as they may a real store: for
// tests of rooms in virtual time. Safe for concurrent use.
type Shared struct {
	mu sync.Mutex
	o  *Oracle
}

// NewShared returns an empty store with the given clock.
func NewShared(clock func() int64) *Shared { return &Shared{o: NewOracle(clock)} }

var _ store.Store = (*Shared)(nil)

// With calls fn with the oracle while nobody else uses it.
func (s *Shared) With(fn func(o *Oracle)) {
	defer s.lock()()
	fn(s.o)
}

func (s *Shared) lock() (unlock func()) {
	s.mu.Lock()
	return s.mu.Unlock
}

func (s *Shared) EnsureLane(ctx context.Context, namespace int32, queue string, pool string, maxQueues int) (store.Lane, error) {
	defer s.lock()()
	return s.o.EnsureLane(ctx, namespace, queue, pool, maxQueues)
}

func (s *Shared) Lanes(ctx context.Context) ([]store.Lane, error) {
	defer s.lock()()
	return s.o.Lanes(ctx)
}

func (s *Shared) Forget(ctx context.Context, queue int32) error {
	defer s.lock()()
	return s.o.Forget(ctx, queue)
}

func (s *Shared) Queues(ctx context.Context) ([]store.Queue, error) {
	defer s.lock()()
	return s.o.Queues(ctx)
}

func (s *Shared) SetPaused(ctx context.Context, queue int32, paused bool) ([]store.Woken, error) {
	defer s.lock()()
	return s.o.SetPaused(ctx, queue, paused)
}

func (s *Shared) PauseNamespace(ctx context.Context, namespace int32, paused bool) ([]store.Woken, error) {
	defer s.lock()()
	return s.o.PauseNamespace(ctx, namespace, paused)
}

func (s *Shared) PausedNamespaces(ctx context.Context) (map[int32]int64, error) {
	defer s.lock()()
	return s.o.PausedNamespaces(ctx)
}

func (s *Shared) SetSettings(ctx context.Context, queue int32, was []byte, settings []byte) error {
	defer s.lock()()
	return s.o.SetSettings(ctx, queue, was, settings)
}

func (s *Shared) Detach(ctx context.Context, h store.Held, within int64) (int64, error) {
	defer s.lock()()
	return s.o.Detach(ctx, h, within)
}

func (s *Shared) Attach(ctx context.Context, a store.Attach) (store.Row, error) {
	defer s.lock()()
	return s.o.Attach(ctx, a)
}

func (s *Shared) Extend(ctx context.Context, h store.Held, within int64) (int64, error) {
	defer s.lock()()
	return s.o.Extend(ctx, h, within)
}

func (s *Shared) Report(ctx context.Context, h store.Held, p store.Progress) error {
	defer s.lock()()
	return s.o.Report(ctx, h, p)
}

func (s *Shared) Progress(ctx context.Context, id task.ID) (store.Progress, bool, error) {
	defer s.lock()()
	return s.o.Progress(ctx, id)
}

func (s *Shared) Overdue(ctx context.Context, limit int) ([]store.Held, error) {
	defer s.lock()()
	return s.o.Overdue(ctx, limit)
}

func (s *Shared) Insert(ctx context.Context, tasks []store.NewTask, atomic bool) ([]store.Inserted, []store.Woken, error) {
	defer s.lock()()
	return s.o.Insert(ctx, tasks, atomic)
}

func (s *Shared) Claim(ctx context.Context, req store.ClaimRequest) (store.ClaimBatch, error) {
	defer s.lock()()
	return s.o.Claim(ctx, req)
}

func (s *Shared) Probe(ctx context.Context, lane int32, priority int16, from int64, to int64) (int64, bool, error) {
	defer s.lock()()
	return s.o.Probe(ctx, lane, priority, from, to)
}

func (s *Shared) Settle(ctx context.Context, transitions []store.Transition) ([]error, []store.Woken, error) {
	defer s.lock()()
	return s.o.Settle(ctx, transitions)
}

func (s *Shared) PromoteDue(ctx context.Context, limit int) (int, int64, []store.Woken, error) {
	defer s.lock()()
	return s.o.PromoteDue(ctx, limit)
}

func (s *Shared) Rescue(ctx context.Context, self task.ID, known []task.ID, limit int) (store.Rescued, error) {
	defer s.lock()()
	return s.o.Rescue(ctx, self, known, limit)
}

func (s *Shared) Retain(ctx context.Context, keep store.Keep, cursor task.ID, limit int) (store.Retained, error) {
	defer s.lock()()
	return s.o.Retain(ctx, keep, cursor, limit)
}

func (s *Shared) Expire(ctx context.Context, ids []task.ID) (int, []store.Woken, error) {
	defer s.lock()()
	return s.o.Expire(ctx, ids)
}

func (s *Shared) Register(ctx context.Context, n store.Node, ttl int64) error {
	defer s.lock()()
	return s.o.Register(ctx, n, ttl)
}

func (s *Shared) Heartbeat(ctx context.Context, id task.ID, ttl int64, draining bool) (bool, error) {
	defer s.lock()()
	return s.o.Heartbeat(ctx, id, ttl, draining)
}

func (s *Shared) Drain(ctx context.Context, id task.ID, on bool) error {
	defer s.lock()()
	return s.o.Drain(ctx, id, on)
}

func (s *Shared) Leave(ctx context.Context, id task.ID) error {
	defer s.lock()()
	return s.o.Leave(ctx, id)
}

func (s *Shared) Nodes(ctx context.Context) ([]store.Node, error) {
	defer s.lock()()
	return s.o.Nodes(ctx)
}

func (s *Shared) Lost(ctx context.Context, held []store.Held) ([]task.ID, error) {
	defer s.lock()()
	return s.o.Lost(ctx, held)
}

func (s *Shared) Rows(ctx context.Context, ids []task.ID) ([]store.Row, error) {
	defer s.lock()()
	return s.o.Rows(ctx, ids)
}

func (s *Shared) Payload(ctx context.Context, id task.ID) ([]byte, error) {
	defer s.lock()()
	return s.o.Payload(ctx, id)
}

func (s *Shared) Attempts(ctx context.Context, id task.ID, after int64, limit int, maxBytes int) ([]store.AttemptRow, bool, error) {
	defer s.lock()()
	return s.o.Attempts(ctx, id, after, limit, maxBytes)
}

func (s *Shared) LastAttempt(ctx context.Context, id task.ID) (store.AttemptRow, error) {
	defer s.lock()()
	return s.o.LastAttempt(ctx, id)
}

func (s *Shared) FindKey(ctx context.Context, namespace int32, kind store.KeyKind, hash store.Hash) (task.ID, error) {
	defer s.lock()()
	return s.o.FindKey(ctx, namespace, kind, hash)
}

func (s *Shared) List(ctx context.Context, q store.Query) ([]store.Row, task.ID, error) {
	defer s.lock()()
	return s.o.List(ctx, q)
}

func (s *Shared) ListBy(ctx context.Context, by store.Order, lanes []int32, after store.Mark, limit int) ([]store.Mark, error) {
	defer s.lock()()
	return s.o.ListBy(ctx, by, lanes, after, limit)
}

func (s *Shared) Stats(ctx context.Context) ([]store.LaneStats, error) {
	defer s.lock()()
	return s.o.Stats(ctx)
}

func (s *Shared) Snapshot(ctx context.Context) (store.Snapshot, error) {
	defer s.lock()()
	return s.o.Snapshot(ctx)
}

func (s *Shared) Ahead(ctx context.Context, place store.ReadyEntry, limit int) (int, error) {
	defer s.lock()()
	return s.o.Ahead(ctx, place, limit)
}

func (s *Shared) AheadAt(ctx context.Context, place store.LineEntry, limit int) (int, error) {
	defer s.lock()()
	return s.o.AheadAt(ctx, place, limit)
}

func (s *Shared) Mailbox(ctx context.Context, id task.ID) (task.Mailbox, error) {
	defer s.lock()()
	return s.o.Mailbox(ctx, id)
}

func (s *Shared) Cancel(ctx context.Context, id task.ID, reach store.Reach) ([]store.Woken, error) {
	defer s.lock()()
	return s.o.Cancel(ctx, id, reach)
}

func (s *Shared) Retry(ctx context.Context, id task.ID) ([]store.Woken, error) {
	defer s.lock()()
	return s.o.Retry(ctx, id)
}

func (s *Shared) RunNow(ctx context.Context, id task.ID) ([]store.Woken, error) {
	defer s.lock()()
	return s.o.RunNow(ctx, id)
}

func (s *Shared) Change(ctx context.Context, c *store.Change) ([]store.Woken, error) {
	defer s.lock()()
	return s.o.Change(ctx, c)
}

func (s *Shared) RunBeyond(ctx context.Context, id task.ID) ([]store.Woken, error) {
	defer s.lock()()
	return s.o.RunBeyond(ctx, id)
}

func (s *Shared) Delete(ctx context.Context, id task.ID) ([]store.Woken, error) {
	defer s.lock()()
	return s.o.Delete(ctx, id)
}

func (s *Shared) Purge(ctx context.Context, lanes []int32, limit int) (int, []store.Woken, error) {
	defer s.lock()()
	return s.o.Purge(ctx, lanes, limit)
}

func (s *Shared) Resume(ctx context.Context, id task.ID, after int64, limit int, maxBytes int) (store.Resumption, error) {
	defer s.lock()()
	return s.o.Resume(ctx, id, after, limit, maxBytes)
}

func (s *Shared) Journal(ctx context.Context, id task.ID) ([]task.Segment, error) {
	defer s.lock()()
	return s.o.Journal(ctx, id)
}

func (s *Shared) Append(ctx context.Context, checkpoints []store.Checkpoint) ([]error, error) {
	defer s.lock()()
	return s.o.Append(ctx, checkpoints)
}

func (s *Shared) Signal(ctx context.Context, id task.ID, name string, body []byte) ([]store.Woken, error) {
	defer s.lock()()
	return s.o.Signal(ctx, id, name, body)
}

func (s *Shared) Undo(ctx context.Context, id task.ID, grace int64) ([]store.Woken, error) {
	defer s.lock()()
	return s.o.Undo(ctx, id, grace)
}

func (s *Shared) Restart(ctx context.Context, id task.ID) ([]store.Woken, error) {
	defer s.lock()()
	return s.o.Restart(ctx, id)
}

func (s *Shared) Tree(ctx context.Context, root task.ID, after task.ID, limit int) ([]store.Row, error) {
	defer s.lock()()
	return s.o.Tree(ctx, root, after, limit)
}

func (s *Shared) TakeTodos(ctx context.Context, limit int, putOff int64) ([]store.Todo, error) {
	defer s.lock()()
	return s.o.TakeTodos(ctx, limit, putOff)
}

func (s *Shared) FinishTodos(ctx context.Context, done []store.Todo) error {
	defer s.lock()()
	return s.o.FinishTodos(ctx, done)
}

func (s *Shared) SetView(ctx context.Context, node task.ID, body []byte) error {
	defer s.lock()()
	return s.o.SetView(ctx, node, body)
}

func (s *Shared) Views(ctx context.Context) ([]store.View, error) {
	defer s.lock()()
	return s.o.Views(ctx)
}

func (s *Shared) AskReset(ctx context.Context, r store.Reset) error {
	defer s.lock()()
	return s.o.AskReset(ctx, r)
}

func (s *Shared) Resets(ctx context.Context, since int64) ([]store.Reset, error) {
	defer s.lock()()
	return s.o.Resets(ctx, since)
}

func (s *Shared) PauseHost(ctx context.Context, host string, paused bool) error {
	defer s.lock()()
	return s.o.PauseHost(ctx, host, paused)
}

func (s *Shared) PausedHosts(ctx context.Context) ([]store.PausedHost, error) {
	defer s.lock()()
	return s.o.PausedHosts(ctx)
}

func (s *Shared) PutGraph(ctx context.Context, namespace int32, name string, definition []byte) (store.Graph, bool, error) {
	defer s.lock()()
	return s.o.PutGraph(ctx, namespace, name, definition)
}

func (s *Shared) Graph(ctx context.Context, namespace int32, name string, rev int32) (store.Graph, error) {
	defer s.lock()()
	return s.o.Graph(ctx, namespace, name, rev)
}

func (s *Shared) ListGraphs(ctx context.Context, namespace int32, after string, limit int) ([]store.Graph, error) {
	defer s.lock()()
	return s.o.ListGraphs(ctx, namespace, after, limit)
}

func (s *Shared) DeleteGraph(ctx context.Context, namespace int32, name string) error {
	defer s.lock()()
	return s.o.DeleteGraph(ctx, namespace, name)
}

func (s *Shared) PutSavedView(ctx context.Context, v store.SavedView) (store.SavedView, bool, error) {
	defer s.lock()()
	return s.o.PutSavedView(ctx, v)
}

func (s *Shared) ListSavedViews(ctx context.Context, namespace int32) ([]store.SavedView, error) {
	defer s.lock()()
	return s.o.ListSavedViews(ctx, namespace)
}

func (s *Shared) DeleteSavedView(ctx context.Context, namespace int32, name string) error {
	defer s.lock()()
	return s.o.DeleteSavedView(ctx, namespace, name)
}

func (s *Shared) SetLimit(ctx context.Context, l store.Limit) error {
	defer s.lock()()
	return s.o.SetLimit(ctx, l)
}

func (s *Shared) DeleteLimit(ctx context.Context, namespace int32, key string) error {
	defer s.lock()()
	return s.o.DeleteLimit(ctx, namespace, key)
}

func (s *Shared) Gate(ctx context.Context, id store.Hash) (store.GateRow, error) {
	defer s.lock()()
	return s.o.Gate(ctx, id)
}

func (s *Shared) Limits(ctx context.Context, namespace int32, after string, n int) ([]store.GateRow, error) {
	defer s.lock()()
	return s.o.Limits(ctx, namespace, after, n)
}

func (s *Shared) Open(ctx context.Context, id store.Hash) ([]store.Woken, error) {
	defer s.lock()()
	return s.o.Open(ctx, id)
}

func (s *Shared) Left(ctx context.Context, stopped []store.Held) ([]store.Woken, error) {
	defer s.lock()()
	return s.o.Left(ctx, stopped)
}

func (s *Shared) Ping(ctx context.Context) error {
	defer s.lock()()
	return s.o.Ping(ctx)
}

func (s *Shared) Now() int64 {
	defer s.lock()()
	return s.o.Now()
}

func (s *Shared) Close() error {
	defer s.lock()()
	return s.o.Close()
}

func (s *Shared) Share(ctx context.Context, node task.ID, asks []store.Ask) ([]store.Granted, error) {
	defer s.lock()()
	return s.o.Share(ctx, node, asks)
}

func (s *Shared) Shares(ctx context.Context) ([]store.Share, error) {
	defer s.lock()()
	return s.o.Shares(ctx)
}

func (s *Shared) Occupied(ctx context.Context, lanes []int32) ([]int32, error) {
	defer s.lock()()
	return s.o.Occupied(ctx, lanes)
}

func (s *Shared) Dependencies(ctx context.Context, id, after task.ID, limit int) ([]store.Dependency, error) {
	defer s.lock()()
	return s.o.Dependencies(ctx, id, after, limit)
}

func (s *Shared) Followers(ctx context.Context, id, after task.ID, limit int) ([]store.Dependency, error) {
	defer s.lock()()
	return s.o.Followers(ctx, id, after, limit)
}

func (s *Shared) Need(ctx context.Context, id task.ID) (store.Need, bool, error) {
	defer s.lock()()
	return s.o.Need(ctx, id)
}

func (s *Shared) Follow(ctx context.Context, t store.Todo) (bool, []store.Woken, error) {
	defer s.lock()()
	return s.o.Follow(ctx, t)
}

func (s *Shared) RetryFollowers(ctx context.Context, id task.ID) ([]store.Woken, error) {
	defer s.lock()()
	return s.o.RetryFollowers(ctx, id)
}

// GateCounts implements store.Gauges.
func (s *Shared) GateCounts() store.GateCounts {
	defer s.lock()()
	return s.o.GateCounts()
}

// Backlog implements store.Gauges.
func (s *Shared) Backlog(ctx context.Context) (store.Backlog, error) {
	defer s.lock()()
	return s.o.Backlog(ctx)
}

// PayloadBytes implements store.Usage.
func (s *Shared) PayloadBytes(ctx context.Context, lanes []int32) (map[int32]int64, error) {
	defer s.lock()()
	return s.o.PayloadBytes(ctx, lanes)
}

func (s *Shared) PutAudit(ctx context.Context, rows []store.AuditRow) error {
	defer s.lock()()
	return s.o.PutAudit(ctx, rows)
}

func (s *Shared) ListAudit(ctx context.Context, q store.AuditQuery) ([]store.AuditRow, error) {
	defer s.lock()()
	return s.o.ListAudit(ctx, q)
}

func (s *Shared) AuditAfter(ctx context.Context, seq int64, limit int) ([]store.AuditRow, error) {
	defer s.lock()()
	return s.o.AuditAfter(ctx, seq, limit)
}

func (s *Shared) SealAudit(ctx context.Context, limit int) (int, error) {
	defer s.lock()()
	return s.o.SealAudit(ctx, limit)
}

func (s *Shared) DropAudit(ctx context.Context, before int64, limit int) (int, error) {
	defer s.lock()()
	return s.o.DropAudit(ctx, before, limit)
}

func (s *Shared) EnsureNamespace(ctx context.Context, name string) (store.Namespace, error) {
	defer s.lock()()
	return s.o.EnsureNamespace(ctx, name)
}

func (s *Shared) SetNamespace(ctx context.Context, id int32, settings []byte) error {
	defer s.lock()()
	return s.o.SetNamespace(ctx, id, settings)
}

func (s *Shared) Namespaces(ctx context.Context) ([]store.Namespace, error) {
	defer s.lock()()
	return s.o.Namespaces(ctx)
}

func (s *Shared) PutAPIKey(ctx context.Context, k store.APIKey) error {
	defer s.lock()()
	return s.o.PutAPIKey(ctx, k)
}

func (s *Shared) RevokeAPIKey(ctx context.Context, namespace int32, id string) error {
	defer s.lock()()
	return s.o.RevokeAPIKey(ctx, namespace, id)
}

func (s *Shared) APIKeys(ctx context.Context) ([]store.APIKey, error) {
	defer s.lock()()
	return s.o.APIKeys(ctx)
}

func (s *Shared) AccessRevision(ctx context.Context) (int64, error) {
	defer s.lock()()
	return s.o.AccessRevision(ctx)
}

func (s *Shared) UsedAPIKeys(ctx context.Context, used map[string]int64) error {
	defer s.lock()()
	return s.o.UsedAPIKeys(ctx, used)
}

func (s *Shared) Sealed(ctx context.Context, name string) ([]byte, error) {
	defer s.lock()()
	return s.o.Sealed(ctx, name)
}

func (s *Shared) SetSealed(ctx context.Context, name string, was, doc []byte) error {
	defer s.lock()()
	return s.o.SetSealed(ctx, name, was, doc)
}

func (s *Shared) Schedule(ctx context.Context, namespace int32, name string) (store.Schedule, error) {
	defer s.lock()()
	return s.o.Schedule(ctx, namespace, name)
}

func (s *Shared) ListSchedules(ctx context.Context, namespace int32, after string, limit int) ([]store.Schedule, error) {
	defer s.lock()()
	return s.o.ListSchedules(ctx, namespace, after, limit)
}

func (s *Shared) PutSchedule(ctx context.Context, next store.Schedule, was *store.Schedule, fires []store.Fire) (store.Schedule, error) {
	defer s.lock()()
	return s.o.PutSchedule(ctx, next, was, fires)
}

func (s *Shared) DeleteSchedule(ctx context.Context, namespace int32, name string) error {
	defer s.lock()()
	return s.o.DeleteSchedule(ctx, namespace, name)
}

func (s *Shared) Fires(ctx context.Context, namespace int32, name string, before store.Fire, limit int) ([]store.Fire, error) {
	defer s.lock()()
	return s.o.Fires(ctx, namespace, name, before, limit)
}

func (s *Shared) DueSchedules(ctx context.Context, limit int) ([]store.Schedule, int64, error) {
	defer s.lock()()
	return s.o.DueSchedules(ctx, limit)
}

func (s *Shared) Fire(ctx context.Context, firings []store.Firing) ([]store.Fired, []store.Woken, error) {
	defer s.lock()()
	return s.o.Fire(ctx, firings)
}

func (s *Shared) TrimFires(ctx context.Context, after store.ScheduleName, limit, keep int, before int64) (store.ScheduleName, error) {
	defer s.lock()()
	return s.o.TrimFires(ctx, after, limit, keep, before)
}

func (s *Shared) PutAction(ctx context.Context, a store.Action) error {
	defer s.lock()()
	return s.o.PutAction(ctx, a)
}

func (s *Shared) Action(ctx context.Context, id task.ID) (store.Action, error) {
	defer s.lock()()
	return s.o.Action(ctx, id)
}

func (s *Shared) ListActions(ctx context.Context, ns int32, before task.ID, limit int) ([]store.Action, error) {
	defer s.lock()()
	return s.o.ListActions(ctx, ns, before, limit)
}

func (s *Shared) SteerAction(ctx context.Context, ns int32, id task.ID, to store.ActionState) error {
	defer s.lock()()
	return s.o.SteerAction(ctx, ns, id, to)
}

func (s *Shared) TakeActions(ctx context.Context, lease int64, limit int) ([]store.Action, error) {
	defer s.lock()()
	return s.o.TakeActions(ctx, lease, limit)
}

func (s *Shared) StepAction(ctx context.Context, step store.ActionStep) ([]store.Woken, error) {
	defer s.lock()()
	return s.o.StepAction(ctx, step)
}

func (s *Shared) ActionItems(ctx context.Context, id task.ID, after int64, limit int) ([]store.ActionItem, error) {
	defer s.lock()()
	return s.o.ActionItems(ctx, id, after, limit)
}

func (s *Shared) DropActions(ctx context.Context, before int64, limit int) (int, error) {
	defer s.lock()()
	return s.o.DropActions(ctx, before, limit)
}

func (s *Shared) AddFailures(ctx context.Context, groups []store.FailureGroup, keep int) error {
	defer s.lock()()
	return s.o.AddFailures(ctx, groups, keep)
}

func (s *Shared) ListFailures(ctx context.Context, namespace int32, after store.FailureMark, limit int) ([]store.FailureGroup, error) {
	defer s.lock()()
	return s.o.ListFailures(ctx, namespace, after, limit)
}

func (s *Shared) FindFailure(ctx context.Context, namespace int32, print store.Hash) (store.FailureGroup, error) {
	defer s.lock()()
	return s.o.FindFailure(ctx, namespace, print)
}

func (s *Shared) MuteFailure(ctx context.Context, namespace int32, print store.Hash, until int64) (store.FailureGroup, error) {
	defer s.lock()()
	return s.o.MuteFailure(ctx, namespace, print, until)
}

func (s *Shared) PutRollups(ctx context.Context, rows []store.Rollup) error {
	defer s.lock()()
	return s.o.PutRollups(ctx, rows)
}

func (s *Shared) Rollups(ctx context.Context, q store.RollupQuery) ([]store.Rollup, error) {
	defer s.lock()()
	return s.o.Rollups(ctx, q)
}

func (s *Shared) FoldRollups(ctx context.Context, from, to, before int64, limit int) (int, error) {
	defer s.lock()()
	return s.o.FoldRollups(ctx, from, to, before, limit)
}
