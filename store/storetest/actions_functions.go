package storetest

import (
	"bytes"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// hint tells a settle what to expect, and leaves what else there is to the floor.
func (m *machine) hint(t *rapid.T, c *store.Claimed, tr *store.Transition) {
	tr.Flags, tr.Parent = c.Flags, c.Parent
	if tr.Decision.To.Final() && rapid.IntRange(0, 3).Draw(t, "bare end") == 0 {
		tr.Effects = nil
	}
}

// effects makes the end of a function's run one of those that only functions
// have, and adds what the end of a call has to tell.
func (m *machine) effects(t *rapid.T, c *store.Claimed, tr *store.Transition) {
	e := &store.Effects{}
	tr.Effects = e
	m.undoing(t, e)
	if rapid.IntRange(0, 3).Draw(t, "cancels") == 0 {
		e.Cancel = rapid.SliceOfN(rapid.Uint64Range(1, 9), 0, 2).Draw(t, "calls to cancel")
		e.Abandon = rapid.Bool().Draw(t, "all")
	}
	if len(m.oracle.journals[c.ID]) > 0 || rapid.IntRange(0, 3).Draw(t, "journal") == 0 {
		e.Append = m.segment(t)
	}
	switch rapid.IntRange(0, 7).Draw(t, "function") {
	case 0, 1, 2, 3:
		m.suspend(t, c, tr)
	case 4:
		e.Restart = !tr.Decision.To.Final()
		e.Seen = rapid.Int64Range(0, 2).Draw(t, "seen")
		if e.Restart {
			e.Tell = m.untaken(t)
		}
	case 5:
		tr.Outcome, tr.Decision = task.Continue, task.Decision{To: task.Ready, Reason: task.Continued}
		e.Seen = m.oracle.waits[c.ID].Total - rapid.Int64Range(0, 2).Draw(t, "not seen")
		e.Tell = m.untaken(t)
		e.Restart, e.Next = true, &store.Next{Spec: []byte("next"), Payload: bytes.Repeat([]byte("y"), rapid.SampledFrom([]int{0, 5, 2000}).Draw(t, "next"))}
	case 6:
		tr.Outcome, tr.Error = task.Block, "the code has changed"
		tr.Decision = task.Decision{To: task.Blocked, Reason: task.Mismatch, Delay: 5 * time.Second, Failures: c.Failures}
	}
}

// undoing says of a run whether it left something to undo, and whether it knew that
// it is being canceled.
func (m *machine) undoing(t *rapid.T, e *store.Effects) {
	e.Undo = rapid.SampledFrom([]store.Undo{store.UndoAsBefore, store.UndoSomething, store.UndoSomething, store.UndoNothing}).Draw(t, "undo")
	e.Told = rapid.Bool().Draw(t, "told")
}

// untaken are signals that a run was told and leaves to the next one.
func (m *machine) untaken(t *rapid.T) []store.Message {
	list := make([]store.Message, max(0, rapid.IntRange(-2, 2).Draw(t, "signals left")))
	for i := range list {
		list[i] = store.Message{Kind: store.Signal, Name: "left", Body: []byte{byte(i)}}
	}
	return list
}

func (m *machine) segment(t *rapid.T) *task.Segment {
	return &task.Segment{
		Offset: rapid.SampledFrom([]int64{0, 0, 3}).Draw(t, "offset"),
		Bytes:  []byte(rapid.SampledFrom([]string{"abc", "xyz"}).Draw(t, "segment")),
	}
}

func (m *machine) suspend(t *rapid.T, c *store.Claimed, tr *store.Transition) {
	r, _ := m.oracle.Resume(ctx, c.ID, 0, 1000, 1<<20)
	e := tr.Effects
	e.Open = r.Open
	take := rapid.IntRange(0, len(r.Messages)).Draw(t, "messages used")
	e.Seen = m.oracle.waits[c.ID].Seen
	for _, msg := range r.Messages[:take] {
		e.Seen = msg.Seq
		if msg.Kind == store.Result {
			e.Open--
		}
	}
	if rapid.Bool().Draw(t, "state") {
		e.State = []byte(rapid.SampledFrom([]string{"", "state\x00\xff"}).Draw(t, "bytes"))
	}
	for range rapid.IntRange(0, 3).Draw(t, "calls") {
		e.Calls = append(e.Calls, m.call(t, c))
		e.Open++
	}
	if rapid.IntRange(0, 9).Draw(t, "tell") == 0 {
		e.Tell = []store.Message{{Kind: store.PollError, Error: "no such endpoint"}}
	}
	e.Need = task.Need(rapid.Int32Range(0, 3).Draw(t, "min"), rapid.Int32Range(0, 2).Draw(t, "max"), e.Open)
	e.Prompt = rapid.Bool().Draw(t, "prompt")
	tr.Outcome, tr.Error = task.Suspend, ""
	tr.Decision = task.Decision{To: task.Suspended, Delay: rapid.SampledFrom([]time.Duration{time.Second, time.Hour}).Draw(t, "max wait")}
}

func (m *machine) call(t *rapid.T, c *store.Claimed) store.NewTask {
	call := m.draft(t)
	call.Kind, call.Deliver, call.Parent, call.Root = task.Function, rapid.IntRange(0, 5).Draw(t, "detached") > 0, c.ID, c.Root
	call.Once, call.Callbacks = false, false
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "gates of the call") {
		call.Gates = append(call.Gates, m.gate(t))
	}
	if call.Root.IsZero() {
		call.Root = c.ID
	}
	call.Correlation = rapid.Uint64().Draw(t, "correlation")
	call.Lane, call.ExpiresAt = m.lanes[0].ID, 0
	m.ids = append(m.ids, call.ID)
	return call
}

// family suspends a function with calls and has some of them end, so that its
// resumption is seen often.
func (m *machine) family(t *rapid.T) {
	parents := m.suspended()
	if len(parents) == 0 {
		t.Skip("nothing suspended")
	}
	parent := rapid.SampledFrom(parents).Draw(t, "parent")
	m.claimAs(store.ClaimRequest{ID: m.newID(), Node: m.alive(), Limit: 6, Slots: []store.ClaimSlot{
		{Lane: m.lanes[0].ID, Priority: 0, Limit: 3}, {Lane: m.lanes[0].ID, Priority: 5, Limit: 3},
	}})
	var ts []store.Transition
	m.held = slices.DeleteFunc(m.held, func(c store.Claimed) bool {
		if c.Parent != parent || len(ts) == 3 {
			return false
		}
		tr := store.Transition{ID: c.ID, Token: c.Token, Outcome: task.Success, Decision: task.Decision{To: task.Succeeded}}
		tr.Answer.Body = []byte("result\x00")
		if rapid.IntRange(0, 2).Draw(t, "fails") == 0 {
			tr.Outcome, tr.Decision, tr.Error = task.Reject, task.Decision{To: task.Failed, Reason: task.Rejected}, "no"
		}
		tr.Effects = &store.Effects{}
		m.hint(t, &c, &tr)
		ts = append(ts, tr)
		return true
	})
	m.settleAll(ts)
	m.sent = append(m.sent, ts...)
}

func (m *machine) suspended() []task.ID {
	var out []task.ID
	for _, row := range m.oracle.sortedTasks() {
		if row.State == task.Suspended {
			out = append(out, row.ID)
		}
	}
	return out
}

// alive is a node with a live lease.
func (m *machine) alive() task.ID {
	for _, n := range m.nodes {
		if m.oracle.alive(n) {
			return n
		}
	}
	m.register()
	return m.nodes[len(m.nodes)-1]
}

func (m *machine) checkpoint(t *rapid.T) {
	if len(m.held) == 0 {
		t.Skip("nothing held")
	}
	var cs []store.Checkpoint
	for range rapid.IntRange(1, 3).Draw(t, "checkpoints") {
		c := rapid.SampledFrom(m.held).Draw(t, "task")
		cs = append(cs, store.Checkpoint{ID: c.ID, Token: c.Token, Segment: *m.segment(t)})
	}
	m.appendAll(cs)
}

func (m *machine) appendAll(cs []store.Checkpoint) {
	got, err := m.real.Append(ctx, cs)
	require.NoError(m.rt, err)
	want, _ := m.oracle.Append(ctx, cs)
	for i := range cs {
		m.same("append", errName(got[i]), errName(want[i]))
		m.saw("append:" + errName(got[i]))
	}
}

// sawEffects tells which of the ends that only functions have was written.
func (m *machine) sawEffects(t *store.Transition) {
	e := t.Effects
	switch {
	case e == nil:
	case e.Next != nil:
		m.saw("function:continued")
	case e.Restart:
		m.saw("function:restarted")
	case t.Decision.To == task.Blocked:
		m.saw("function:blocked")
	case t.Decision.To == task.Suspended && e.Seen > 0:
		m.saw("function:delivered")
		fallthrough
	case t.Decision.To == task.Suspended:
		m.saw("function:suspended")
	}
}
