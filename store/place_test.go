package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func TestEveryTaskThatHasNotEndedHasAPlace(t *testing.T) {
	for state, want := range map[task.State]store.Place{
		task.Ready: store.InReady, task.Running: store.InClaim, task.Scheduled: store.InTimer, task.Suspended: store.InTimer,
		task.Blocked: store.InTimer, task.Succeeded: store.Nowhere, task.Failed: store.Nowhere, task.Canceled: store.Nowhere,
	} {
		for why := task.NoReason; why <= task.Canceling; why++ {
			require.Equal(t, want, store.PlaceOf(state, why), "%s for %q", state, why)
			require.Equal(t, state.Final(), store.PlaceOf(state, why) == store.Nowhere)
		}
	}
}

func TestWhereANewTaskStandsAtFirst(t *testing.T) {
	const now = 1000
	ready := store.Entry{State: task.Ready, Lane: 7, Priority: 3}
	delayed := store.Entry{State: task.Scheduled, Reason: task.Delayed, Lane: 7, Priority: 3}
	long := make([]byte, store.InlinePayload+1)
	for name, tt := range map[string]struct {
		task store.NewTask
		want store.Placement
	}{
		"due at once":            {store.NewTask{}, store.Placement{Entry: ready}},
		"due in the past":        {store.NewTask{RunAt: now - 1}, store.Placement{Entry: ready}},
		"due now":                {store.NewTask{RunAt: now}, store.Placement{Entry: ready}},
		"due later":              {store.NewTask{RunAt: now + 1}, store.Placement{Entry: delayed, Due: now + 1}},
		"delayed":                {store.NewTask{Delay: 5, RunAt: 1}, store.Placement{Entry: delayed, Due: now + 5}},
		"a local one":            {store.NewTask{Kind: task.Local}, store.Placement{Entry: ready}},
		"a short payload":        {store.NewTask{Payload: long[1:]}, store.Placement{Entry: ready}},
		"a long payload":         {store.NewTask{Payload: long}, store.Placement{Entry: ready, Flags: store.FlagBody}},
		"a call":                 {store.NewTask{Deliver: true, Parent: task.ID{1}}, store.Placement{Entry: ready, Flags: store.FlagParent}},
		"a call for itself":      {store.NewTask{Parent: task.ID{1}}, store.Placement{Entry: ready}},
		"a unique one":           {store.NewTask{Keys: []store.Key{{Kind: store.UniqueKey}}}, store.Placement{Entry: ready, Flags: store.FlagKeys}},
		"one that is sent again": {store.NewTask{Keys: []store.Key{{Kind: store.IdempotencyKey}}}, store.Placement{Entry: ready}},
	} {
		tt.task.Lane, tt.task.Priority = 7, 3
		require.Equal(t, tt.want, store.Placed(&tt.task, now), name)
	}
}

func TestWhoCouldRunWaitsWhereItsKindDoes(t *testing.T) {
	for _, tt := range []struct {
		kind    task.Kind
		crashes int32
		want    int16
	}{
		{task.HTTP, 0, 4}, {task.HTTP, 2, 4}, {task.Function, 2, 4}, {task.Local, 0, 4}, {task.Local, 1, task.SuspectPriority},
	} {
		e := store.Enter(store.Entrant{Lane: 2, Kind: tt.kind, Priority: 4, Crashes: tt.crashes}, task.Retried)
		require.Equal(t, store.Entry{State: task.Ready, Reason: task.Retried, Lane: 2, Priority: tt.want}, e)
		require.Equal(t, store.Woken{Lane: 2, Priority: tt.want, Position: 9}, e.Woken(9))
	}
}

func TestAPayloadIsKeptInOnePlace(t *testing.T) {
	require.Nil(t, store.Inline([]byte{}))
	require.Equal(t, []byte("x"), store.Inline([]byte("x")))
	require.Nil(t, store.Inline(make([]byte, store.InlinePayload+1)))
}
