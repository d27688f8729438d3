package store_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Nodes of two versions talk to each other while one replaces the other.
func TestTheFormOfAHintStays(t *testing.T) {
	for wire, h := range map[string]store.Hint{
		`{"f":"01000000-0000-0000-0000-000000000000"}`:        {From: task.ID{1}},
		`{"f":"01000000-0000-0000-0000-000000000000","x":1}`:  {From: task.ID{1}, Changed: store.ChangedCatalog},
		`{"f":"01000000-0000-0000-0000-000000000000","x":31}`: {From: task.ID{1}, Changed: store.ChangedCatalog | store.ChangedLimits | store.ChangedKeys | store.ChangedSchedules | store.ChangedPools},
		`{"f":"01000000-0000-0000-0000-000000000000","w":[{"Lane":7,"Priority":5,"Position":77}],"c":[{"ID":"02000000-0000-0000-0000-000000000000","Token":3}]}`: {
			From: task.ID{1}, Woken: []store.Woken{{Lane: 7, Priority: 5, Position: 77}}, Canceled: []store.Held{{ID: task.ID{2}, Token: 3}},
		},
	} {
		got, err := json.Marshal(h)
		require.NoError(t, err)
		require.Equal(t, wire, string(got))
		var back store.Hint
		require.NoError(t, json.Unmarshal([]byte(wire), &back))
		require.Equal(t, h, back)
	}
}

func TestWhatNewerNodesHintAtIsNoFault(t *testing.T) {
	var h store.Hint
	require.NoError(t, json.Unmarshal([]byte(`{"f":"01000000-0000-0000-0000-000000000000","x":9223372036854775809,"new":[1]}`), &h))
	require.True(t, h.Changed.Has(store.ChangedCatalog))
	require.False(t, h.Changed.Has(store.ChangedLimits))
	require.False(t, store.Changed(1<<63).Has(store.ChangedCatalog))
}
