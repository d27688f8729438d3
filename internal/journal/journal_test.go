package journal

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func sampleJournal() []byte {
	w := &Writer{keepAll: true}
	w.Add(&Entry{Kind: Header, Version: 1, SDK: "x", Seed: 7, Epoch: 3, At: 1_000_000, Name: "f", Dispatch: "id", Value: Value{"t", []byte("in")}})
	w.Add(&Entry{Kind: Command, Op: OpGo, Site: "a.go:1"})
	w.Add(&Entry{Kind: Command, Op: OpCall, Branch: 1, Name: "g", Site: "a.go:2", Digest: 9, Count: 3})
	w.Add(&Entry{Kind: Poll, N: 3})
	w.Take(len(w.pending))
	w.Add(&Entry{Kind: Done, Ordinal: 2, At: 1_000_000, Value: Value{"t", []byte("out")}})
	w.Add(&Entry{Kind: Done, Ordinal: 1, At: 2_000_000, Fail: []byte("bad")})
	w.Add(&Entry{Kind: Signal, Name: "s", N: 5, At: 900_000})
	w.Add(&Entry{Kind: Version, Name: "v", N: 2})
	w.Add(&Entry{Kind: Expire, At: 3_000_000})
	w.Take(len(w.pending))
	return w.all
}

func TestAJournalIsReadAsItWasWritten(t *testing.T) {
	journal := sampleJournal()
	entries, w, err := Decode(journal)
	require.NoError(t, err)
	require.Len(t, entries, 9)
	require.EqualValues(t, len(journal), w.taken)
	require.Equal(t, Value{"t", []byte("in")}, entries[0].Value)
	require.EqualValues(t, 1, entries[1].Child)
	require.Equal(t, "g", entries[2].Name)
	require.EqualValues(t, 1, entries[2].Ordinal)
	require.EqualValues(t, 3, entries[2].Count)
	require.EqualValues(t, 1_000_000, entries[4].At)
	require.EqualValues(t, 2_000_000, entries[5].At)
	require.EqualValues(t, 900_000, entries[6].At)

	// The writer goes on where the journal ends.
	w.keepAll, w.all = true, journal
	w.Add(&Entry{Kind: Command, Op: OpStep, Name: "g", Site: "a.go:9"})
	w.Take(len(w.pending))
	entries, _, err = Decode(w.all)
	require.NoError(t, err)
	require.Len(t, entries, 10)
	require.Equal(t, "g", entries[9].Name)
}

func TestTheGenerationOfAJournalIsReadAsItWasWritten(t *testing.T) {
	w := &Writer{keepAll: true}
	w.Add(&Entry{Kind: Header, Version: 2, Name: "f", Dispatch: "id", Generation: 1<<63 + 5})
	w.Take(len(w.pending))
	entries, _, err := Decode(w.all)
	require.NoError(t, err)
	require.EqualValues(t, uint64(1<<63+5), entries[0].Generation)
	entries, _, err = Decode(sampleJournal())
	require.NoError(t, err)
	require.Zero(t, entries[0].Generation)
}

func TestADamagedJournalIsAnError(t *testing.T) {
	journal := sampleJournal()
	for i := range journal {
		bad := bytes.Clone(journal)
		bad[i] ^= 0x10
		_, _, err := Decode(bad)
		require.Error(t, err, "byte %d", i)
		if _, _, err := Decode(journal[:i]); err == nil {
			entries, _, _ := Decode(journal[:i])
			require.Len(t, entries, 4, "only the end of a segment is an end")
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sampleJournal())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, journal []byte) {
		entries, _, err := Decode(journal)
		if err != nil {
			return
		}
		for i := range entries {
			_ = entries[i].String()
		}
	})
}
