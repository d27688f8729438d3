package function

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task"
)

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory(3)
	for i := range 10 {
		m.answered(task.ID{byte(i)}, "e", 1)
	}
	require.Len(t, m.byTask, 3)
	require.False(t, m.holds(task.ID{6}, "e", 1))
	require.True(t, m.holds(task.ID{7}, "e", 1))
	require.False(t, m.holds(task.ID{7}, "f", 1))
	require.False(t, m.holds(task.ID{7}, "e", 2))
	m.broke(task.ID{7})
	require.Equal(t, 1, m.breaks(task.ID{7}))
	m.forget(task.ID{7})
	m.forget(task.ID{7})
	require.False(t, m.holds(task.ID{7}, "e", 1))
	require.Equal(t, 2, m.recent.Len())
}

func FuzzState(f *testing.F) {
	s := state{variant: typedState, typeURL: "a/b", bytes: []byte("x"), most: 3, seen: 9, ours: true}
	f.Add(s.encode())
	f.Add([]byte("\x01\x08\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err != nil || b == nil {
			return
		}
		again, err := decodeState(s.encode())
		require.NoError(t, err)
		require.Equal(t, s.size(), again.size())
	})
}
