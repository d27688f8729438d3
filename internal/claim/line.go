package claim

import (
	"cmp"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// line is what a loop remembers about one lane and priority.
type line struct {
	lane     int32
	priority int16
	cursor   int64 // inclusive: nothing is believed to wait below it
	waiting  bool  // something may wait at or above the cursor: it is among those awake
	looked   bool  // it was a candidate once

	turns  *turns  // that it takes with others of its queue; nil = with nobody
	weight float64 // of its group there
	start  float64 // of its next turn, in their time

	marks      []int64 // where the cursor was at the last looks
	probeAt    int64   // where the rolling probe goes on, below the cursor
	probeWidth int64
}

type lineKey struct {
	lane     int32
	priority int16
}

// lines are all lines of a loop, by priority and then by lane.
type lines struct {
	byKey  map[lineKey]*line
	order  []*line
	awake  []*line         // those that are waiting, in the same order
	queues map[int32]int32 // of lanes
	groups map[int32]bool  // lanes of groups
	turns  map[turnsKey]*turns
	turn   int // rotates lanes of equal priority
	looks  int // rotates lines that are looked at now and then
}

func newLines() *lines {
	return &lines{byKey: map[lineKey]*line{}, queues: map[int32]int32{}, groups: map[int32]bool{}, turns: map[turnsKey]*turns{}}
}

func byPriority(a, b *line) int {
	return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.lane, b.lane))
}

func (ls *lines) get(k lineKey) *line {
	l := ls.byKey[k]
	if l == nil {
		l = &line{lane: k.lane, priority: k.priority, weight: 1, probeWidth: 1 << 60}
		ls.byKey[k] = l
		at, _ := slices.BinarySearchFunc(ls.order, l, byPriority)
		ls.order = slices.Insert(ls.order, at, l)
	}
	return l
}

// addLane makes the lines of a lane known, and what its group weighs now.
func (ls *lines) addLane(lane store.Lane, weight int32) {
	ls.queues[lane.ID] = lane.QueueID
	if lane.Group != "" {
		ls.groups[lane.ID] = true
	}
	for p := int16(0); p <= task.MaxPriority; p++ {
		ls.join(ls.get(lineKey{lane.ID, p}), turnsKey{lane.QueueID, lane.Pool, p}, weight)
	}
}

// wake makes a line a candidate.
func (ls *lines) wake(l *line) {
	if l.waiting {
		return
	}
	l.waiting, l.looked = true, true
	if l.turns != nil {
		l.start = max(l.start, l.turns.now)
	}
	at, _ := slices.BinarySearchFunc(ls.awake, l, byPriority)
	ls.awake = slices.Insert(ls.awake, at, l)
}

// rest notes that nothing waits in a line.
func (ls *lines) rest(l *line) {
	if !l.waiting {
		return
	}
	l.waiting = false
	at, _ := slices.BinarySearchFunc(ls.awake, l, byPriority)
	ls.awake = slices.Delete(ls.awake, at, at+1)
}

// lower notes that tasks wait from a position on.
func (ls *lines) lower(w store.Woken) {
	l := ls.get(lineKey{w.Lane, w.Priority})
	l.cursor = min(l.cursor, w.Position)
	ls.wake(l)
}

// anyWaiting tells whether there is a candidate.
func (ls *lines) anyWaiting() bool { return len(ls.awake) > 0 }

// nowAndThen is in how many looks a line of a group is looked at once in which nothing
// has been found yet: there may be thousands of them.
const nowAndThen = 10

// allWaiting makes every line a candidate. Suspects are not: asking for one
// means letting everything else end first, so a look has to find one before.
func (ls *lines) allWaiting() {
	ls.looks++
	for i, l := range ls.order {
		if l.priority == task.SuspectPriority || ls.groups[l.lane] && l.looked && l.cursor == 0 && !ls.turnOf(i) {
			continue
		}
		ls.wake(l)
	}
}

// turnOf tells whether this look is for the i-th of things that are looked at now and then.
func (ls *lines) turnOf(i int) bool { return i%nowAndThen == ls.looks%nowAndThen }

// suspectWaiting tells whether a task that must run alone may wait.
func (ls *lines) suspectWaiting() bool {
	n := len(ls.awake)
	return n > 0 && ls.awake[n-1].priority == task.SuspectPriority
}

// request asks for up to free tasks. Priorities are strict, but for a twentieth
// that the lowest waiting one gets first; lanes of one priority share alike and
// take turns, those of the groups of a queue as if they were one. lowestFirst tells, for
// small requests, that it is the lowest one's turn.
func (ls *lines) request(free int, lowestFirst bool) []store.ClaimSlot {
	var slots []store.ClaimSlot
	var lowest *line
	for start := 0; start < len(ls.awake) && ls.awake[start].priority != task.SuspectPriority; {
		end := start + 1
		for end < len(ls.awake) && ls.awake[end].priority == ls.awake[start].priority {
			end++
		}
		parties := ls.parties(ls.awake[start:end])
		start = end
		ls.turn++
		share := (free + len(parties) - 1) / len(parties)
		var others []store.ClaimSlot
		for i := range parties {
			first, more := inTurns(parties[(i+ls.turn)%len(parties)], share)
			slots, others = append(slots, first...), append(others, more...)
			lowest = ls.byKey[lineKey{first[0].Lane, first[0].Priority}]
		}
		slots = append(slots, others...)
	}
	share := free / 20
	if lowestFirst {
		share = max(share, 1)
	}
	if share > 0 && lowest != nil && lowest.priority > slots[0].Priority {
		// In place of its own slot: a line is asked once in a claim.
		slots = slices.DeleteFunc(slots, func(s store.ClaimSlot) bool { return s.Lane == lowest.lane && s.Priority == lowest.priority })
		slots = slices.Insert(slots, 0, lowest.slot(share))
	}
	return slots
}

// requestSuspect asks for one task that must run alone.
func (ls *lines) requestSuspect() []store.ClaimSlot {
	for _, l := range ls.awake {
		if l.priority == task.SuspectPriority {
			return []store.ClaimSlot{l.slot(1)}
		}
	}
	return nil
}

func (l *line) slot(limit int) store.ClaimSlot {
	return store.ClaimSlot{Lane: l.lane, Priority: l.priority, Cursor: l.cursor, Limit: limit}
}

// claimed moves the cursors up after a claim: to the last task taken. A line that
// was asked while there was room, and gave less than it was asked for, is empty
// until somebody wakes it. Returned are the last tasks of lines that are empty now.
func (ls *lines) claimed(slots []store.ClaimSlot, batch *store.ClaimBatch, limit int) (last []store.Woken) {
	got := map[lineKey]int{}
	for i := range batch.Tasks {
		c := &batch.Tasks[i]
		k := lineKey{c.Lane, c.Priority}
		got[k]++
		l := ls.byKey[k]
		l.cursor = max(l.cursor, c.Position)
	}
	for _, s := range slots {
		k := lineKey{s.Lane, s.Priority}
		want := min(s.Limit, limit)
		limit -= got[k]
		if got[k] < want && batch.Expired == 0 {
			l := ls.byKey[k]
			if ls.rest(l); got[k] > 0 {
				last = append(last, store.Woken{Lane: k.lane, Priority: k.priority, Position: l.cursor})
			}
		}
	}
	ls.goOn(slots, got)
	return last
}
