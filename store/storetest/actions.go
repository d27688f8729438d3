package storetest

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func timeOf(us int64) time.Time { return time.UnixMicro(us) }

const second = 1_000_000

func (m *machine) ensureLane(queue, pool string) {
	got, err := m.real.EnsureLane(ctx, store.DefaultNamespace, queue, pool, 2)
	want, wantErr := m.oracle.EnsureLane(ctx, store.DefaultNamespace, queue, pool, 2)
	m.same("lane error", errName(err), errName(wantErr))
	m.saw("lane:" + errName(err))
	if err != nil {
		return
	}
	m.same("lane", got, want)
	if !slices.ContainsFunc(m.lanes, func(l store.Lane) bool { return l.ID == got.ID }) {
		m.lanes = append(m.lanes, got)
	}
}

func (m *machine) register() {
	n := store.Node{ID: m.newID(), Name: "n", Version: 1, Roles: "all", Pools: "any"}
	require.NoError(m.rt, m.real.Register(ctx, n, 10*second))
	_ = m.oracle.Register(ctx, n, 10*second)
	m.nodes = append(m.nodes, n.ID)
}

func (m *machine) advance(t *rapid.T) {
	m.now += rapid.SampledFrom([]int64{1, 1000, second, 3 * second, 11 * second, 3600 * second}).Draw(t, "microseconds")
}

func (m *machine) draft(t *rapid.T) store.NewTask {
	lane := rapid.SampledFrom(m.lanes).Draw(t, "lane")
	n := store.NewTask{
		ID: m.newID(), Lane: lane.ID, Kind: task.HTTP, MaxAttempts: 3,
		Priority: rapid.SampledFrom([]int16{0, 5, 5, 9}).Draw(t, "priority"),
		Spec:     []byte("spec\x00\xff"), Group: rapid.SampledFrom([]string{"", "g"}).Draw(t, "group"),
	}
	switch {
	case lane.Pool != task.AnyPool:
		n.Kind = task.Local
	case rapid.Bool().Draw(t, "function"):
		n.Kind = task.Function
	}
	n.Once = n.Kind != task.Function && rapid.IntRange(0, 4).Draw(t, "once") == 0
	n.Callbacks = rapid.IntRange(0, 4).Draw(t, "callbacks") == 0
	if n.Retention = rapid.IntRange(0, 4).Draw(t, "retention") == 0; n.Retention {
		own := task.Retention{Succeeded: task.NotKept, Canceled: 4 * time.Second} // failed ones as their lane has it
		n.Spec = (&task.Spec{Retention: own}).Encode()
	}
	switch rapid.IntRange(0, 5).Draw(t, "when") {
	case 0:
		n.Delay = rapid.Int64Range(1, 20*second).Draw(t, "delay")
	case 1:
		n.RunAt = m.now + rapid.Int64Range(-second, 20*second).Draw(t, "run at")
	case 2:
		n.ExpiresAt = m.now + rapid.Int64Range(1, 5*second).Draw(t, "expires")
	}
	n.Payload = bytes.Repeat([]byte{0, 0xff, 'x'}, rapid.SampledFrom([]int{0, 1, 300, 400}).Draw(t, "payload"))
	return n
}

func (m *machine) insert(t *rapid.T) {
	group := make([]store.NewTask, rapid.IntRange(1, 4).Draw(t, "tasks"))
	for i := range group {
		group[i] = m.draft(t)
	}
	m.submit(group, rapid.Bool().Draw(t, "atomic"))
}

func (m *machine) insertKeyed(t *rapid.T) {
	group := make([]store.NewTask, rapid.IntRange(1, 3).Draw(t, "tasks"))
	for i := range group {
		group[i] = m.draft(t)
		for range rapid.IntRange(1, 2).Draw(t, "keys") {
			k := m.key(t)
			if !slices.ContainsFunc(group[i].Keys, func(o store.Key) bool { return o.Name() == k.Name() }) {
				group[i].Keys = append(group[i].Keys, k)
			}
		}
	}
	m.submit(group, rapid.Bool().Draw(t, "atomic"))
}

func (m *machine) key(t *rapid.T) store.Key {
	k := store.Key{
		Kind:      rapid.SampledFrom([]store.KeyKind{store.IdempotencyKey, store.ClientIDKey, store.UniqueKey}).Draw(t, "kind"),
		Namespace: store.DefaultNamespace, Hash: m.hash(t),
	}
	switch k.Kind {
	case store.IdempotencyKey:
		k.Body = store.HashOf([]byte(rapid.SampledFrom([]string{"x", "y"}).Draw(t, "body")))
		k.TTL, k.Shared = 3600*second, k.Hash == store.HashOf([]byte("3"))
	case store.UniqueKey:
		k.OnConflict = rapid.SampledFrom([]store.OnConflict{store.Return, store.Reject, store.Replace, store.Replace}).Draw(t, "on conflict")
		k.WhileOpen = rapid.Bool().Draw(t, "while open")
		k.TTL = rapid.SampledFrom([]int64{0, 2 * second}).Draw(t, "window")
	}
	return k
}

func (m *machine) hash(t *rapid.T) store.Hash {
	return store.HashOf([]byte(rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "key")))
}

func (m *machine) insertAgain(t *rapid.T) {
	if len(m.groups) == 0 {
		t.Skip("nothing to repeat")
	}
	m.submitAgain(m.groups[len(m.groups)-1])
}

// submitAgain stores tasks that were stored, as after a commit that got no answer.
func (m *machine) submitAgain(group []store.NewTask) {
	m.saw("insert:again")
	m.submit(group, false)
}

var statusNames = map[store.InsertStatus]string{
	store.Created: "created", store.Existing: "existing", store.Conflict: "conflict", store.Mismatch: "mismatch", store.Skipped: "skipped",
	store.Missing: "missing", store.Dropped: "dropped",
}

func (m *machine) submit(group []store.NewTask, atomic bool) {
	got, gotWoken, err := m.real.Insert(ctx, group, atomic)
	require.NoError(m.rt, err)
	want, wantWoken, _ := m.oracle.Insert(ctx, group, atomic)
	m.same("insert", got, want)
	m.same("woken by insert", sortWoken(gotWoken), sortWoken(wantWoken))
	all := true
	for i, r := range got {
		m.saw("insert:" + statusNames[r.Status])
		m.ids = append(m.ids, group[i].ID)
		all = all && r.Status == store.Created
	}
	if all {
		m.groups = append(m.groups, group)
	}
}

func (m *machine) claim(t *rapid.T) {
	req := store.ClaimRequest{ID: m.newID(), Node: rapid.SampledFrom(m.nodes).Draw(t, "node"), Limit: rapid.IntRange(1, 6).Draw(t, "limit")}
	for _, lane := range m.lanes {
		for _, prio := range []int16{0, 5, 9, task.SuspectPriority} {
			if rapid.Bool().Draw(t, "slot") {
				req.Slots = append(req.Slots, store.ClaimSlot{
					Lane: lane.ID, Priority: prio, Limit: rapid.IntRange(1, 4).Draw(t, "slot limit"),
					Cursor: rapid.SampledFrom([]int64{0, 0, m.now - second}).Draw(t, "cursor"),
				})
			}
		}
	}
	m.claimAs(req)
}

func (m *machine) claimAs(req store.ClaimRequest) {
	got, err := m.real.Claim(ctx, req)
	require.NoError(m.rt, err)
	want, _ := m.oracle.Claim(ctx, req)
	m.same("claim", got, want)
	m.held = append(m.held, got.Tasks...)
	m.sawClaim(req, got)
}

func (m *machine) sawClaim(req store.ClaimRequest, got store.ClaimBatch) {
	switch {
	case !m.oracle.alive(req.Node):
		m.saw("claim:dead-node")
	case len(got.Tasks) == 0:
		m.saw("claim:none")
	default:
		m.saw("claim:tasks")
		m.claims = append(m.claims, req.ID)
	}
	if got.Expired > 0 {
		m.saw("claim:expired")
	}
}

func (m *machine) settle(t *rapid.T) {
	if len(m.held) == 0 {
		t.Skip("nothing held")
	}
	var ts []store.Transition
	for range rapid.IntRange(1, 4).Draw(t, "settles") {
		if len(m.held) == 0 {
			break
		}
		i := rapid.IntRange(0, len(m.held)-1).Draw(t, "task")
		c := m.held[i]
		m.held = slices.Delete(m.held, i, i+1)
		ts = append(ts, m.transition(t, c))
	}
	m.settleAll(ts)
	m.sent = append(m.sent, ts...)
}

func (m *machine) transition(t *rapid.T, c store.Claimed) store.Transition {
	tr := m.ending(t, c)
	if c.Kind == task.Function {
		m.effects(t, &c, &tr)
	}
	m.hint(t, &c, &tr)
	return tr
}

func (m *machine) ending(t *rapid.T, c store.Claimed) store.Transition {
	o := task.Outcome{Class: rapid.SampledFrom([]task.Class{
		task.Success, task.Success, task.Failure, task.Reject, task.Throttle, task.Interrupt, task.Crash, task.Cancel, task.Snooze,
	}).Draw(t, "outcome")}
	if o.Class != task.Success {
		o.Error = rapid.SampledFrom([]string{"boom", "bad\x00\xffbytes", string(bytes.Repeat([]byte("é"), 2000))}).Draw(t, "error")
		o.Code = 503
		o.Cause = rapid.SampledFrom([]task.Cause{task.NoCause, task.CauseRefused, task.CauseTLS}).Draw(t, "cause")
	}
	if o.Class == task.Failure {
		o.Blame = rapid.SampledFrom([]task.Blame{task.NoBlame, task.Cleared, task.Guilty}).Draw(t, "blame")
	}
	if rapid.Bool().Draw(t, "answer") {
		o.Answer = m.answer(t)
	}
	return m.decided(c, o)
}

// answer is a small one, or one that does not fit into the row of its task.
func (m *machine) answer(t *rapid.T) task.Answer {
	body := rapid.SampledFrom([]string{"", "body\x00", strings.Repeat("y", store.InlineAnswer), strings.Repeat("z", store.InlineAnswer+1)}).Draw(t, "body")
	a := task.Answer{Body: []byte(body), Truncated: body != "" && rapid.IntRange(0, 3).Draw(t, "truncated") == 0}
	if body == "" || rapid.Bool().Draw(t, "headers") {
		a.Header = []task.Header{{Name: "X-A", Value: "1"}}
	}
	return a
}

// decided is the transition of an outcome.
func (m *machine) decided(c store.Claimed, o task.Outcome) store.Transition {
	d := task.Decide(task.Attempt{
		Failures: c.Failures, Crashes: c.Crashes, FirstStarted: c.FirstStarted, Now: m.now, Retry: task.RetryPolicy{MaxAttempts: c.MaxAttempts},
	}, o, 0.5)
	return store.Transition{ID: c.ID, Token: c.Token, Outcome: o.Class, Decision: d, Code: o.Code, Error: o.Error, Cause: o.Cause, Answer: o.Answer}
}

// settleAll settles in one call. Where a floor may write some of the transitions after the
// others, so that what becomes ready has its positions in another order, it takes a call
// for each.
func (m *machine) settleAll(ts []store.Transition) {
	if (repeated(ts) || slices.ContainsFunc(ts, m.outdated)) && m.orderShows(ts) {
		for i := range ts {
			m.settleAll(ts[i : i+1])
		}
		return
	}
	got, gotWoken, err := m.real.Settle(ctx, ts)
	require.NoError(m.rt, err)
	waiting := m.suspended()
	want, wantWoken, _ := m.oracle.Settle(ctx, ts)
	if slices.ContainsFunc(waiting, func(id task.ID) bool { return m.oracle.tasks[id].State == task.Ready }) {
		m.saw("function:resumed")
	}
	for i := range ts {
		m.same("settle", errName(got[i]), errName(want[i]))
		m.saw("settle:" + errName(got[i]))
		if got[i] == nil {
			m.sawEffects(&ts[i])
		}
	}
	m.same("woken by settle", sortWoken(gotWoken), sortWoken(wantWoken))
}

// orderShows tells whether it can be seen in which order transitions were written: several
// tasks get a position, or several ends are told to callers.
func (m *machine) orderShows(ts []store.Transition) bool {
	after, seen := m.oracle.clone(), 0
	_, _, _ = after.Settle(ctx, ts) // the oracle never fails
	for _, e := range after.ready {
		if e.Position > m.oracle.last {
			seen++
		}
	}
	for i := range ts {
		if row := m.oracle.tasks[ts[i].ID]; row != nil && row.Flags&store.FlagParent != 0 {
			seen++
		}
	}
	return len(ts) > 1 && seen > 1
}

// repeated tells whether two of the transitions are of one task.
func repeated(ts []store.Transition) bool {
	ids := map[task.ID]bool{}
	for i := range ts {
		ids[ts[i].ID] = true
	}
	return len(ids) < len(ts)
}

// outdated tells whether others have come to wait for a task since its transition was decided.
func (m *machine) outdated(t store.Transition) bool {
	row := m.oracle.tasks[t.ID]
	return row != nil && (row.Flags^t.Flags)&store.Related != 0
}

func (m *machine) settleAgain(t *rapid.T) {
	if len(m.sent) == 0 {
		t.Skip("nothing settled")
	}
	again := rapid.SampledFrom(m.sent).Draw(t, "settle")
	if rapid.Bool().Draw(t, "other outcome") {
		again.Outcome, again.Decision.To = task.Reject, task.Failed
	}
	m.settleOnceMore(again)
}

// settleOnceMore repeats a settle, as after a commit that got no answer.
func (m *machine) settleOnceMore(t store.Transition) {
	m.saw("settle:again")
	m.settleAll([]store.Transition{t})
}

func (m *machine) promote(t *rapid.T) {
	m.promoteUpTo(rapid.IntRange(1, 4).Draw(t, "limit"))
}

func (m *machine) promoteUpTo(limit int) {
	n, next, woken, err := m.real.PromoteDue(ctx, limit)
	require.NoError(m.rt, err)
	wantN, wantNext, wantWoken, _ := m.oracle.PromoteDue(ctx, limit)
	m.same("promoted", []int64{int64(n), next}, []int64{int64(wantN), wantNext})
	m.same("woken by promote", sortWoken(woken), sortWoken(wantWoken))
	if n > 0 {
		m.saw("promote:some")
	} else {
		m.saw("promote:none")
	}
}

// loseNodes lets one node after the other die with the same local tasks.
func (m *machine) loseNodes(t *rapid.T) {
	lane := m.localLane()
	for range rapid.IntRange(1, 3).Draw(t, "nodes") {
		m.register()
		req := store.ClaimRequest{ID: m.newID(), Node: m.nodes[len(m.nodes)-1], Limit: 3, Slots: []store.ClaimSlot{
			{Lane: lane.ID, Priority: task.SuspectPriority, Limit: 1}, {Lane: lane.ID, Priority: 5, Limit: 1},
		}}
		m.claimAs(req)
		m.now += 11 * second
		m.rescueAs(m.nodes[0], nil, 3)
	}
}

func (m *machine) rescue(t *rapid.T) {
	self := rapid.SampledFrom(m.nodes).Draw(t, "self")
	var known []task.ID
	for _, id := range m.claims {
		if rapid.Bool().Draw(t, "known") {
			known = append(known, id)
		}
	}
	m.rescueAs(self, known, rapid.IntRange(1, 3).Draw(t, "limit"))
}

func (m *machine) rescueAs(self task.ID, known []task.ID, limit int) {
	got, err := m.real.Rescue(ctx, self, known, limit)
	require.NoError(m.rt, err)
	want, _ := m.oracle.Rescue(ctx, self, known, limit)
	got.Woken, want.Woken = sortWoken(got.Woken), sortWoken(want.Woken)
	m.same("rescue", got, want)
	if got.Tasks > 0 {
		m.saw("rescue:tasks")
	} else {
		m.saw("rescue:none")
	}
	if got.Poison > 0 {
		m.saw("rescue:poison")
	}
	if got.Lost > 0 {
		m.saw("rescue:lost")
	}
}

func (m *machine) retain(t *rapid.T) {
	cursor := task.ID{}
	if len(m.ids) > 0 && rapid.Bool().Draw(t, "from cursor") {
		cursor = rapid.SampledFrom(m.ids).Draw(t, "cursor")
	}
	m.retainFrom(cursor, rapid.IntRange(1, 5).Draw(t, "limit"))
}

func (m *machine) retainFrom(cursor task.ID, limit int) {
	r := store.Keep{Retention: task.Retention{Succeeded: time.Second, Canceled: 2 * time.Second, Failed: 5 * time.Second}}
	r.Lanes = map[int32]task.Retention{m.lanes[1].ID: {Succeeded: 10 * time.Second, Canceled: time.Second, Failed: 3 * time.Second}}
	got, err := m.real.Retain(ctx, r, cursor, limit)
	require.NoError(m.rt, err)
	want, _ := m.oracle.Retain(ctx, r, cursor, limit)
	m.same("retain", got, want)
	if got.Deleted > 0 {
		m.saw("retain:deleted")
	}
	if len(got.Overdue) > 0 {
		m.expire(got.Overdue)
	}
}

// expire ends tasks that wait for others, as far as they have expired.
func (m *machine) expire(ids []task.ID) {
	ended, woken, err := m.real.Expire(ctx, ids)
	require.NoError(m.rt, err)
	wantEnded, wantWoken, _ := m.oracle.Expire(ctx, ids)
	m.same("expire", ended, wantEnded)
	m.same("woken by expire", sortWoken(woken), sortWoken(wantWoken))
	m.saw("expire:" + map[bool]string{true: "some", false: "none"}[ended > 0])
}

func (m *machine) members(t *rapid.T) {
	node := rapid.SampledFrom(m.nodes).Draw(t, "node")
	switch rapid.IntRange(0, 6).Draw(t, "step") {
	case 0:
		m.register()
	case 1:
		m.leave(node)
	case 2:
		m.drain(node, rapid.IntRange(0, 2).Draw(t, "on") > 0)
	default:
		m.heartbeat(node)
	}
	got, err := m.real.Nodes(ctx)
	require.NoError(t, err)
	want, _ := m.oracle.Nodes(ctx)
	m.same("nodes", got, want)
}

func (m *machine) leave(node task.ID) {
	require.NoError(m.rt, m.real.Leave(ctx, node))
	_ = m.oracle.Leave(ctx, node)
	m.saw("leave:ok")
}

func (m *machine) heartbeat(node task.ID) {
	draining := node[15]%2 == 0
	told, err := m.real.Heartbeat(ctx, node, 10*second, draining)
	wantTold, wantErr := m.oracle.Heartbeat(ctx, node, 10*second, draining)
	m.same("heartbeat", errName(err), errName(wantErr))
	m.same("told to drain", told, wantTold)
	m.saw("heartbeat:" + map[bool]string{true: "ok", false: "lost"}[err == nil])
}

func (m *machine) drain(node task.ID, on bool) {
	err := m.real.Drain(ctx, node, on)
	m.same("drain", errName(err), errName(m.oracle.Drain(ctx, node, on)))
	switch {
	case err != nil:
		m.saw("drain:not-found")
	case on:
		m.saw("drain:ok")
	default:
		m.saw("drain:taken-back")
	}
}

func (m *machine) anyID(t *rapid.T) task.ID {
	if len(m.ids) == 0 || rapid.IntRange(0, 20).Draw(t, "unknown") == 0 {
		return m.newID()
	}
	if some := m.ofState(t); len(some) > 0 {
		return rapid.SampledFrom(some).Draw(t, "id of a state")
	}
	return rapid.SampledFrom(m.ids).Draw(t, "id")
}

// ofState lists the tasks of a state that a random id seldom hits, every other
// time.
func (m *machine) ofState(t *rapid.T) (ids []task.ID) {
	state := rapid.SampledFrom([]task.State{0, 0, task.Running, task.Succeeded, task.Failed, task.Canceled}).Draw(t, "state")
	for _, row := range m.oracle.sortedTasks() {
		if row.State == state {
			ids = append(ids, row.ID)
		}
	}
	return ids
}

func (m *machine) operate(t *rapid.T) {
	id := m.anyID(t)
	m.steer(rapid.SampledFrom([]string{"cancel", "cancel tree", "retry", "run", "delete", "restart", "signal", "signal", "undo", "undo"}).Draw(t, "verb"), id)
}

// grace is how long a function that is canceled may undo what it did.
const grace = 2 * second

// steer does what a person asks for.
func (m *machine) steer(name string, id task.ID) {
	var err, wantErr error
	var woken, wantWoken []store.Woken
	switch name {
	case "cancel":
		woken, err = m.real.Cancel(ctx, id, store.Alone)
		wantWoken, wantErr = m.oracle.Cancel(ctx, id, store.Alone)
	case "cancel tree":
		woken, err = m.real.Cancel(ctx, id, store.WithCalls)
		wantWoken, wantErr = m.oracle.Cancel(ctx, id, store.WithCalls)
	case "retry":
		woken, err = m.real.Retry(ctx, id)
		wantWoken, wantErr = m.oracle.Retry(ctx, id)
	case "retry followers":
		woken, err = m.real.RetryFollowers(ctx, id)
		wantWoken, wantErr = m.oracle.RetryFollowers(ctx, id)
	case "run":
		woken, err = m.real.RunNow(ctx, id)
		wantWoken, wantErr = m.oracle.RunNow(ctx, id)
	case "run beyond":
		woken, err = m.real.RunBeyond(ctx, id)
		wantWoken, wantErr = m.oracle.RunBeyond(ctx, id)
	case "delete":
		woken, err = m.real.Delete(ctx, id)
		wantWoken, wantErr = m.oracle.Delete(ctx, id)
	case "restart":
		woken, err = m.real.Restart(ctx, id)
		wantWoken, wantErr = m.oracle.Restart(ctx, id)
	case "undo":
		woken, err = m.real.Undo(ctx, id, grace)
		wantWoken, wantErr = m.oracle.Undo(ctx, id, grace)
	case "signal":
		woken, err = m.real.Signal(ctx, id, "name", []byte("value\x00"))
		wantWoken, wantErr = m.oracle.Signal(ctx, id, "name", []byte("value\x00"))
	}
	m.same(name, errName(err), errName(wantErr))
	m.same("woken by "+name, sortWoken(woken), sortWoken(wantWoken))
	m.saw(name + ":" + errName(err))
}

func (m *machine) purge(t *rapid.T) {
	m.purgeLane(rapid.SampledFrom(m.lanes).Draw(t, "lane").ID, rapid.IntRange(1, 3).Draw(t, "limit"))
}

func (m *machine) purgeLane(lane int32, limit int) {
	lanes := []int32{lane}
	n, woken, err := m.real.Purge(ctx, lanes, limit)
	require.NoError(m.rt, err)
	want, wantWoken, _ := m.oracle.Purge(ctx, lanes, limit)
	m.same("purge", n, want)
	m.same("woken by purge", sortWoken(woken), sortWoken(wantWoken))
	if n > 0 {
		m.saw("purge:some")
	}
}

func (m *machine) pause(t *rapid.T) {
	if rapid.IntRange(0, 4).Draw(t, "everything") == 0 {
		m.pauseNamespace(rapid.SampledFrom([]int32{1, 99}).Draw(t, "namespace"), true)
		m.claim(t)
		m.pauseNamespace(1, false)
	}
	m.setPaused(rapid.SampledFrom([]int32{1, 2, 99}).Draw(t, "queue"), rapid.Bool().Draw(t, "paused"))
}

func (m *machine) settings(t *rapid.T) {
	one := func(name string) []byte {
		return rapid.SampledFrom([][]byte{nil, []byte("x"), []byte(`{"y":1}`)}).Draw(t, name)
	}
	queue := rapid.SampledFrom([]int32{1, 2, 99}).Draw(t, "queue")
	m.set(queue, one("was"), one("settings"))
}

func (m *machine) set(queue int32, was, settings []byte) {
	got := errName(m.real.SetSettings(ctx, queue, was, settings))
	m.same("settings", got, errName(m.oracle.SetSettings(ctx, queue, was, settings)))
	m.saw("settings:" + got)
	m.sameCatalog()
}

func (m *machine) pauseNamespace(namespace int32, paused bool) {
	woken, err := m.real.PauseNamespace(ctx, namespace, paused)
	want, wantErr := m.oracle.PauseNamespace(ctx, namespace, paused)
	m.same("pause of everything", errName(err), errName(wantErr))
	m.same("woken by resume of everything", sortWoken(woken), sortWoken(want))
	verb := map[bool]string{true: "pause everything:", false: "resume everything:"}[paused]
	m.saw(verb + errName(err))
	since, err := m.real.PausedNamespaces(ctx)
	require.NoError(m.rt, err)
	wantSince, _ := m.oracle.PausedNamespaces(ctx)
	m.same("paused namespaces", len(since), len(wantSince))
	for id, at := range wantSince {
		m.same("paused since", since[id], at)
	}
}

func (m *machine) setPaused(queue int32, paused bool) {
	woken, err := m.real.SetPaused(ctx, queue, paused)
	want, wantErr := m.oracle.SetPaused(ctx, queue, paused)
	m.same("pause", errName(err), errName(wantErr))
	m.same("woken by resume", sortWoken(woken), sortWoken(want))
	verb := map[bool]string{true: "pause:", false: "resume:"}[paused]
	m.saw(verb + errName(err))
}
