package store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task"
)

func TestATodoReachesTheCallsOfItsEpochAndEarlierOnes(t *testing.T) {
	all := Todo{Kind: CancelCalls, Task: task.ID{1}, Epoch: 2}
	some := all
	some.Correlations = []uint64{7, 8}
	for _, tt := range []struct {
		name      string
		call      Row
		all, some bool
	}{
		{"of this epoch", Row{Parent: task.ID{1}, Flags: FlagParent, Epoch: 2, Correlation: 7}, true, true},
		{"of an earlier one", Row{Parent: task.ID{1}, Flags: FlagParent, Correlation: 8}, true, true},
		{"another correlation", Row{Parent: task.ID{1}, Flags: FlagParent, Epoch: 2, Correlation: 9}, true, false},
		{"made since", Row{Parent: task.ID{1}, Flags: FlagParent, Epoch: 3, Correlation: 7}, false, false},
		{"detached", Row{Parent: task.ID{1}, Epoch: 2, Correlation: 7}, false, false},
		{"of somebody else", Row{Parent: task.ID{2}, Flags: FlagParent, Epoch: 2, Correlation: 7}, false, false},
	} {
		require.Equal(t, tt.all, all.Matches(&tt.call), tt.name)
		require.Equal(t, tt.some, some.Matches(&tt.call), tt.name)
	}
}

func TestATodoIsReadAsItWasWritten(t *testing.T) {
	for _, want := range []Todo{
		{Kind: CancelCalls},
		{Kind: CancelCalls, Epoch: 1 << 30, Correlations: []uint64{0, 1<<64 - 1}},
	} {
		got := Todo{Kind: CancelCalls, Correlations: []uint64{5}}
		require.NoError(t, got.SetDetail(want.Detail()))
		require.Equal(t, want, got)
	}
	require.ErrorContains(t, (&Todo{Kind: CancelCalls}).SetDetail([]byte{1}), "want 4 and 8 for each call")
	require.NoError(t, (&Todo{Kind: 99}).SetDetail([]byte{1}), "a newer version knows what it says")
}

func TestATransitionLeavesATodoForCallsOnly(t *testing.T) {
	tr := Transition{ID: task.ID{1}, Token: 3, Decision: task.Decision{To: task.Failed}}
	require.Nil(t, tr.Todo(true, 2, 9), "no effects")
	tr.Effects = &Effects{}
	require.Nil(t, tr.Todo(true, 2, 9), "nothing to cancel")
	tr.Effects = &Effects{Cancel: []uint64{7}}
	want := &Todo{Kind: CancelCalls, Task: task.ID{1}, Token: 3, At: 9, Epoch: 2, Correlations: []uint64{7}}
	require.Equal(t, want, tr.Todo(true, 2, 9))
	tr.Effects.Abandon, want.Correlations = true, nil
	require.Equal(t, want, tr.Todo(true, 2, 9), "all of them")
	require.Nil(t, tr.Todo(false, 0, 9), "one that never waited has made no calls")
	tr.Decision.To = task.Suspended
	require.NotNil(t, tr.Todo(false, 0, 9), "but for those that it makes now")
}
