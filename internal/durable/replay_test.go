package durable

import (
	"testing"

	"github.com/sendoff-dev/sendoff/internal/journal"
)

func FuzzReplay(f *testing.F) {
	w := &journal.Writer{}
	w.KeepAll(nil)
	w.Add(&journal.Entry{Kind: journal.Header, Version: 1, Name: "f"})
	w.Add(&journal.Entry{Kind: journal.Command, Op: journal.OpGo})
	w.Add(&journal.Entry{Kind: journal.Command, Op: journal.OpStep, Branch: 1, Name: "g"})
	w.Add(&journal.Entry{Kind: journal.Done, Ordinal: 1})
	w.Take(w.Pending())
	f.Add(w.All())
	f.Fuzz(func(_ *testing.T, text []byte) {
		entries, _, err := journal.Decode(text)
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
