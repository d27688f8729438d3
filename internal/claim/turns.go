package claim

import (
	"cmp"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
)

// Groups of a queue take turns by start-time fair queueing: each line has the time at which
// its next turn starts, in a time of their own, and who starts first is asked first. A task
// moves the next start of its line on by 1, divided by the weight. A line that wakes up
// starts no earlier than those that are waiting: what a group has not used, or has used
// when nobody else was there, is neither saved up nor held against it.
//
// Each loop of a node counts for itself, in memory: every claim is shared out so, and so
// all of them together are. Which tasks wait, and their order in a line, is in the database.

// turns is the time that the lines of one queue, pool and priority share.
type turns struct {
	now float64 // no line that wakes up starts before; never goes back
}

type turnsKey struct {
	queue    int32
	pool     string
	priority int16
}

const (
	// rounds is into how many turns a claim is shared out at least, if it is for so many.
	// Every line that is asked costs some, so that a big claim takes more than one in a turn.
	rounds = 16

	// mostAsked is how many lines of a queue are asked in a claim.
	mostAsked = 64
)

// join has a line take turns with the others of its queue.
func (ls *lines) join(l *line, k turnsKey, weight int32) {
	l.weight = float64(max(weight, 1))
	if l.turns != nil {
		return
	}
	t := ls.turns[k]
	if t == nil {
		t = &turns{}
		ls.turns[k] = t
	}
	l.turns, l.start = t, t.now
}

// goOn moves the next turns of the lines on that have got tasks, and the time of those that
// were asked: to the first turn of those that wait, or to the last one when none does.
func (ls *lines) goOn(slots []store.ClaimSlot, got map[lineKey]int) {
	if len(ls.groups) == 0 {
		return
	}
	for k, n := range got {
		l := ls.byKey[k]
		l.start += float64(n) / l.weight
	}
	first, last := map[*turns]float64{}, map[*turns]float64{}
	for _, s := range slots {
		if l := ls.byKey[lineKey{s.Lane, s.Priority}]; l.turns != nil {
			last[l.turns] = max(last[l.turns], l.start)
		}
	}
	for _, l := range ls.awake {
		if _, asked := last[l.turns]; !asked {
			continue
		}
		if at, some := first[l.turns]; !some || l.start < at {
			first[l.turns] = l.start
		}
	}
	for t, at := range last {
		if start, some := first[t]; some {
			at = start
		}
		t.now = max(t.now, at)
	}
}

// parties are lines of one priority, those together that take turns with each other.
func (ls *lines) parties(same []*line) [][]*line {
	parties := make([][]*line, 0, len(same))
	if len(ls.groups) == 0 {
		for i := range same {
			parties = append(parties, same[i:i+1])
		}
		return parties
	}
	place := map[*turns]int{}
	for _, l := range same {
		at, there := place[l.turns]
		if there && l.turns != nil {
			parties[at] = append(parties[at], l)
			continue
		}
		place[l.turns] = len(parties)
		parties = append(parties, []*line{l})
	}
	return parties
}

// inTurns shares n tasks out to lines that take turns with each other: first are those
// whose turn it is, and more are those to ask when they give less.
func inTurns(party []*line, n int) (first, more []store.ClaimSlot) {
	if len(party) == 1 {
		return []store.ClaimSlot{party[0].slot(n)}, nil
	}
	slices.SortStableFunc(party, func(a, b *line) int { return cmp.Compare(a.start, b.start) })
	party = party[:min(len(party), mostAsked)]
	turn := max(n/rounds, 1)
	starts, gets := make([]float64, len(party)), make([]int, len(party))
	for i, l := range party {
		starts[i] = l.start
	}
	for left := n; left > 0; left -= turn {
		next := 0
		for i, at := range starts {
			if at < starts[next] {
				next = i
			}
		}
		give := min(turn, left)
		gets[next] += give
		starts[next] += float64(give) / party[next].weight
	}
	for i, l := range party {
		if gets[i] > 0 {
			first = append(first, l.slot(gets[i]))
		} else {
			more = append(more, l.slot(turn))
		}
	}
	return first, more
}
