package claim

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff/store"
)

// What can lie below a cursor: a task whose insert committed late, one that
// another node had locked and gave back, one whose wake was lost. A wake finds
// nearly all of them at once; the probe finds the rest.

const (
	probeBudget = 2 * time.Millisecond   // one window should not take longer
	probePause  = 100 * time.Millisecond // between windows: 2 % of the time
	probeRest   = 5 * time.Second        // between passes
	recent      = 5                      // looks: how far back each of them looks again
)

// mostLines is how many lines of groups are looked at again in one look. The others have
// their turn in one of the next.
const mostLines = 100

// probeRecent looks again at what the cursors have passed over in the last looks.
func (l *Loop) probeRecent(ctx context.Context) {
	var own, plain []*line // those of groups in which something has been, and all others
	for _, ln := range l.lines.order {
		switch {
		case !l.lines.groups[ln.lane]:
			plain = append(plain, ln)
		case ln.cursor > 0:
			own = append(own, ln)
		}
	}
	if n := len(own); n > mostLines {
		pages := (n + mostLines - 1) / mostLines
		from := l.lines.looks % pages * mostLines
		own = own[from:min(from+mostLines, n)]
	}
	for _, ln := range append(plain, own...) {
		if from := ln.passed(); from < ln.cursor {
			l.probeWindow(ctx, ln, from, ln.cursor)
		}
	}
}

// passed returns where the cursor was some looks ago, not counting those between
// which it stood still, and remembers where it is now. Positions have an order and
// nothing else: they need not be times.
func (ln *line) passed() (from int64) {
	from = ln.cursor
	for _, mark := range ln.marks {
		from = min(from, mark)
	}
	if n := len(ln.marks); ln.cursor > 0 && (n == 0 || ln.marks[n-1] != ln.cursor) {
		ln.marks = append(ln.marks[max(n+1-recent, 0):], ln.cursor)
	}
	return from
}

// probe looks at one window of the positions below one cursor and returns when
// to go on: soon while a pass over all lines lasts, after a rest when it is over.
// A window that takes too long is halved, a quick one doubled.
func (l *Loop) probe(ctx context.Context) time.Duration {
	ln := l.nextToProbe()
	if ln == nil {
		l.probing = 0
		return probeRest
	}
	to := ln.cursor
	if ln.probeWidth < to-ln.probeAt {
		to = ln.probeAt + ln.probeWidth
	}
	started := time.Now()
	l.probeWindow(ctx, ln, ln.probeAt, to)
	switch took := time.Since(started); {
	case took > probeBudget:
		ln.probeWidth = max((to-ln.probeAt)/2, 1000)
	case took < probeBudget/4 && ln.probeWidth < 1<<60:
		ln.probeWidth *= 2
	}
	if ln.probeAt = to; to >= ln.cursor {
		ln.probeAt = 0
		l.probing++
	}
	return probePause
}

// nextToProbe returns the line the pass has come to; nil at the end of the pass.
func (l *Loop) nextToProbe() *line {
	for ; l.probing < len(l.lines.order); l.probing++ {
		if ln := l.lines.order[l.probing]; ln.cursor > 0 {
			return ln
		}
	}
	return nil
}

func (l *Loop) probeWindow(ctx context.Context, ln *line, from, to int64) {
	pos, found, err := l.cfg.Store.Probe(ctx, ln.lane, ln.priority, from, to)
	if err == nil && found {
		l.lines.lower(store.Woken{Lane: ln.lane, Priority: ln.priority, Position: pos})
	}
}
