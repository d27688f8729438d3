package journal

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStepsAreReadOutOfAJournal(t *testing.T) {
	w := &Writer{}
	w.KeepAll(nil)
	for _, e := range []Entry{
		{Kind: Header, Version: Newest, Name: "f", At: 1000, Generation: 38},
		{Kind: Command, Op: OpCall, Name: "g", Count: 3},
		{Kind: Command, Op: OpStep, Name: "one", Site: "a.go:1"}, // #3
		{Kind: Done, Ordinal: 1, At: 2000},
		{Kind: Command, Op: OpGo},
		{Kind: Command, Op: OpStep, Branch: 1, Name: "in a branch"}, // #5
		{Kind: Done, Ordinal: 5, At: 3000, Fail: []byte("bad"), N: 4},
		{Kind: Done, Ordinal: 3, At: 2500, Value: Value{"t", []byte("v")}}, // the clock of another machine
		{Kind: Command, Op: OpStep, Name: "given up"},
		{Kind: Poll},
		{Kind: Command, Op: OpStep, Name: "open"},
	} {
		w.Add(&e)
	}
	w.Take(w.Pending())
	entries, _, err := Decode(w.All())
	require.NoError(t, err)
	require.Equal(t, []StepRecord{
		{Ordinal: 3, Place: "g12/2", Name: "one", Site: "a.go:1", State: StepSucceeded, Begun: 1000, Ended: 2500, Attempts: 1, Value: Value{"t", []byte("v")}},
		{Ordinal: 5, Place: "g12/3/1", Name: "in a branch", State: StepFailed, Begun: 2000, Ended: 3000, Attempts: 4, Fail: []byte("bad")},
		{Ordinal: 6, Place: "g12/4", Name: "given up", State: StepGivenUp, Begun: 3000},
		{Ordinal: 7, Place: "g12/5", Name: "open", State: StepOpen, Begun: 3000},
	}, Steps(entries))
}

func FuzzSteps(f *testing.F) {
	f.Add(sampleJournal())
	f.Fuzz(func(_ *testing.T, text []byte) {
		if entries, _, err := Decode(text); err == nil {
			_ = Steps(entries)
		}
	})
}
