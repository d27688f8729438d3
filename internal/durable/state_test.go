package durable

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStatesArePacked(t *testing.T) {
	journal := bytes.Repeat([]byte("a journal repeats itself; "), 1000)
	state, err := packState(journal)
	require.NoError(t, err)
	require.Less(t, len(state.GetValue()), len(journal)/5)
	back, err := unpackState(state)
	require.NoError(t, err)
	require.Equal(t, journal, back)
	state.Value = state.Value[:len(state.Value)-1]
	_, err = unpackState(state)
	require.Error(t, err)
}
