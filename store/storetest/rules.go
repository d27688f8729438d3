package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// RunRules checks what a store must never do, one rule at a time, so that a
// failure says which was broken. open is as for [Run]. The way to each situation
// is compared with the oracle; the rule itself is not: the two could share a
// mistake.
func RunRules(t *testing.T, open func(clock func() int64) store.Store) {
	for _, r := range slices.Concat(rules, rulesOfChanges, rulesOfKeys, rulesOfOrder, rulesOfGates, rulesOfGraphs, rulesOfSchedules, rulesOfAudit) {
		t.Run(r.name, func(t *testing.T) { r.check(newMachine(t, open, map[string]int{})) })
	}
}

type rule struct {
	name  string
	check func(*machine)
}

var rules = []rule{
	{"a late end of an attempt changes nothing", lateEnds},
	{"the end of a call is told once", toldOnce},
	{"an end reaches whom it concerns, whatever its settle expects", toldUnexpectedly},
	{"calls of an earlier life are not told", toldToTheLiving},
	{"what the next life is told, none before it has used up", toldAnew},
	{"a function that is canceled undoes first, and within its time", undoesFirst},
	{"a function that is canceled while it runs is told in its next run", toldNextRun},
	{"a dead lease is not revived", deadLease},
	{"a node without a lease claims nothing", nothingWithoutLease},
	{"a task that has expired is not started", expiredNotStarted},
	{"a paused queue gives nothing", pausedGivesNothing},
	{"where everything is paused nothing is claimed", pausedEverywhere},
	{"a queue is forgotten when all in it has ended", forgottenWhenEmpty},
	{"a forgotten queue gives what came into it", forgottenGives},
	{"lanes of a forgotten queue go with its last task", forgottenLanesGo},
	{"of many attempts the first and the last are kept", attemptsKept},
	{"slots are served in their order", slotsInOrder},
	{"a task handed back keeps its place", placeKept},
	{"retention leaves what has not ended", retentionSpares},
	{"each lane has its retention", retentionByLane},
	{"a task may have a retention of its own", retentionByTask},
	{"settings are replaced by who has seen them", settingsSeen},
	{"a purge leaves the function that it wakes", purgeSparesWhoIsTold},
	{"a purge ends tasks in the order of their line", purgeInOrder},
}

// afterwards are the ways in which an attempt stops being the one that counts.
var afterwards = map[string]func(*machine, store.Claimed){
	"taken back":           func(m *machine, c store.Claimed) { m.bury(c) },
	"claimed by another":   func(m *machine, c store.Claimed) { m.bury(c); m.take(c.ID) },
	"ended by another":     func(m *machine, c store.Claimed) { m.bury(c); m.end(m.take(c.ID), task.Reject) },
	"canceled":             func(m *machine, c store.Claimed) { m.steer("cancel", c.ID) },
	"canceled and retried": func(m *machine, c store.Claimed) { m.steer("cancel", c.ID); m.steer("retry", c.ID); m.take(c.ID) },
	"restarted":            func(m *machine, c store.Claimed) { m.steer("restart", c.ID) },
	"restarted, running":   func(m *machine, c store.Claimed) { m.steer("restart", c.ID); m.take(c.ID) },
	"canceled and deleted": func(m *machine, c store.Claimed) { m.steer("cancel", c.ID); m.steer("delete", c.ID) },
}

// lateEnds: whatever has become of a task, the attempt before cannot end it (I5).
func lateEnds(m *machine) {
	for name, happens := range afterwards {
		for _, class := range []task.Class{task.Success, task.Failure, task.Reject, task.Interrupt, task.Cancel, task.Suspend} {
			c := m.hold(task.Function)
			happens(m, c)
			before := m.snapshot()
			for _, tr := range lateTransitions(m, c, class) {
				errs, woken, err := m.real.Settle(ctx, []store.Transition{tr})
				require.NoError(m.rt, err)
				require.ErrorIs(m.rt, errs[0], store.ErrLeaseLost, "%s, and then the attempt before ended as %s: accepted", name, class)
				require.Empty(m.rt, woken)
			}
			errs, err := m.real.Append(ctx, []store.Checkpoint{{ID: c.ID, Token: c.Token, Segment: task.Segment{Bytes: []byte("late")}}})
			require.NoError(m.rt, err)
			require.ErrorIs(m.rt, errs[0], store.ErrLeaseLost, "%s, and then the attempt before wrote to the journal", name)
			require.Equal(m.rt, before, m.snapshot(), "%s, and then the attempt before ended as %s: refused, and yet something changed", name, class)
		}
	}
}

// lateTransitions are the ways to write one outcome: alone, with an answer, and
// with effects, which the floors do in statements of their own.
func lateTransitions(m *machine, c store.Claimed, class task.Class) []store.Transition {
	plain := m.decided(c, task.Outcome{Class: class})
	answered, linked := plain, plain
	answered.Answer.Body = []byte("answer")
	linked.Effects = &store.Effects{}
	if class == task.Suspend {
		linked.Decision.Delay, linked.Effects.Need = time.Hour, 1
	}
	return []store.Transition{plain, answered, linked}
}

// bury has the node of a claimed task die, and the task taken back.
func (m *machine) bury(c store.Claimed) {
	m.leave(m.oracle.tasks[c.ID].Node)
	m.rescueAs(m.alive(), nil, everything)
}

func (m *machine) snapshot() store.Snapshot {
	s, err := m.real.Snapshot(ctx)
	require.NoError(m.rt, err)
	return s
}

func (m *machine) rowOf(id task.ID) store.Row {
	rows, err := m.real.Rows(ctx, []task.ID{id})
	require.NoError(m.rt, err)
	require.Len(m.rt, rows, 1)
	return rows[0]
}

func toldOnce(m *machine) {
	parent := m.hold(task.Function)
	tr := m.endCall(m.wait(parent))
	for range 2 {
		errs, _, err := m.real.Settle(ctx, []store.Transition{tr})
		require.NoError(m.rt, err)
		require.NoError(m.rt, errs[0], "a settle that got no answer is sent again")
	}
	r, err := m.real.Resume(ctx, parent.ID, 0, 10, 1<<20)
	require.NoError(m.rt, err)
	require.Len(m.rt, r.Messages, 1, "the call ended once")
}

// toldUnexpectedly settles by what was known at the claim, or by less.
func toldUnexpectedly(m *machine) {
	bare := func(c store.Claimed) store.Transition {
		tr := m.decided(c, task.Outcome{Class: task.Success})
		tr.Flags, tr.Parent, tr.Effects = 0, task.ID{}, nil
		return tr
	}
	parent := m.hold(task.Function)
	m.settleAll([]store.Transition{bare(m.take(m.wait(parent)))})
	r, err := m.real.Resume(ctx, parent.ID, 0, 10, 1<<20)
	require.NoError(m.rt, err)
	require.Len(m.rt, r.Messages, 1, "the end of a call")
	require.Equal(m.rt, task.Ready, m.rowOf(parent.ID).State)

	for _, body := range []string{"", "answer", string(make([]byte, 2*store.InlineAnswer))} {
		up := m.hold(task.HTTP)
		down := m.put(m.after(task.AllOK, up.ID))
		tr := bare(up)
		tr.Answer.Body = []byte(body)
		m.settleAll([]store.Transition{tr})
		m.followUp()
		require.Equal(m.rt, task.Ready, m.rowOf(down).State, "somebody came to depend on the task while it ran")
	}
}

func toldToTheLiving(m *machine) {
	parent := m.hold(task.Function)
	call := m.take(m.wait(parent))
	m.steer("restart", parent.ID)
	m.succeed(call)
	r, err := m.real.Resume(ctx, parent.ID, 0, 10, 1<<20)
	require.NoError(m.rt, err)
	require.Empty(m.rt, r.Messages, "the function began again and never made this call")
	require.Equal(m.rt, task.Ready, m.rowOf(parent.ID).State)
}

func toldAnew(m *machine) {
	c := m.hold(task.Function)
	tr := m.decided(c, task.Outcome{Class: task.Continue})
	tr.Effects = &store.Effects{Restart: true, Seen: 5, Next: &store.Next{Spec: []byte("next")}, Tell: []store.Message{
		{Kind: store.Signal, Name: "first"}, {Kind: store.Signal, Name: "second"},
	}}
	errs, _, err := m.real.Settle(ctx, []store.Transition{tr})
	require.NoError(m.rt, errors.Join(err, errs[0]))
	r, err := m.real.Resume(ctx, c.ID, 0, 10, 1<<20)
	require.NoError(m.rt, err)
	var names []string
	for _, msg := range r.Messages {
		names = append(names, msg.Name)
	}
	require.Equal(m.rt, []string{"first", "second"}, names, "signals are lost between two lives")
}

func undoesFirst(m *machine) {
	for name, again := range map[string]func(store.Claimed){
		"retry":   func(c store.Claimed) { m.steer("cancel", c.ID); m.steer("retry", c.ID) },
		"restart": func(c store.Claimed) { m.steer("restart", c.ID) },
	} {
		c := m.owing()
		m.steer("undo", c.ID)
		row := m.rowOf(c.ID)
		require.Equal(m.rt, task.Ready, row.State, "a function that waits is told at once")
		require.Equal(m.rt, m.now+grace, row.ExpiresAt)
		told := m.take(c.ID)
		require.NotZero(m.rt, told.Flags&store.FlagCanceling, "who runs it is told why")
		require.Equal(m.rt, m.now+grace, told.ExpiresAt)
		m.settleAll([]store.Transition{m.suspending(told)})
		require.Equal(m.rt, task.Suspended, m.rowOf(c.ID).State, "it was told: now it waits as any other")
		again(c)
		row = m.rowOf(c.ID)
		require.Zero(m.rt, row.Flags&(store.FlagCanceling|store.FlagUndo), "%s: nobody cancels what begins again", name)
		require.Zero(m.rt, row.ExpiresAt)
	}
}

func toldNextRun(m *machine) {
	for _, tr := range []task.Outcome{{Class: task.Suspend}, {Class: task.Failure}, {Class: task.Block}} {
		c := m.take(m.woken(m.owing()))
		m.steer("undo", c.ID)
		require.Equal(m.rt, task.Running, m.rowOf(c.ID).State, "its attempt goes on")
		end := m.decided(c, tr)
		end.Decision.Delay, end.Effects = time.Hour, &store.Effects{Need: 1}
		m.settleAll([]store.Transition{end})
		m.promoteUpTo(everything)
		require.Equal(m.rt, task.Ready, m.rowOf(c.ID).State, "%s: it waits for something else and is not told", tr.Class)
	}
	c := m.take(m.woken(m.owing()))
	m.steer("undo", c.ID)
	held := []store.Held{{ID: c.ID, Token: c.Token}}
	lost, err := m.real.Lost(ctx, held)
	require.NoError(m.rt, err)
	require.Empty(m.rt, lost, "it may go on")
	m.now += grace
	lost, err = m.real.Lost(ctx, held)
	require.NoError(m.rt, err)
	require.Equal(m.rt, []task.ID{c.ID}, lost, "its time is over")
}

// woken makes a function ready that waits.
func (m *machine) woken(c store.Claimed) task.ID {
	m.steer("run", c.ID)
	return c.ID
}

func deadLease(m *machine) {
	node := m.alive()
	m.now += 10*second - 1
	_, err := m.real.Heartbeat(ctx, node, 10*second, false)
	require.NoError(m.rt, err, "the lease was alive")
	m.now += 10 * second
	_, err = m.real.Heartbeat(ctx, node, 10*second, false)
	require.ErrorIs(m.rt, err, store.ErrNodeLost, "others may run its tasks already")
	nodes, err := m.real.Nodes(ctx)
	require.NoError(m.rt, err)
	require.Empty(m.rt, nodes)
}

func nothingWithoutLease(m *machine) {
	id := m.put(m.plain(task.HTTP))
	for name, node := range map[string]task.ID{"unknown": m.newID(), "dead": m.alive()} {
		m.now += 10 * second
		require.Empty(m.rt, m.claimFor(node, everything), "the node is %s", name)
	}
	require.Equal(m.rt, task.Ready, m.rowOf(id).State)
}

// claimFor claims from all lines of the first lane, and says what it got.
func (m *machine) claimFor(node task.ID, limit int) (ids []task.ID) {
	req := store.ClaimRequest{ID: m.newID(), Node: node, Limit: limit}
	for _, priority := range []int16{0, 5, 9} {
		req.Slots = append(req.Slots, store.ClaimSlot{Lane: m.lanes[0].ID, Priority: priority, Limit: limit})
	}
	batch, err := m.real.Claim(ctx, req)
	require.NoError(m.rt, err)
	for _, c := range batch.Tasks {
		ids = append(ids, c.ID)
	}
	return ids
}

func expiredNotStarted(m *machine) {
	n := m.plain(task.HTTP)
	n.ExpiresAt = m.now + second
	m.put(n)
	m.now += second
	require.Empty(m.rt, m.claimFor(m.alive(), everything))
	row := m.rowOf(n.ID)
	require.Equal(m.rt, []any{task.Failed, task.Expired}, []any{row.State, row.Reason})
}

func pausedGivesNothing(m *machine) {
	id := m.put(m.plain(task.HTTP))
	m.setPaused(m.lanes[0].QueueID, true)
	require.Empty(m.rt, m.claimFor(m.alive(), everything))
	m.setPaused(m.lanes[0].QueueID, false)
	require.Equal(m.rt, []task.ID{id}, m.claimFor(m.alive(), everything))
}

// pausedEverywhere: what a queue is by itself stays as it is.
func pausedEverywhere(m *machine) {
	id := m.put(m.plain(task.HTTP))
	m.pauseNamespace(store.DefaultNamespace, true)
	m.now++
	m.pauseNamespace(store.DefaultNamespace, true) // since when it is does not change
	require.Empty(m.rt, m.claimFor(m.alive(), everything))
	m.setPaused(m.lanes[0].QueueID, true)
	m.pauseNamespace(store.DefaultNamespace, false)
	require.Empty(m.rt, m.claimFor(m.alive(), everything))
	m.pauseNamespace(store.DefaultNamespace, true)
	m.setPaused(m.lanes[0].QueueID, false)
	require.Empty(m.rt, m.claimFor(m.alive(), everything))
	m.pauseNamespace(store.DefaultNamespace, false)
	require.Equal(m.rt, []task.ID{id}, m.claimFor(m.alive(), everything))
}

func (m *machine) forget(queue int32) error {
	err := m.real.Forget(ctx, queue)
	m.same("forget", errName(err), errName(m.oracle.Forget(ctx, queue)))
	m.sameCatalog()
	return err
}

func (m *machine) sameCatalog() {
	queues, err := m.real.Queues(ctx)
	require.NoError(m.rt, err)
	want, _ := m.oracle.Queues(ctx)
	for _, list := range [][]store.Queue{queues, want} {
		for i := range list {
			list[i].CreatedAt = 0 // a floor's own clock may decide
		}
	}
	m.same("queues", queues, want)
	lanes, err := m.real.Lanes(ctx)
	require.NoError(m.rt, err)
	wantLanes, _ := m.oracle.Lanes(ctx)
	m.same("lanes", lanes, wantLanes)
}

func forgottenWhenEmpty(m *machine) {
	queue := m.lanes[0].QueueID
	late := m.plain(task.HTTP)
	late.Delay = 3600 * second
	id := m.put(late)
	require.ErrorIs(m.rt, m.forget(queue), store.ErrQueueNotEmpty, "a task is scheduled")
	m.steer("run", id)
	require.ErrorIs(m.rt, m.forget(queue), store.ErrQueueNotEmpty, "a task is ready")
	c := m.take(id)
	require.ErrorIs(m.rt, m.forget(queue), store.ErrQueueNotEmpty, "a task is running")
	m.end(c, task.Reject)
	m.setPaused(queue, true)
	m.set(queue, nil, []byte("settings"))
	require.NoError(m.rt, m.forget(queue), "all has ended")
	require.ErrorIs(m.rt, m.forget(queue), store.ErrNotFound)
	require.ErrorIs(m.rt, m.forget(99), store.ErrNotFound)
	m.ensureLane(m.lanes[0].Queue, store.GroupPool(m.lanes[0].Pool, m.lanes[0].Group)) // anew, under the same ids, not paused, with nothing set
	m.sameCatalog()
}

// forgottenGives: a node that has not heard of it yet puts a task into a queue
// that another one has forgotten.
func forgottenGives(m *machine) {
	require.NoError(m.rt, m.forget(m.lanes[0].QueueID))
	id := m.put(m.plain(task.HTTP))
	require.Equal(m.rt, []task.ID{id}, m.claimFor(m.alive(), everything))
}

func forgottenLanesGo(m *machine) {
	queue := m.lanes[0].QueueID
	ended := m.end(m.hold(task.HTTP), task.Reject).ID
	require.NoError(m.rt, m.forget(queue))
	lanes := func(name string) (n int) {
		_, err := m.real.EnsureLane(ctx, store.DefaultNamespace, name, task.AnyPool, 10) // making a queue tidies up
		require.NoError(m.rt, err)
		all, err := m.real.Lanes(ctx)
		require.NoError(m.rt, err)
		for _, l := range all {
			if l.QueueID == queue {
				n++
			}
		}
		return n
	}
	m.now += store.ForgetAfter - 1
	all := lanes("new-1")
	require.NotZero(m.rt, all, "nodes may still know the lanes")
	m.now += 2
	require.Equal(m.rt, 1, lanes("new-2"), "of %d lanes the one that still has a task stays", all)
	_, err := m.real.Delete(ctx, ended)
	require.NoError(m.rt, err)
	require.Zero(m.rt, lanes("new-3"), "nothing is left of it")
}

func attemptsKept(m *machine) {
	const n = store.KeptFirst + store.KeptLast + 5
	id := m.put(m.plain(task.HTTP))
	for range n {
		c := m.take(id)
		m.settleAll([]store.Transition{{
			ID: id, Token: c.Token, Outcome: task.Failure, Code: 500, Error: "boom", Answer: task.Answer{Body: []byte("0123456789")},
			Decision: task.Decision{To: task.Ready, Failures: c.Failures + 1},
		}})
	}
	m.readAttempts(id)
	all, more, err := m.real.Attempts(ctx, id, 0, n, 1<<20)
	require.NoError(m.rt, err)
	require.False(m.rt, more)
	require.Len(m.rt, all, store.KeptFirst+store.KeptLast)
	for i, a := range all {
		left, number := int64(0), int32(i+1)
		if i >= store.KeptFirst {
			number += 5
		}
		if i == store.KeptFirst {
			left = 5
		}
		require.Equal(m.rt, number, a.Number)
		require.Equal(m.rt, left, a.LeftOut, "attempt %d", a.Number)
	}

	var walked []store.AttemptRow
	for after, more := int64(0), true; more; after = walked[len(walked)-1].Token {
		var page []store.AttemptRow
		page, more, err = m.real.Attempts(ctx, id, after, 7, 35)
		require.NoError(m.rt, err)
		require.LessOrEqual(m.rt, len(page), 3, "a page has 35 bytes of answers")
		walked = append(walked, page...)
	}
	require.Equal(m.rt, all, walked)

	m.take(id)
	m.steer("cancel", id)
	m.readAttempts(id)
	all, _, err = m.real.Attempts(ctx, id, 0, n, 1<<20)
	require.NoError(m.rt, err)
	require.Len(m.rt, all, store.KeptFirst+store.KeptLast, "an attempt that is canceled counts as any other")
	require.EqualValues(m.rt, 6, all[store.KeptFirst].LeftOut)
}

func slotsInOrder(m *machine) {
	var want []task.ID
	for _, priority := range []int16{9, 5, 0} { // the last in line came first
		n := m.plain(task.HTTP)
		n.Priority = priority
		want = append([]task.ID{m.put(n)}, want...)
	}
	require.Equal(m.rt, want[:2], m.claimFor(m.alive(), 2))
	require.Equal(m.rt, want[2:], m.claimFor(m.alive(), 2))
}

func placeKept(m *machine) {
	first := m.hold(task.HTTP)
	second := m.put(m.plain(task.HTTP))
	m.end(first, task.Interrupt)
	require.Equal(m.rt, []task.ID{first.ID}, m.claimFor(m.alive(), 1), "it was handed back and came before the other")
	require.Equal(m.rt, []task.ID{second}, m.claimFor(m.alive(), 1))
}

// inEachState stores a task in every state that is not final, and keeps the
// node of the running one alive.
func (m *machine) inEachState(keys ...store.Key) map[task.State]task.ID {
	with := func(n store.NewTask, state task.State) store.NewTask {
		for _, k := range keys {
			k.Hash = store.HashOf(k.Hash[:], []byte{byte(state)})
			n.Keys = append(n.Keys, k)
		}
		return n
	}
	ids := map[task.State]task.ID{}
	ids[task.Scheduled] = m.put(with(m.delayed(), task.Scheduled))
	ids[task.Running] = m.take(m.put(with(m.plain(task.HTTP), task.Running))).ID
	suspended := m.take(m.put(with(m.plain(task.Function), task.Suspended)))
	m.wait(suspended)
	ids[task.Suspended] = suspended.ID
	blocked := m.take(m.put(with(m.plain(task.Function), task.Blocked)))
	m.settleAll([]store.Transition{m.decided(blocked, task.Outcome{Class: task.Block})})
	ids[task.Blocked] = blocked.ID
	ids[task.Ready] = m.put(with(m.plain(task.HTTP), task.Ready))
	return ids
}

func retentionSpares(m *machine) {
	m.end(m.hold(task.HTTP), task.Success)
	ids := m.inEachState()
	m.now += 400 * 24 * 3600 * second
	r, err := m.real.Retain(ctx, store.Keep{Retention: task.Retention{Succeeded: time.Second, Failed: time.Second, Canceled: time.Second}}, task.ID{}, everything)
	require.NoError(m.rt, err)
	require.Equal(m.rt, 1, r.Deleted, "only one task has ended")
	for state, id := range ids {
		require.Equal(m.rt, state, m.rowOf(id).State)
	}
}

func retentionByLane(m *machine) {
	long, short := m.plain(task.HTTP), m.plain(task.HTTP)
	short.Lane = m.lanes[1].ID
	for _, n := range []store.NewTask{long, short} {
		m.end(m.take(m.put(n)), task.Success)
	}
	m.now += 20 * second
	left := func(keep store.Keep) (left int) {
		_, err := m.real.Retain(ctx, keep, task.ID{}, everything)
		require.NoError(m.rt, err)
		rows, err := m.real.Rows(ctx, []task.ID{long.ID, short.ID})
		require.NoError(m.rt, err)
		return len(rows)
	}
	keep := store.Keep{Retention: task.Retention{Succeeded: 60 * time.Second}, Lanes: map[int32]task.Retention{short.Lane: {Succeeded: 30 * time.Second}}}
	require.Equal(m.rt, 2, left(keep))
	keep.Lanes[short.Lane] = task.Retention{Succeeded: 10 * time.Second}
	require.Equal(m.rt, 1, left(keep))
	require.Equal(m.rt, long.ID, m.rowOf(long.ID).ID)
	keep.Retention.Succeeded, keep.Lanes = 10*time.Second, map[int32]task.Retention{long.Lane: {Succeeded: 30 * time.Second}}
	require.Equal(m.rt, 1, left(keep))
	require.Zero(m.rt, left(store.Keep{Retention: task.Retention{Succeeded: time.Second}}))
}

func retentionByTask(m *machine) {
	keep := store.Keep{Retention: task.Retention{Succeeded: 60 * time.Second, Failed: 60 * time.Second, Canceled: 60 * time.Second}}
	own := func(r task.Retention, class task.Class) task.ID {
		n := m.plain(task.HTTP)
		n.Retention, n.Spec = true, (&task.Spec{Retention: r}).Encode()
		m.end(m.take(m.put(n)), class)
		return n.ID
	}
	ids := []task.ID{
		own(task.Retention{Succeeded: task.NotKept, Failed: 30 * time.Second}, task.Success),
		own(task.Retention{Succeeded: task.NotKept, Failed: 30 * time.Second}, task.Reject),
		own(task.Retention{Failed: time.Second, Canceled: task.NotKept}, task.Success), // as its lane says
		own(task.Retention{Succeeded: 90 * time.Second}, task.Success),
	}
	began := m.now
	for _, step := range []struct {
		after time.Duration
		left  []task.ID
	}{{task.Grace - time.Second, ids}, {task.Grace + time.Second, ids[1:]}, {31 * time.Second, ids[2:]}, {61 * time.Second, ids[3:]}, {91 * time.Second, nil}} {
		m.now = began + step.after.Microseconds()
		_, err := m.real.Retain(ctx, keep, task.ID{}, everything)
		require.NoError(m.rt, err)
		rows, err := m.real.Rows(ctx, ids)
		require.NoError(m.rt, err)
		var left []task.ID
		for _, row := range rows {
			left = append(left, row.ID)
		}
		require.ElementsMatch(m.rt, step.left, left, "after %s", step.after)
	}
}

func settingsSeen(m *machine) {
	queue := m.lanes[0].QueueID
	m.set(queue, nil, []byte("one"))
	m.sameCatalog()
	require.ErrorIs(m.rt, m.real.SetSettings(ctx, queue, nil, []byte("two")), store.ErrChanged)
	require.ErrorIs(m.rt, m.real.SetSettings(ctx, queue, []byte("three"), nil), store.ErrChanged)
	m.sameCatalog()
	m.set(queue, []byte("one"), nil)
	m.sameCatalog()
}

func purgeSparesWhoIsTold(m *machine) {
	parent := m.hold(task.Function)
	call := m.wait(parent)
	purged, woken, err := m.real.Purge(ctx, []int32{m.lanes[0].ID}, everything)
	require.NoError(m.rt, err)
	require.Equal(m.rt, 1, purged, "the call")
	require.Len(m.rt, woken, 1)
	require.Equal(m.rt, task.Canceled, m.rowOf(call).State)
	require.Equal(m.rt, task.Ready, m.rowOf(parent.ID).State, "it has to be told of the end of its call")
}

func purgeInOrder(m *machine) {
	parent := m.hold(task.Function)
	m.wait(parent)
	_, err := m.real.RunNow(ctx, parent.ID) // it is in line behind its call now, though older
	require.NoError(m.rt, err)
	purged, _, err := m.real.Purge(ctx, []int32{m.lanes[0].ID}, everything)
	require.NoError(m.rt, err)
	require.Equal(m.rt, 2, purged)
	snap, err := m.real.Snapshot(ctx)
	require.NoError(m.rt, err)
	require.EqualValues(m.rt, 1, snap.Waits[0].Total, "the call ended first, so its parent was told")
}
