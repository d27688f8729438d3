package journal

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPollNamesTheSignalsThatItWaitsFor(t *testing.T) {
	var w Writer
	w.Add(&Entry{Kind: Header, Version: Newest})
	var text []byte
	for _, signals := range [][]string{{"paid", "canceled"}, nil, {"paid"}} {
		e := PollEntry(2, signals)
		w.Add(&e)
		text = append(text, w.Take(w.Pending())...)
		entries, _, err := Decode(text)
		require.NoError(t, err)
		require.Equal(t, signals, Awaited(entries), "of the last poll")
		require.EqualValues(t, 2, entries[len(entries)-1].N)
	}
	require.Nil(t, Awaited(nil))
}
