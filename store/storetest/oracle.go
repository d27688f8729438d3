package storetest

import (
	"bytes"
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Oracle is the store as it is meant to behave: maps, no concurrency, nothing
// clever. The real ones are compared with it after every step.
type Oracle struct {
	Clock     func() int64
	last      int64 // position given out last
	queues    []store.Queue
	lanes     []store.Lane
	forgotten map[int32]bool // queues
	tasks     map[task.ID]*store.Row
	payloads  map[task.ID]string
	keysOf    map[task.ID][]store.KeyEntry
	ready     map[task.ID]store.ReadyEntry
	timers    map[task.ID]store.TimerEntry
	dead      map[task.ID]store.TimerEntry
	claims    map[task.ID]store.ClaimEntry
	keys      map[keyName]store.KeyEntry
	attempts  map[task.ID][]store.AttemptRow
	nodes     map[task.ID]store.Node
	functions
}

type keyName struct {
	ns   int32
	kind store.KeyKind
	hash store.Hash
}

// NewOracle returns an empty store with the given clock.
func NewOracle(clock func() int64) *Oracle {
	return &Oracle{
		Clock: clock, tasks: map[task.ID]*store.Row{}, payloads: map[task.ID]string{},
		keysOf: map[task.ID][]store.KeyEntry{}, ready: map[task.ID]store.ReadyEntry{},
		timers: map[task.ID]store.TimerEntry{}, dead: map[task.ID]store.TimerEntry{},
		claims: map[task.ID]store.ClaimEntry{}, keys: map[keyName]store.KeyEntry{},
		attempts: map[task.ID][]store.AttemptRow{}, nodes: map[task.ID]store.Node{}, functions: newFunctions(),
		forgotten: map[int32]bool{},
	}
}

var _ store.Store = (*Oracle)(nil)

func (o *Oracle) Now() int64                 { return o.Clock() }
func (o *Oracle) Ping(context.Context) error { return nil }
func (o *Oracle) Close() error               { return nil }

func (o *Oracle) position() int64 {
	o.last = max(o.Clock(), o.last+1)
	return o.last
}

// --- catalog

func (o *Oracle) EnsureLane(_ context.Context, ns int32, queue, pool string, maxQueues int) (store.Lane, error) {
	qi := slices.IndexFunc(o.queues, func(q store.Queue) bool { return q.Namespace == ns && q.Name == queue })
	if qi < 0 || o.forgotten[o.queues[qi].ID] {
		mine := 0
		for _, q := range o.queues {
			if q.Namespace == ns && !o.forgotten[q.ID] {
				mine++
			}
		}
		if mine >= maxQueues {
			return store.Lane{}, store.ErrTooManyQueues
		}
	}
	if qi >= 0 && o.forgotten[o.queues[qi].ID] {
		delete(o.forgotten, o.queues[qi].ID)
		o.queues[qi].CreatedAt = o.Clock()
	}
	if qi < 0 {
		o.queues = append(o.queues, store.Queue{ID: int32(len(o.queues) + 1), Namespace: ns, Name: queue, CreatedAt: o.Clock()})
		qi = len(o.queues) - 1
	}
	q := o.queues[qi]
	for _, l := range o.lanes {
		if l.QueueID == q.ID && l.Pool == pool {
			l.Paused = q.Paused
			return l, nil
		}
	}
	l := store.Lane{ID: int32(len(o.lanes) + 1), Namespace: ns, QueueID: q.ID, Queue: queue, Pool: pool, Paused: q.Paused}
	o.lanes = append(o.lanes, l)
	return l, nil
}

func (o *Oracle) Lanes(context.Context) ([]store.Lane, error) {
	lanes := slices.Clone(o.lanes)
	for i := range lanes {
		lanes[i].Paused = o.queues[lanes[i].QueueID-1].Paused
		lanes[i].Forgotten = o.forgotten[lanes[i].QueueID]
	}
	return lanes, nil
}

func (o *Oracle) Queues(context.Context) ([]store.Queue, error) {
	qs := slices.DeleteFunc(slices.Clone(o.queues), func(q store.Queue) bool { return o.forgotten[q.ID] })
	slices.SortFunc(qs, func(a, b store.Queue) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return qs, nil
}

func (o *Oracle) SetPaused(_ context.Context, queue int32, paused bool) ([]store.Woken, error) {
	if queue < 1 || int(queue) > len(o.queues) || o.forgotten[queue] {
		return nil, store.ErrNotFound
	}
	o.queues[queue-1].Paused = paused
	if paused {
		return nil, nil
	}
	var woken []store.Woken
	for _, e := range o.ready {
		if o.lanes[e.Lane-1].QueueID == queue {
			woken = store.Collect(woken, store.Woken{Lane: e.Lane, Priority: e.Priority, Position: e.Position})
		}
	}
	return woken, nil
}

func (o *Oracle) Forget(_ context.Context, queue int32) error {
	if queue < 1 || int(queue) > len(o.queues) || o.forgotten[queue] {
		return store.ErrNotFound
	}
	for _, row := range o.tasks {
		if o.lanes[row.Lane-1].QueueID == queue && !row.State.Final() {
			return store.ErrQueueNotEmpty
		}
	}
	o.forgotten[queue] = true
	o.queues[queue-1].Paused = false
	return nil
}

func (o *Oracle) paused(lane int32) bool { return o.queues[o.lanes[lane-1].QueueID-1].Paused }

// --- insert

func (o *Oracle) Insert(_ context.Context, tasks []store.NewTask, atomic bool) ([]store.Inserted, []store.Woken, error) {
	undo := o.clone()
	out := make([]store.Inserted, len(tasks))
	var woken []store.Woken
	for i := range tasks {
		out[i] = o.insert(&tasks[i], &woken)
		if atomic && out[i].Status.Refused() {
			*o = *undo
			if o.tasks[out[i].ID] == nil {
				out[i].CreatedAt = 0 // it stood behind a task of this very batch
			}
			for j := range out {
				if j != i {
					out[j] = store.Inserted{Status: store.Skipped}
				}
			}
			return out, nil, nil
		}
	}
	return out, woken, nil
}

func (o *Oracle) insert(t *store.NewTask, woken *[]store.Woken) store.Inserted {
	now := o.Clock()
	if row, ok := o.tasks[t.ID]; ok {
		return store.Inserted{Status: store.Created, ID: t.ID, CreatedAt: row.CreatedAt}
	}
	taken := make([]*store.Taken, len(t.Keys))
	for i, k := range t.Keys {
		if e, ok := o.keys[keyName{k.Namespace, k.Kind, k.Hash}]; ok {
			taken[i] = &store.Taken{Entry: e}
			if row := o.tasks[e.Task]; row != nil {
				taken[i].State, taken[i].Kind = row.State, row.Kind
			}
		}
	}
	v := store.Resolve(t, taken, now)
	for _, k := range v.Keys {
		o.keys[keyName{k.Namespace, k.Kind, k.Hash}] = store.KeyEntryFor(k, v.Inserted.ID, now)
	}
	if v.Inserted.Status != store.Created {
		if row := o.tasks[v.Inserted.ID]; row != nil {
			v.Inserted.CreatedAt = row.CreatedAt
		}
		if v.Tell {
			o.tellAll(v.Inserted.ID, t.Tell, woken)
		}
		return v.Inserted
	}
	if !v.Cancel.IsZero() {
		o.cancel(o.tasks[v.Cancel], task.Replaced, woken)
	}
	for _, k := range t.Keys {
		if k.Kind != store.IdempotencyKey {
			o.keysOf[t.ID] = append(o.keysOf[t.ID], store.KeyEntryFor(k, t.ID, now))
		}
	}
	row := &store.Row{
		ID: t.ID, Lane: t.Lane, Priority: t.Priority, Kind: t.Kind, Run: 1, MaxAttempts: t.MaxAttempts,
		CreatedAt: now, ExpiresAt: t.ExpiresAt, Group: t.Group, Parent: t.Parent, Root: t.Root,
		Correlation: t.Correlation, Epoch: t.Epoch, Spec: t.Spec,
	}
	if t.Deliver {
		row.Flags |= store.FlagParent
	}
	if len(t.Payload) > store.InlinePayload {
		row.Flags |= store.FlagBody
	}
	if len(o.keysOf[t.ID]) > 0 {
		row.Flags |= store.FlagKeys
	}
	o.tasks[t.ID] = row
	o.payloads[t.ID] = string(t.Payload)
	if due := t.Due(now); due > now {
		o.schedule(row, due, task.Delayed)
	} else {
		o.makeReady(row, o.position(), task.NoReason, woken)
	}
	o.tellAll(t.ID, t.Tell, woken)
	return v.Inserted
}

// later has a task wait for a time, in a state that may end before.
func (o *Oracle) later(row *store.Row, state task.State, d task.Decision) {
	o.schedule(row, o.Clock()+d.Delay.Microseconds(), d.Reason)
	row.State = state
}

func (o *Oracle) schedule(row *store.Row, at int64, why task.Reason) {
	row.State, row.Reason, row.At = task.Scheduled, why, at
	o.timers[row.ID] = store.TimerEntry{Lane: row.Lane, At: at, ID: row.ID}
}

func (o *Oracle) makeReady(row *store.Row, pos int64, why task.Reason, woken *[]store.Woken) {
	row.State, row.Reason, row.At = task.Ready, why, pos
	e := store.ReadyEntry{Lane: row.Lane, Priority: task.ReadyPriority(row.Kind, row.Priority, row.Crashes), Position: pos, ID: row.ID}
	o.ready[row.ID] = e
	*woken = store.Collect(*woken, store.Woken{Lane: e.Lane, Priority: e.Priority, Position: pos})
}

func (o *Oracle) finish(row *store.Row, to task.State, why task.Reason) {
	delete(o.ready, row.ID)
	delete(o.timers, row.ID)
	row.State, row.Reason, row.FinishedAt = to, why, o.Clock()
	if to == task.Failed {
		o.dead[row.ID] = store.TimerEntry{Lane: row.Lane, At: row.FinishedAt, ID: row.ID}
	}
}

// --- claim

func (o *Oracle) alive(node task.ID) bool {
	n, ok := o.nodes[node]
	return ok && n.LeaseUntil > o.Clock()
}

func (o *Oracle) Claim(_ context.Context, req store.ClaimRequest) (store.ClaimBatch, error) {
	now := o.Clock()
	batch := store.ClaimBatch{Now: now}
	for _, id := range req.Done {
		delete(o.claims, id)
	}
	if !o.alive(req.Node) {
		return batch, nil
	}
	left := req.Limit
	var ids []task.ID
	for _, slot := range req.Slots {
		if o.paused(slot.Lane) {
			continue
		}
		for _, e := range o.line(slot) {
			if left == 0 {
				break
			}
			left--
			row := o.tasks[e.ID]
			delete(o.ready, e.ID)
			row.Token++
			if row.ExpiresAt != 0 && row.ExpiresAt <= now && row.Kind != task.Function {
				o.finish(row, task.Failed, task.Expired)
				batch.Expired++
				continue
			}
			batch.Tasks = append(batch.Tasks, o.claimed(row, e, req.Node))
			ids = append(ids, e.ID)
		}
	}
	if len(ids) > 0 {
		o.claims[req.ID] = store.ClaimEntry{ID: req.ID, Node: req.Node, At: now, Tasks: ids}
	}
	return batch, nil
}

func (o *Oracle) claimed(row *store.Row, e store.ReadyEntry, node task.ID) store.Claimed {
	now := o.Clock()
	c := store.Claimed{LastCode: row.LastCode}
	row.State, row.Reason, row.Node, row.LastStarted = task.Running, task.NoReason, node, now
	if row.FirstStarted == 0 {
		row.FirstStarted = now
	}
	c.ID, c.Token, c.Lane, c.Priority, c.Position = row.ID, row.Token, row.Lane, e.Priority, e.Position
	c.Kind, c.Flags, c.Run, c.Failures, c.Crashes = row.Kind, row.Flags, row.Run, row.Failures, row.Crashes
	c.MaxAttempts, c.CreatedAt, c.ExpiresAt = row.MaxAttempts, row.CreatedAt, row.ExpiresAt
	c.Parent, c.Root = row.Parent, row.Root
	c.FirstStarted, c.StartedAt, c.Spec, c.Payload = row.FirstStarted, now, row.Spec, []byte(o.payloads[row.ID])
	return c
}

func (o *Oracle) line(slot store.ClaimSlot) []store.ReadyEntry {
	var line []store.ReadyEntry
	for _, e := range o.ready {
		if e.Lane == slot.Lane && e.Priority == slot.Priority && e.Position >= slot.Cursor {
			line = append(line, e)
		}
	}
	slices.SortFunc(line, byPosition)
	return line[:min(len(line), slot.Limit)]
}

func (o *Oracle) Probe(_ context.Context, lane int32, priority int16, from, to int64) (int64, bool, error) {
	for _, e := range o.line(store.ClaimSlot{Lane: lane, Priority: priority, Cursor: from, Limit: len(o.ready)}) {
		return e.Position, e.Position < to, nil
	}
	return 0, false, nil
}

// --- settle

func (o *Oracle) Settle(_ context.Context, ts []store.Transition) ([]error, []store.Woken, error) {
	errs := make([]error, len(ts))
	var woken []store.Woken
	for i := range ts {
		errs[i] = o.settle(&ts[i], &woken)
	}
	return errs, woken, nil
}

func (o *Oracle) settle(t *store.Transition, woken *[]store.Woken) error {
	row := o.tasks[t.ID]
	if row == nil || row.Token != t.Token {
		return store.ErrLeaseLost
	}
	if row.State != task.Running {
		if row.LastOutcome == t.Outcome {
			return nil
		}
		return store.ErrLeaseLost
	}
	e := t.Effects
	if e != nil && e.Append != nil {
		if !o.appendable(row.ID, e.Append) {
			return store.ErrBadValue
		}
		o.append(row.ID, t.Token, *e.Append)
	}
	o.record(row, t)
	row.LastOutcome, row.LastCode, row.LastError = t.Outcome, t.Code, store.CleanText(t.Error, store.MaxError)
	if e != nil && e.Restart {
		o.reset(row.ID, e.Seen, e.Tell)
	}
	if t.BeginsAgain() {
		row.Run++
	}
	if e != nil && e.Next != nil {
		o.replace(row, e.Next)
	}
	if e != nil {
		row.Flags = e.Undo.In(row.Flags)
	}
	o.move(row, t, woken)
	return nil
}

func (o *Oracle) record(row *store.Row, t *store.Transition) {
	if !t.Recorded() {
		return
	}
	o.attempts[row.ID] = append(o.attempts[row.ID], store.AttemptRow{
		Token: row.Token, Run: row.Run, Number: t.Number(), Node: row.Node, StartedAt: row.LastStarted,
		FinishedAt: o.Clock(), Outcome: t.Outcome, Code: t.Code, Error: store.CleanText(t.Error, store.MaxError), Answer: t.Answer,
	})
	o.attempts[row.ID] = store.Kept(o.attempts[row.ID])
}

func (o *Oracle) move(row *store.Row, t *store.Transition, woken *[]store.Woken) {
	d := t.Decision
	row.Failures, row.Crashes = d.Failures, d.Crashes
	switch d.To {
	case task.Ready:
		o.makeReady(row, row.At, d.Reason, woken)
	case task.Scheduled, task.Blocked:
		if t.Effects.Hurries(row.Flags) {
			d.Delay = 0
		}
		o.later(row, d.To, d)
	case task.Suspended:
		o.suspend(row, t, woken)
	default:
		o.finish(row, d.To, d.Reason)
		o.ended(row, store.CleanText(t.Error, store.MaxError), t.Answer.Body, woken)
	}
}

// --- sweep

func (o *Oracle) PromoteDue(_ context.Context, limit int) (int, int64, []store.Woken, error) {
	now := o.Clock()
	var woken []store.Woken
	promoted := 0
	var next int64
	for _, e := range sortedTimers(o.timers) {
		if e.At > now || promoted == limit {
			next = e.At
			break
		}
		delete(o.timers, e.ID)
		o.makeReady(o.tasks[e.ID], o.position(), task.NoReason, &woken)
		promoted++
	}
	return promoted, next, woken, nil
}

func (o *Oracle) Rescue(_ context.Context, self task.ID, known []task.ID, limit int) (store.Rescued, error) {
	var r store.Rescued
	for _, c := range o.sortedClaims() {
		orphan := !o.alive(c.Node)
		forgotten := c.Node == self && !slices.Contains(known, c.ID) && c.At <= o.Clock()-1_000_000
		if r.Claims == limit || !orphan && !forgotten {
			continue
		}
		r.Claims++
		for _, id := range c.Tasks {
			o.rescue(o.tasks[id], c, &r)
		}
		delete(o.claims, c.ID)
	}
	for id := range o.nodes {
		if !o.alive(id) && !slices.ContainsFunc(o.sortedClaims(), func(c store.ClaimEntry) bool { return c.Node == id }) {
			delete(o.nodes, id)
		}
	}
	return r, nil
}

func (o *Oracle) rescue(row *store.Row, c store.ClaimEntry, r *store.Rescued) {
	if row == nil || row.State != task.Running || row.Node != c.Node {
		return
	}
	t := store.LostTransition(row)
	o.record(row, &t)
	row.LastOutcome, row.LastCode, row.LastError = t.Outcome, 0, t.Error
	row.Token++
	o.move(row, &t, &r.Woken)
	r.Tasks++
	if t.Decision.Reason == task.Poison {
		r.Poison++
	}
}

func (o *Oracle) Retain(_ context.Context, r store.Retention, cursor task.ID, limit int) (task.ID, int, error) {
	deleted, seen := 0, 0
	var next task.ID
	now := o.Clock()
	for _, row := range o.sortedTasks() {
		if bytes.Compare(row.ID[:], cursor[:]) <= 0 {
			continue
		}
		if seen == limit {
			break
		}
		seen++
		next = row.ID
		if row.State.Final() && row.FinishedAt <= now-r.Of(row.State) {
			o.erase(row)
			deleted++
		}
	}
	if seen < limit {
		next = task.ID{}
	}
	for _, e := range o.expiredKeys(limit) {
		delete(o.keys, keyName{e.Namespace, e.Kind, e.Hash})
	}
	return next, deleted, nil
}

func (o *Oracle) expiredKeys(limit int) []store.KeyEntry {
	var out []store.KeyEntry
	for _, e := range o.keys {
		if e.Until > 0 && e.Until <= o.Clock() && (!e.WhileOpen || o.tasks[e.Task] == nil) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b store.KeyEntry) int {
		if a.Until != b.Until {
			return cmpInt(a.Until, b.Until)
		}
		return bytes.Compare(a.Hash[:], b.Hash[:])
	})
	return out[:min(len(out), limit)]
}

func (o *Oracle) erase(row *store.Row) {
	for _, e := range o.keysOf[row.ID] {
		name := keyName{e.Namespace, e.Kind, e.Hash}
		if o.keys[name].Task == row.ID && o.keys[name].Until <= o.Clock() {
			delete(o.keys, name)
		}
	}
	delete(o.keysOf, row.ID)
	delete(o.ready, row.ID)
	delete(o.timers, row.ID)
	delete(o.dead, row.ID)
	delete(o.attempts, row.ID)
	delete(o.payloads, row.ID)
	delete(o.tasks, row.ID)
	delete(o.waits, row.ID)
	delete(o.messages, row.ID)
	delete(o.journals, row.ID)
	delete(o.states, row.ID)
}

// --- members

func (o *Oracle) Register(_ context.Context, n store.Node, ttl int64) error {
	n.StartedAt = o.Clock()
	n.LeaseUntil = o.Clock() + ttl
	o.nodes[n.ID] = n
	return nil
}

func (o *Oracle) Heartbeat(_ context.Context, id task.ID, ttl int64, draining bool) error {
	if !o.alive(id) {
		return store.ErrNodeLost
	}
	n := o.nodes[id]
	n.LeaseUntil, n.Draining = o.Clock()+ttl, draining
	o.nodes[id] = n
	return nil
}

func (o *Oracle) Leave(_ context.Context, id task.ID) error {
	delete(o.nodes, id)
	return nil
}

func (o *Oracle) Nodes(context.Context) ([]store.Node, error) {
	var out []store.Node
	for id, n := range o.nodes {
		if o.alive(id) {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b store.Node) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return out, nil
}

func (o *Oracle) Lost(_ context.Context, held []store.Held) ([]task.ID, error) {
	var lost []task.ID
	for _, h := range held {
		if row := o.tasks[h.ID]; row == nil || row.State != task.Running || row.Token != h.Token ||
			row.Flags&store.FlagCanceling != 0 && row.ExpiresAt <= o.Clock() {
			lost = append(lost, h.ID)
		}
	}
	return lost, nil
}

// --- operator

func (o *Oracle) Cancel(_ context.Context, id task.ID) (woken []store.Woken, err error) {
	row := o.tasks[id]
	switch {
	case row == nil:
		return nil, store.ErrNotFound
	case row.State == task.Canceled:
		return nil, nil
	case row.State.Final():
		return nil, store.ErrFinal
	}
	o.cancel(row, task.Requested, &woken)
	return woken, nil
}

func (o *Oracle) cancel(row *store.Row, why task.Reason, woken *[]store.Woken) {
	text := ""
	if row.State == task.Running {
		text = store.CanceledError
		o.record(row, &store.Transition{Outcome: task.Cancel, Error: store.CanceledError, Decision: task.Decision{Failures: row.Failures}})
		row.LastOutcome, row.LastCode, row.LastError = task.Cancel, 0, store.CanceledError
		row.Token++
	}
	o.finish(row, task.Canceled, why)
	o.ended(row, text, nil, woken)
}

func (o *Oracle) Retry(_ context.Context, id task.ID) ([]store.Woken, error) {
	row := o.tasks[id]
	switch {
	case row == nil:
		return nil, store.ErrNotFound
	case !row.State.Final():
		return nil, store.ErrNotFinal
	}
	if err := o.reclaim(id); err != nil {
		return nil, err
	}
	delete(o.dead, id)
	row.Run++
	row.Failures, row.Crashes, row.ExpiresAt, row.FirstStarted, row.FinishedAt = 0, 0, 0, 0, 0
	row.Flags &^= store.FlagParent | store.FlagUndo | store.FlagCanceling
	if row.Kind == task.Function {
		o.reset(id, 0, nil)
	}
	var woken []store.Woken
	o.makeReady(row, o.position(), task.Retried, &woken)
	return woken, nil
}

func (o *Oracle) reclaim(id task.ID) error {
	var keys []store.HeldKey
	taken := map[store.KeyName]*store.Taken{}
	for _, k := range o.keysOf[id] {
		name := store.KeyName{Namespace: k.Namespace, Kind: k.Kind, Hash: k.Hash}
		keys = append(keys, store.HeldKey{KeyName: name, WhileOpen: k.WhileOpen})
		if e, ok := o.keys[keyName{k.Namespace, k.Kind, k.Hash}]; ok {
			taken[name] = &store.Taken{Entry: e}
			if row := o.tasks[e.Task]; row != nil {
				taken[name].State = row.State
			}
		}
	}
	entries, err := store.Reclaim(id, keys, taken, o.Clock())
	for _, e := range entries {
		o.keys[keyName{e.Namespace, e.Kind, e.Hash}] = e
	}
	return err
}

func (o *Oracle) RunNow(_ context.Context, id task.ID) ([]store.Woken, error) {
	row := o.tasks[id]
	switch {
	case row == nil:
		return nil, store.ErrNotFound
	case row.State == task.Ready:
		return nil, nil
	case row.State == task.Running:
		return nil, store.ErrRunning
	case row.State.Final():
		return nil, store.ErrFinal
	}
	delete(o.timers, id)
	var woken []store.Woken
	o.makeReady(row, o.position(), task.NoReason, &woken)
	return woken, nil
}

func (o *Oracle) Delete(_ context.Context, id task.ID) (woken []store.Woken, err error) {
	row := o.tasks[id]
	switch {
	case row == nil:
		return nil, store.ErrNotFound
	case row.State == task.Running:
		return nil, store.ErrRunning
	}
	if !row.State.Final() && row.Flags&store.FlagParent != 0 {
		o.tell(row, task.Canceled, task.Requested, "", nil, &woken)
	}
	o.erase(row)
	return woken, nil
}

func (o *Oracle) Purge(_ context.Context, lanes []int32, limit int) (purged int, woken []store.Woken, err error) {
	for _, e := range sortedReady(o.ready) {
		if purged < limit && slices.Contains(lanes, e.Lane) {
			o.cancel(o.tasks[e.ID], task.Requested, &woken)
			purged++
		}
	}
	for _, e := range sortedTimers(o.timers) {
		if purged < limit && slices.Contains(lanes, e.Lane) {
			o.cancel(o.tasks[e.ID], task.Requested, &woken)
			purged++
		}
	}
	return purged, woken, nil
}

// Place stores a task as ready at a position of the caller's choice, as a commit
// that arrives late does.
func (o *Oracle) Place(t store.NewTask, position int64) {
	var woken []store.Woken
	row := &store.Row{ID: t.ID, Lane: t.Lane, Priority: t.Priority, Kind: t.Kind, Run: 1, MaxAttempts: t.MaxAttempts, CreatedAt: position}
	o.tasks[t.ID] = row
	o.makeReady(row, position, task.NoReason, &woken)
}

// Suspect stores a task as ready that has crashed once.
func (o *Oracle) Suspect(t store.NewTask) {
	var woken []store.Woken
	row := &store.Row{ID: t.ID, Lane: t.Lane, Priority: t.Priority, Kind: t.Kind, Run: 1, MaxAttempts: t.MaxAttempts, CreatedAt: o.Clock(), Crashes: 1}
	o.tasks[t.ID] = row
	o.makeReady(row, o.position(), task.Interrupted, &woken)
}
