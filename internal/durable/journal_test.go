package durable

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func sampleJournal() []byte {
	w := &writer{keepAll: true}
	w.add(&entry{kind: entryHeader, version: 1, sdk: "x", seed: 7, epoch: 3, at: 1_000_000, name: "f", dispatch: "id", value: Value{"t", []byte("in")}})
	w.add(&entry{kind: entryCommand, op: OpGo, site: "a.go:1"})
	w.add(&entry{kind: entryCommand, op: OpCall, branch: 1, name: "g", site: "a.go:2", digest: 9, count: 3})
	w.add(&entry{kind: entryPoll, n: 3})
	w.take(len(w.pending))
	w.add(&entry{kind: entryDone, ordinal: 2, at: 1_000_000, value: Value{"t", []byte("out")}})
	w.add(&entry{kind: entryDone, ordinal: 1, at: 2_000_000, fail: []byte("bad")})
	w.add(&entry{kind: entrySignal, name: "s", n: 5, at: 900_000})
	w.add(&entry{kind: entryVersion, name: "v", n: 2})
	w.add(&entry{kind: entryExpire, at: 3_000_000})
	w.take(len(w.pending))
	return w.all
}

func TestAJournalIsReadAsItWasWritten(t *testing.T) {
	journal := sampleJournal()
	entries, w, err := decode(journal)
	require.NoError(t, err)
	require.Len(t, entries, 9)
	require.EqualValues(t, len(journal), w.taken)
	require.Equal(t, Value{"t", []byte("in")}, entries[0].value)
	require.EqualValues(t, 1, entries[1].child)
	require.Equal(t, "g", entries[2].name)
	require.EqualValues(t, 1, entries[2].ordinal)
	require.EqualValues(t, 3, entries[2].count)
	require.EqualValues(t, 1_000_000, entries[4].at)
	require.EqualValues(t, 2_000_000, entries[5].at)
	require.EqualValues(t, 900_000, entries[6].at)

	// The writer goes on where the journal ends.
	w.keepAll, w.all = true, journal
	w.add(&entry{kind: entryCommand, op: OpStep, name: "g", site: "a.go:9"})
	w.take(len(w.pending))
	entries, _, err = decode(w.all)
	require.NoError(t, err)
	require.Len(t, entries, 10)
	require.Equal(t, "g", entries[9].name)
}

func TestTheGenerationOfAJournalIsReadAsItWasWritten(t *testing.T) {
	w := &writer{keepAll: true}
	w.add(&entry{kind: entryHeader, version: 2, name: "f", dispatch: "id", generation: 1<<63 + 5})
	w.take(len(w.pending))
	entries, _, err := decode(w.all)
	require.NoError(t, err)
	require.EqualValues(t, uint64(1<<63+5), entries[0].generation)
	entries, _, err = decode(sampleJournal())
	require.NoError(t, err)
	require.Zero(t, entries[0].generation)
}

func TestADamagedJournalIsAnError(t *testing.T) {
	journal := sampleJournal()
	for i := range journal {
		bad := bytes.Clone(journal)
		bad[i] ^= 0x10
		_, _, err := decode(bad)
		require.Error(t, err, "byte %d", i)
		if _, _, err := decode(journal[:i]); err == nil {
			entries, _, _ := decode(journal[:i])
			require.Len(t, entries, 4, "only the end of a segment is an end")
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sampleJournal())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, journal []byte) {
		entries, _, err := decode(journal)
		if err != nil {
			return
		}
		p := newReplay(entries)
		_ = p.missing()
		for i := range entries {
			_ = entries[i].String()
		}
	})
}

func TestStatesArePacked(t *testing.T) {
	journal := bytes.Repeat(sampleJournal(), 100)
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
