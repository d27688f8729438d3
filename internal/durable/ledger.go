package durable

import (
	"time"

	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/journal"
)

// ledger is the journal of a run, and how far the code has come in it.
type ledger struct {
	log      *journal.Writer
	ordinals uint64 // given to commands
	branches uint64 // made
	given    uint64 // commands up to where the code is, in a replay too
	size     int64  // bytes of the journal up to there

	cut    int       // bytes of the log before the first failure that is not on disk; -1 = there is none
	unsafe bool      // steps have ended that are not on disk
	shown  time.Time // when steps were started, or what there is was put on record
}

// write puts an entry into the journal.
func (l *ledger) write(e *journal.Entry) {
	l.log.Add(e)
	l.size = l.log.Len()
}

// restore sets the ledger to the start of a journal that is repeated.
func (l *ledger) restore(entries []journal.Entry) {
	l.size = entries[0].End
	for i := range entries {
		if e := &entries[i]; e.Kind == journal.Command {
			l.ordinals = e.Ordinal + e.Count
			l.branches = max(l.branches, e.Child)
		}
	}
}

// met notes that the code gave a command which is in the journal.
func (l *ledger) met(e *journal.Entry) {
	l.given += e.Count
	l.size = max(l.size, e.End)
}

// number gives a new command its ordinals, and a branch that it starts its number.
func (l *ledger) number(e *journal.Entry) {
	e.Ordinal = l.ordinals
	l.ordinals += e.Count
	l.given += e.Count
	l.cut = -1 // what failed was followed by something: by an undo, maybe
	if e.Op == journal.OpGo {
		l.branches++
		e.Child = l.branches
	}
}

// failed notes that the entry to come is a failure: an attempt that is made again
// must be able to try anew.
func (l *ledger) failed() {
	if l.cut < 0 {
		l.cut = l.log.Pending()
	}
}

// repeatable is how many pending bytes an attempt that is made again may meet.
func (l *ledger) repeatable() int {
	if l.cut >= 0 {
		return l.cut
	}
	return l.log.Pending()
}

// take takes the first n pending bytes, to be put on record.
func (l *ledger) take(n int) *sendoffv1.Append {
	offset := l.log.Taken()
	return &sendoffv1.Append{Offset: offset, Segment: l.log.Take(n)}
}

// recorded notes that the n bytes taken last are on disk.
func (l *ledger) recorded(n int) {
	l.shown = time.Now()
	if l.log.Pending() == 0 {
		l.safe()
		return
	}
	l.cut -= n
}

// safe notes that all is on disk, or goes there with the answer.
func (l *ledger) safe() { l.unsafe, l.cut = false, -1 }
