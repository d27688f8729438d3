package operate

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/journal"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// alive adds a node that serves pools.
func (r *rig) alive(t *testing.T, name string, pools string) task.ID {
	r.n++
	id := task.ID{0xee, r.n}
	require.NoError(t, r.Register(t.Context(), store.Node{ID: id, Name: name, Roles: "execute,schedule", Pools: pools}, 1e15))
	return id
}

func (r *rig) waiting(t *testing.T, id string) *Waiting {
	t.Helper()
	got, err := r.tasks.Get(t.Context(), id)
	require.NoError(t, err)
	w, err := NewWaits(WaitsConfig{Store: r.Shared, Lanes: r.queues.cfg.Catalog.(Lanes), Functions: r.functions, Settings: r.settings, Scheduler: "schedule", PausedHost: func(string) int64 { return 0 }, PausedSince: r.queues.cfg.Catalog.PausedSince}).For(t.Context(), &got)
	require.NoError(t, err)
	return w
}

// settings are those of the queue "narrow".
func (r *rig) settings(_ int32, queue string) (s task.QueueSettings) {
	if queue == "narrow" {
		s.Concurrency = 2
	}
	return s
}

func TestATaskWaitsForRoomInItsQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.alive(t, "a", "any")
		var ids []string
		for n := range 3 {
			ids = append(ids, r.insert(t, "narrow", task.Spec{ClientID: fmt.Sprint("t", n)}))
		}
		require.Equal(t, task.WaitLine, r.waiting(t, ids[2]).Cause)
		r.claim(t, ids[0])
		ids = append(ids, r.insert(t, "narrow", task.Spec{}))
		w := r.waiting(t, ids[3])
		require.Equal(t, task.WaitQueueLimit, w.Cause)
		require.Equal(t, `the queue "narrow" runs as many tasks as its setting allows: 2`, w.Text)
		require.Equal(t, &LimitUse{Key: "narrow", Used: 2, Allowed: 2}, w.Limit)
	})
}

// later settles an attempt so that the task waits for a time.
func (r *rig) later(t *testing.T, c store.Claimed, d task.Decision, message string) {
	d.Failures = c.Failures + 1
	errs, _, err := r.Settle(t.Context(), []store.Transition{{ID: c.ID, Token: c.Token, Outcome: task.Failure, Error: message, Decision: d}})
	require.NoError(t, err)
	require.NoError(t, errs[0])
}

func TestAScheduledTaskWaitsForItsTime(t *testing.T) {
	for name, tt := range map[string]struct {
		decision task.Decision
		message  string
		cause    task.WaitCause
		text     string
	}{
		"a retry":                {task.Decision{To: task.Scheduled, Reason: task.Backoff, Delay: time.Minute}, "answered 503", task.WaitDue, "due at 2026-07-01T00:01:00.000Z: attempt 1 failed: answered 503"},
		"asked to come later":    {task.Decision{To: task.Scheduled, Reason: task.Throttled, Delay: time.Minute}, "", task.WaitDue, "due at 2026-07-01T00:01:00.000Z: the target asked to come back later"},
		"a snooze":               {task.Decision{To: task.Scheduled, Reason: task.Snoozed, Delay: time.Minute}, "", task.WaitDue, "due at 2026-07-01T00:01:00.000Z: its handler asked to run later"},
		"a target that is busy":  {task.Decision{To: task.Scheduled, Reason: task.PutOff, Delay: time.Minute}, "20 runs at a time", task.WaitEndpoint, "tried again at 2026-07-01T00:01:00.000Z: its target has as many runs as it can take, or nobody is there: 20 runs at a time"},
		"one that lets none in":  {task.Decision{To: task.Scheduled, Reason: task.Refused, Delay: time.Minute}, "401", task.WaitEndpoint, "tried again at 2026-07-01T00:01:00.000Z: its endpoint does not let us in: 401"},
		"code that does not fit": {task.Decision{To: task.Blocked, Reason: task.Mismatch, Delay: time.Minute}, "step 2 is gone", task.WaitMismatch, "the code does not fit what the function has recorded; it is asked again at 2026-07-01T00:01:00.000Z: step 2 is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.alive(t, "a", "function")
				id := r.insert(t, "q", function("f"))
				r.later(t, r.claim(t, id), tt.decision, tt.message)
				w := r.waiting(t, id)
				require.Equal(t, tt.cause, w.Cause)
				require.Equal(t, tt.text, w.Text)
				require.Equal(t, time.Now().Add(time.Minute).UnixMicro(), w.Until)
				require.NotEmpty(t, w.Help)
			})
		})
	}
}

func TestADelayedTaskWaitsForItsTimeAndThenForWhoLooksAtTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.insert(t, "q", task.Spec{}, func(n *store.NewTask) { n.Delay = 60 * second })
		w := r.waiting(t, id)
		require.Equal(t, task.WaitDue, w.Cause)
		require.Equal(t, "due at 2026-07-01T00:01:00.000Z: it was submitted with a delay or a time", w.Text)
		time.Sleep(2 * time.Minute)
		w = r.waiting(t, id)
		require.Equal(t, task.WaitNoNode, w.Cause)
		require.Equal(t, `it was due at 2026-07-01T00:01:00.000Z, and no node that is alive has the role "schedule"`, w.Text)
		r.alive(t, "a", "any")
		require.Equal(t, task.WaitDue, r.waiting(t, id).Cause, "somebody will come to it")
	})
}

func TestAReadyTaskWaitsForItsQueueANodeAndItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		urgent := func(n *store.NewTask) { n.Priority = 0 }
		var ids []string
		for range 3 {
			ids = append(ids, r.insert(t, "q", task.Spec{}))
		}
		require.Equal(t, &Waiting{
			Cause: task.WaitNoNode, Text: "no node that is alive carries out tasks", Since: time.Now().UnixMicro(),
			Nodes: []string{""}, Help: []WaitOperation{HelpNodes},
		}, r.waiting(t, ids[0]), "the only one serves no pool")

		draining := r.alive(t, "leaves", "any\nfunction")
		_, err := r.Heartbeat(t.Context(), draining, 1e15, true)
		require.NoError(t, err)
		require.Equal(t, task.WaitNoNode, r.waiting(t, ids[0]).Cause, "who stops takes nothing on")
		r.alive(t, "stays", "any\nlocal:other")
		handled, err := r.EnsureLane(t.Context(), store.DefaultNamespace, "q", task.LocalPool("mail"), 100)
		require.NoError(t, err)
		require.NoError(t, r.queues.cfg.Catalog.Refresh(t.Context()))
		local := r.insert(t, "q", task.Spec{Kind: task.Local, Handler: "mail"}, func(n *store.NewTask) { n.Lane = handled.ID })
		w := r.waiting(t, local)
		require.Equal(t, task.WaitNoNode, w.Cause)
		require.Equal(t, `no node that is alive has the handler "mail"`, w.Text)
		require.ElementsMatch(t, []string{"", "leaves", "stays"}, w.Nodes)
		w = r.waiting(t, r.insert(t, "q", function("f")))
		require.Equal(t, "no node that is alive runs functions, but for such as are draining", w.Text)

		r.insert(t, "other", task.Spec{})
		require.Equal(t, &Ahead{0, true}, r.waiting(t, ids[0]).Ahead)
		require.Equal(t, `it is the next of the queue "q", as soon as a node has a free slot`, r.waiting(t, ids[0]).Text)
		require.Equal(t, &Ahead{2, true}, r.waiting(t, ids[2]).Ahead)
		r.insert(t, "q", task.Spec{}, urgent)
		w = r.waiting(t, ids[2])
		require.Equal(t, task.WaitLine, w.Cause)
		require.Equal(t, &Ahead{3, true}, w.Ahead, "more urgent ones are ahead as well")
		require.Equal(t, `3 tasks of the queue "q" are ahead of it`, w.Text)

		_, err = r.queues.SetPaused(t.Context(), "q", true)
		require.NoError(t, err)
		w = r.waiting(t, ids[2])
		require.Equal(t, task.WaitPaused, w.Cause)
		require.Equal(t, `the queue "q" is paused`, w.Text)
		require.Equal(t, []WaitOperation{HelpResume}, w.Help)
		_, err = r.queues.SetPaused(t.Context(), "q", false)
		require.NoError(t, err)

		c := r.claim(t, ids[0])
		require.Nil(t, r.waiting(t, ids[0]), "it runs")
		r.settle(t, &c, task.Success, task.Succeeded, "")
		require.Nil(t, r.waiting(t, ids[0]), "it has ended")
	})
}

func TestALineIsCountedUpToABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.alive(t, "a", "any")
		lane, err := r.EnsureLane(t.Context(), store.DefaultNamespace, "q", task.AnyPool, 100)
		require.NoError(t, err)
		many := make([]store.NewTask, maxAhead)
		for i := range many {
			many[i] = store.NewTask{ID: task.ID{1, byte(i), byte(i >> 8)}, Lane: lane.ID, Kind: task.HTTP, MaxAttempts: 1, Spec: (&task.Spec{Kind: task.HTTP}).Encode()}
		}
		_, _, err = r.Insert(t.Context(), many, false)
		require.NoError(t, err)
		w := r.waiting(t, r.insert(t, "q", task.Spec{}))
		require.Equal(t, &Ahead{maxAhead, false}, w.Ahead)
		require.Equal(t, `10000 tasks or more of the queue "q" are ahead of it`, w.Text)
	})
}

// suspend has a function wait; open calls were made before.
func (r *rig) suspend(t *testing.T, c store.Claimed, open int64, wait time.Duration, signals ...string) {
	var w journal.Writer
	w.Add(&journal.Entry{Kind: journal.Header, Version: journal.Newest})
	poll := journal.PollEntry(0, signals)
	w.Add(&poll)
	errs, _, err := r.Settle(t.Context(), []store.Transition{{
		ID: c.ID, Token: c.Token, Outcome: task.Suspend, Decision: task.Decision{To: task.Suspended, Delay: wait},
		Effects: &store.Effects{Open: open, Need: 1, Append: &task.Segment{Bytes: w.Take(w.Pending())}},
	}})
	require.NoError(t, err)
	require.NoError(t, errs[0])
}

func TestASuspendedFunctionWaitsForCallsSignalsAndTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.alive(t, "a", "function")
		expires := func(n *store.NewTask) { n.ExpiresAt = time.Now().Add(time.Hour).UnixMicro() }
		for name, tt := range map[string]struct {
			wait    time.Duration
			signals []string
			cause   task.WaitCause
			text    string
		}{
			"signals":              {time.Hour, []string{"canceled", "paid"}, task.WaitSignal, `a signal "canceled" or "paid", until 2026-07-01T01:00:00.000Z`},
			"a signal for a while": {time.Minute, []string{"paid"}, task.WaitSignal, `a signal "paid", until 2026-07-01T00:01:00.000Z`},
			"its expiry alone":     {time.Hour, nil, task.WaitSignal, `a signal, until 2026-07-01T01:00:00.000Z`},
			"a timer":              {time.Minute, nil, task.WaitTimer, `its timer, which goes off at 2026-07-01T00:01:00.000Z at the latest`},
		} {
			id := r.insert(t, "q", function("f"), expires)
			r.suspend(t, r.claim(t, id), 0, tt.wait, tt.signals...)
			w := r.waiting(t, id)
			require.Equal(t, tt.cause, w.Cause, name)
			require.Equal(t, tt.text, w.Text, name)
			require.Equal(t, tt.signals, w.Signals, name)
			require.Equal(t, time.Now().Add(tt.wait).UnixMicro(), w.Until, name)
		}

		f := map[string]string{"top": r.insert(t, "q", function("top"))}
		top := r.claim(t, f["top"])
		var want []WaitedFor
		for i := range maxWaitedFor + 5 {
			spec := function("call")
			spec.ClientID = "call-" + strconv.Itoa(i)
			call := r.insert(t, "q", spec, below(t, f["top"], true))
			if i == 0 {
				c := r.claim(t, call)
				r.settle(t, &c, task.Success, task.Succeeded, "")
				continue
			}
			if len(want) < maxWaitedFor {
				want = append(want, WaitedFor{ID: spec.ClientID, State: task.Ready})
			}
		}
		r.insert(t, "q", function("detached"), below(t, f["top"], false))
		r.suspend(t, top, maxWaitedFor+5, time.Minute)
		w := r.waiting(t, f["top"])
		require.Equal(t, task.WaitCalls, w.Cause)
		require.Equal(t, fmt.Sprintf("%d of %d calls that it waits for have not ended", maxWaitedFor+4, maxWaitedFor+5), w.Text)
		require.Equal(t, want, w.Tasks, "the oldest first, by the ids that were chosen for them")
	})
}
