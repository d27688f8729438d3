package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func TestWhereANewTaskThatDependsOnOthersStands(t *testing.T) {
	const now = 1000
	for name, tt := range map[string]struct {
		when  task.When
		ends  []task.End
		delay int64
		state task.State
		why   task.Reason
		due   int64
	}{
		"it waits for one":                     {ends: []task.End{task.EndedWell, task.NotEnded}, state: task.Blocked, why: task.Depends},
		"it waits, and is due later besides":   {ends: []task.End{task.NotEnded}, delay: 5, state: task.Blocked, why: task.Depends, due: now + 5},
		"all have ended well":                  {ends: []task.End{task.EndedWell}, state: task.Ready},
		"all have ended well, it is due later": {ends: []task.End{task.EndedWell}, delay: 5, state: task.Scheduled, why: task.Delayed, due: now + 5},
		"one failed":                           {ends: []task.End{task.NotEnded, task.EndedBadly}, delay: 5, state: task.Canceled, why: task.DependencyFailed},
		"one was skipped":                      {ends: []task.End{task.EndedUnrun}, state: task.Canceled, why: task.Skipped},
		"it waits for a failure":               {when: task.AnyFailed, ends: []task.End{task.EndedWell, task.NotEnded}, state: task.Blocked, why: task.Depends},
		"it waited for a failure":              {when: task.AnyFailed, ends: []task.End{task.EndedBadly, task.NotEnded}, state: task.Ready},
		"nothing failed that it would mend":    {when: task.AnyFailed, ends: []task.End{task.EndedWell}, state: task.Canceled, why: task.Skipped},
		"whatever happens, it waits for all":   {when: task.Always, ends: []task.End{task.EndedBadly, task.NotEnded}, state: task.Blocked, why: task.Depends},
		"whatever has happened, it runs":       {when: task.Always, ends: []task.End{task.EndedBadly, task.EndedUnrun}, state: task.Ready},
	} {
		n := store.NeedOf(task.ID{1}, 7, tt.when, tt.ends)
		p := store.Placed(&store.NewTask{ID: task.ID{1}, Lane: 7, Delay: tt.delay}, now).Depending(&n)
		require.Equal(t, tt.state, p.State, name)
		require.Equal(t, tt.why, p.Reason, name)
		require.Equal(t, tt.due, p.Due, name)
		require.NotZero(t, p.Flags&store.FlagNeed, name)
		require.Equal(t, tt.state == task.Blocked, n.Waits, name)
	}
}

func TestATaskThatDependsOnOthersIsInNoList(t *testing.T) {
	require.Equal(t, store.InRelation, store.PlaceOf(task.Blocked, task.Depends))
	require.Equal(t, store.InTimer, store.PlaceOf(task.Blocked, task.Mismatch))
	row := store.Row{State: task.Blocked, Reason: task.Depends, Kind: task.Function}
	require.ErrorIs(t, row.CanRunNow(), store.ErrUnmet)
	require.ErrorIs(t, row.CanRestart(), store.ErrUnmet)
	require.NoError(t, row.CanCancel())
	require.NoError(t, row.CanDelete())
}

func TestANeedCountsEachDependencyOnce(t *testing.T) {
	n := store.NeedOf(task.ID{1}, 7, task.Always, make([]task.End, 3))
	n.Count(task.NotEnded, task.EndedWell)
	n.Count(task.NotEnded, task.EndedBadly)
	require.Equal(t, task.StillWaits, n.Verdict())
	n.Count(task.EndedBadly, task.EndedWell) // it was retried, and has ended again
	require.Equal(t, store.Need{Task: task.ID{1}, Lane: 7, When: task.Always, Waits: true, Total: 3, OK: 2}, n)
	n.Count(task.EndedWell, task.NotEnded) // it runs again
	require.EqualValues(t, 2, n.Open())
	n.Count(task.NotEnded, task.EndedUnrun)
	n.Count(task.NotEnded, task.EndedUnrun)
	require.Equal(t, task.MayRun, n.Verdict())
}

func TestWhatADependencyCountsForThatIsStoredNoMore(t *testing.T) {
	require.Equal(t, task.EndedWell, store.EndedAs(0, 0, task.EndedWell), "it ended well before it was erased")
	require.Equal(t, task.EndedBadly, store.EndedAs(0, 0, task.NotEnded), "it was erased before it ended")
	require.Equal(t, task.NotEnded, store.EndedAs(task.Running, 0, task.EndedBadly), "it runs again")
}

func TestWhatABatchMayDependOn(t *testing.T) {
	a, b, c, old := task.ID{1}, task.ID{2}, task.ID{3}, task.ID{9}
	held := store.Key{Kind: store.UniqueKey, Hash: store.HashOf([]byte("k")), OnConflict: store.Return, WhileOpen: true}
	taken := map[store.KeyName]*store.Taken{held.Name(): {Entry: store.KeyEntryFor(held, old, 1), State: task.Running}}
	batch := func(atomic bool, tasks ...store.NewTask) []store.Verdict {
		r := store.Resolver{Now: 1, Taken: taken, Ups: store.Ups{old: {ID: old}}}
		return r.Batch(tasks, atomic)
	}
	v := batch(false, store.NewTask{ID: a}, store.NewTask{ID: b, Deps: []task.ID{old, a, a}})
	require.Equal(t, []task.ID{a, old}, v[1].Deps, "each once, in the order of ids")

	v = batch(false, store.NewTask{ID: a, Keys: []store.Key{held}}, store.NewTask{ID: b, Deps: []task.ID{a}})
	require.Equal(t, store.Existing, v[0].Inserted.Status)
	require.Equal(t, []task.ID{old}, v[1].Deps, "the task that was there already")

	failed := task.ID{10}
	batch = func(atomic bool, tasks ...store.NewTask) []store.Verdict {
		r := store.Resolver{Now: 1, Taken: map[store.KeyName]*store.Taken{}, Ups: store.Ups{failed: {ID: failed, End: task.EndedBadly}}}
		return r.Batch(tasks, atomic)
	}
	v = batch(false, store.NewTask{ID: a, Keys: []store.Key{held}, Deps: []task.ID{failed}}, store.NewTask{ID: b, Keys: []store.Key{held}})
	require.Equal(t, store.Created, v[1].Inserted.Status, "the key is free: who has it before can never run")
	v = batch(false, store.NewTask{ID: a, Keys: []store.Key{held}, Deps: []task.ID{failed}, When: task.Always}, store.NewTask{ID: b, Keys: []store.Key{held}})
	require.Equal(t, store.Existing, v[1].Inserted.Status, "who has the key runs whatever became of the other")

	for name, v := range map[string][]store.Verdict{
		"of a later task":   batch(false, store.NewTask{ID: c}, store.NewTask{ID: b, Deps: []task.ID{a}}, store.NewTask{ID: a}),
		"of itself":         batch(false, store.NewTask{ID: c}, store.NewTask{ID: a, Deps: []task.ID{a}}),
		"of nobody's":       batch(true, store.NewTask{ID: c}, store.NewTask{ID: b, Deps: []task.ID{a}}),
		"of a refused task": batch(false, store.NewTask{ID: a, Deps: []task.ID{{8}}}, store.NewTask{ID: b, Deps: []task.ID{a}}),
	} {
		require.Equal(t, store.Missing, v[1].Inserted.Status, name)
		require.Equal(t, a, v[1].Inserted.ID, name)
	}
}

func TestATodoOfFollowersKeepsWhereItIs(t *testing.T) {
	for _, kind := range []store.TodoKind{store.Release, store.Revive} {
		want := store.Todo{Kind: kind, Cursor: task.ID{1, 2, 3}, End: task.EndedBadly}
		got := store.Todo{Kind: kind}
		require.NoError(t, got.SetDetail(want.Detail()))
		require.Equal(t, want, got)
	}
}

func TestWhatATodoTellsOfATaskThatLivesAgain(t *testing.T) {
	release := store.Todo{Kind: store.Release, End: task.EndedBadly}
	_, tells := release.Ended(&store.Row{State: task.Running}, true)
	require.False(t, tells, "they wait for its next end")
	end, tells := release.Ended(&store.Row{State: task.Succeeded}, true)
	require.True(t, tells)
	require.Equal(t, task.EndedWell, end, "its next end has come")
	end, tells = release.Ended(&store.Row{}, false)
	require.True(t, tells)
	require.Equal(t, task.EndedBadly, end)

	revive := store.Todo{Kind: store.Revive}
	end, tells = revive.Ended(&store.Row{State: task.Running}, true)
	require.True(t, tells)
	require.Equal(t, task.NotEnded, end)
	_, tells = revive.Ended(&store.Row{}, false)
	require.False(t, tells)
}
