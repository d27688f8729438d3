package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// RunWaits checks what ends the wait of a function, and what is left for the next
// life of one that goes on as something else. open is as for [Run].
func RunWaits(t *testing.T, open func(clock func() int64) store.Store) {
	for name, check := range map[string]func(*waiting){
		"a failed call ends a prompt wait for all": func(w *waiting) {
			w.suspend(3, true)
			w.end(0, task.Succeeded)
			require.Equal(w.t, task.Suspended, w.state(), "one of three has ended well")
			w.end(1, task.Failed)
			require.Equal(w.t, task.Ready, w.state(), "one has failed")
		},
		"a failed call is one of many for a wait that is not prompt": func(w *waiting) {
			w.suspend(3, false)
			w.end(0, task.Failed)
			w.end(1, task.Failed)
			require.Equal(w.t, task.Suspended, w.state())
			w.end(2, task.Succeeded)
			require.Equal(w.t, task.Ready, w.state())
		},
		"a signal ends a prompt wait for all": func(w *waiting) {
			w.suspend(3, true)
			w.signal("go")
			require.Equal(w.t, task.Ready, w.state())
		},
		"what came while it ran ends a prompt wait at once": func(w *waiting) {
			w.suspend(3, true)
			w.signal("go")
			w.run()
			w.end(1, task.Failed)
			w.suspendAgain(1, 2, true) // the signal is used up, the failure is not
			require.Equal(w.t, task.Ready, w.state())
		},
		"what is used up ends no wait": func(w *waiting) {
			w.suspend(3, true)
			w.end(1, task.Failed)
			w.run()
			w.suspendAgain(1, 2, true)
			require.Equal(w.t, task.Suspended, w.state())
			w.end(0, task.Succeeded)
			require.Equal(w.t, task.Suspended, w.state())
		},
		"signals that were not taken come before those that came later": func(w *waiting) {
			w.suspend(3, true)
			w.signal("first")
			w.signal("second")
			w.run()
			w.signal("third") // it was not told of this one
			w.goOn(2, "second")
			require.Equal(w.t, []string{"second", "third"}, w.told())
			w.run()
			w.goOn(5, "second", "third")
			require.Equal(w.t, []string{"second", "third"}, w.told(), "they are taken along again")
			w.run()
			w.suspendAgain(7, 0, true)
			require.Equal(w.t, task.Suspended, w.state(), "all of them are used up")
			require.Empty(w.t, w.told())
		},
		"signals stay for a life that waits for many": func(w *waiting) {
			w.suspend(3, true)
			w.signal("first")
			w.run()
			w.goOn(1, "first")
			w.run()
			w.suspendAgain(0, 3, true)
			require.Equal(w.t, task.Ready, w.state())
		},
	} {
		t.Run(name, func(t *testing.T) { check(newWaiting(t, open)) })
	}
}

// waiting is a function with three calls, all of them running.
type waiting struct {
	t      *testing.T
	s      store.Store
	lane   int32
	node   task.ID
	serial byte
	parent store.Claimed
	calls  []store.Claimed
}

func newWaiting(t *testing.T, open func(clock func() int64) store.Store) *waiting {
	now := int64(1_800_000_000_000_000)
	w := &waiting{t: t, s: open(func() int64 { now++; return now })}
	lane, err := w.s.EnsureLane(ctx, store.DefaultNamespace, "q", task.AnyPool, 9)
	require.NoError(t, err)
	w.lane, w.node = lane.ID, w.id()
	require.NoError(t, w.s.Register(ctx, store.Node{ID: w.node, Name: "n", Version: 1, Roles: "all", Pools: "any"}, time.Hour.Microseconds()))
	_, _, err = w.s.Insert(ctx, []store.NewTask{w.function()}, false)
	require.NoError(t, err)
	w.parent = w.claim()[0]
	return w
}

func (w *waiting) id() task.ID {
	w.serial++
	return task.ID{1, 0x9b, 1, 2, 3, 4, 0x70, 0, 0x80, 15: w.serial}
}

func (w *waiting) function() store.NewTask {
	return store.NewTask{ID: w.id(), Lane: w.lane, Kind: task.Function, Priority: 5, MaxAttempts: 3, Spec: []byte("spec")}
}

func (w *waiting) claim() []store.Claimed {
	batch, err := w.s.Claim(ctx, store.ClaimRequest{ID: w.id(), Node: w.node, Limit: 9, Slots: []store.ClaimSlot{{Lane: w.lane, Priority: 5, Limit: 9}}})
	require.NoError(w.t, err)
	require.NotEmpty(w.t, batch.Tasks, "there is nothing to run")
	return batch.Tasks
}

func (w *waiting) settle(tr store.Transition) {
	errs, _, err := w.s.Settle(ctx, []store.Transition{tr})
	require.NoError(w.t, err)
	require.NoError(w.t, errs[0])
}

// suspend makes three calls, waits for some of them and lets them run.
func (w *waiting) suspend(need int32, prompt bool) {
	e := &store.Effects{Open: 3, Need: need, Prompt: prompt}
	for i := range 3 {
		call := w.function()
		call.Parent, call.Root, call.Deliver, call.Correlation = w.parent.ID, w.parent.ID, true, uint64(i)
		e.Calls = append(e.Calls, call)
	}
	w.wait(e)
	w.calls = w.claim()
	require.Len(w.t, w.calls, 3)
}

func (w *waiting) suspendAgain(seen int64, open int64, prompt bool) {
	w.wait(&store.Effects{Seen: seen, Open: open, Need: int32(max(open, 1)), Prompt: prompt})
}

func (w *waiting) wait(e *store.Effects) {
	w.settle(store.Transition{
		ID: w.parent.ID, Token: w.parent.Token, Outcome: task.Suspend, Effects: e,
		Decision: task.Decision{To: task.Suspended, Delay: time.Hour},
	})
}

// goOn is a tail call of a run that was told messages up to seen, and leaves some
// signals to the next one.
func (w *waiting) goOn(seen int64, left ...string) {
	e := &store.Effects{Seen: seen, Restart: true, Next: &store.Next{Spec: []byte("next")}}
	for _, name := range left {
		e.Tell = append(e.Tell, store.Message{Kind: store.Signal, Name: name})
	}
	w.settle(store.Transition{
		ID: w.parent.ID, Token: w.parent.Token, Outcome: task.Continue, Effects: e,
		Decision: task.Decision{To: task.Ready, Reason: task.Continued},
	})
}

// run has the function run.
func (w *waiting) run() { w.parent = w.claim()[0] }

func (w *waiting) end(call int, to task.State) {
	c := w.calls[call]
	tr := store.Transition{ID: c.ID, Token: c.Token, Outcome: task.Success, Decision: task.Decision{To: to}, Flags: c.Flags, Parent: w.parent.ID}
	if to == task.Failed {
		tr.Outcome, tr.Decision.Reason = task.Reject, task.Rejected
	}
	w.settle(tr)
}

func (w *waiting) signal(name string) {
	_, err := w.s.Signal(ctx, w.parent.ID, name, nil)
	require.NoError(w.t, err)
}

func (w *waiting) state() task.State {
	rows, err := w.s.Rows(ctx, []task.ID{w.parent.ID})
	require.NoError(w.t, err)
	return rows[0].State
}

// told is what the function will be told, by name.
func (w *waiting) told() (names []string) {
	r, err := w.s.Resume(ctx, w.parent.ID, 0, 100, 1<<20)
	require.NoError(w.t, err)
	for i := range r.Messages {
		names = append(names, r.Messages[i].Name)
	}
	return names
}
