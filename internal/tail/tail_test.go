package tail

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTheEndIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tail Tail
		var all []byte
		for _, size := range rapid.SliceOfN(rapid.IntRange(0, 2*Most), 0, 8).Draw(t, "sizes") {
			part := bytes.Repeat([]byte{byte(size)}, size)
			n, err := tail.Write(part)
			require.NoError(t, err)
			require.Equal(t, size, n)
			all = append(all, part...)
		}
		kept, before := tail.Last()
		want := all[max(len(all)-Most, 0):]
		require.True(t, bytes.Equal(want, kept))
		require.EqualValues(t, len(all)-len(want), before)
		tail.Reset()
		kept, before = tail.Last()
		require.Empty(t, kept)
		require.Zero(t, before)
	})
}
