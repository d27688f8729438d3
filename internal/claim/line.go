package claim

import (
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// line is what a loop remembers about one lane and priority.
type line struct {
	lane     int32
	priority int16
	cursor   int64 // inclusive: nothing is believed to wait below it
	waiting  bool  // something may wait at or above the cursor

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
	queues map[int32]int32 // of lanes
	turn   int             // rotates lanes of equal priority
}

func newLines() *lines { return &lines{byKey: map[lineKey]*line{}, queues: map[int32]int32{}} }

func (ls *lines) get(k lineKey) *line {
	l := ls.byKey[k]
	if l == nil {
		l = &line{lane: k.lane, priority: k.priority, probeWidth: 1 << 60}
		ls.byKey[k] = l
		ls.order = append(ls.order, l)
		slices.SortFunc(ls.order, func(a, b *line) int {
			if a.priority != b.priority {
				return int(a.priority) - int(b.priority)
			}
			return int(a.lane) - int(b.lane)
		})
	}
	return l
}

// addLane makes the lines of a lane known.
func (ls *lines) addLane(lane store.Lane) {
	ls.queues[lane.ID] = lane.QueueID
	for p := int16(0); p <= task.MaxPriority; p++ {
		ls.get(lineKey{lane.ID, p})
	}
}

// lower notes that tasks wait from a position on.
func (ls *lines) lower(w store.Woken) {
	l := ls.get(lineKey{w.Lane, w.Priority})
	l.cursor = min(l.cursor, w.Position)
	l.waiting = true
}

// anyWaiting tells whether there is a candidate.
func (ls *lines) anyWaiting() bool {
	return slices.ContainsFunc(ls.order, func(l *line) bool { return l.waiting })
}

// allWaiting makes every line a candidate. Suspects are not: asking for one
// means letting everything else end first, so a look has to find one before.
func (ls *lines) allWaiting() {
	for _, l := range ls.order {
		l.waiting = l.waiting || l.priority != task.SuspectPriority
	}
}

// suspectWaiting tells whether a task that must run alone may wait.
func (ls *lines) suspectWaiting() bool {
	return slices.ContainsFunc(ls.order, func(l *line) bool { return l.waiting && l.priority == task.SuspectPriority })
}

// request asks for up to free tasks. Priorities are strict, but for a twentieth
// that the lowest waiting one gets first; lanes of one priority share alike and
// take turns. last tells, for small requests, that it is the lowest one's turn.
func (ls *lines) request(free int, lowestFirst bool) []store.ClaimSlot {
	var slots []store.ClaimSlot
	var lowest *line
	for start := 0; start < len(ls.order); {
		end := start
		var group []*line
		for ; end < len(ls.order) && ls.order[end].priority == ls.order[start].priority; end++ {
			if ls.order[end].waiting && ls.order[end].priority != task.SuspectPriority {
				group = append(group, ls.order[end])
			}
		}
		start = end
		if len(group) == 0 {
			continue
		}
		ls.turn++
		share := (free + len(group) - 1) / len(group)
		for i := range group {
			l := group[(i+ls.turn)%len(group)]
			slots = append(slots, l.slot(share))
			lowest = l
		}
	}
	share := free / 20
	if lowestFirst {
		share = max(share, 1)
	}
	if share > 0 && lowest != nil && lowest.priority > slots[0].Priority {
		// In place of its own slot, the last one: a line is asked once in a claim.
		slots = slices.Insert(slots[:len(slots)-1], 0, lowest.slot(share))
	}
	return slots
}

// requestSuspect asks for one task that must run alone.
func (ls *lines) requestSuspect() []store.ClaimSlot {
	for _, l := range ls.order {
		if l.waiting && l.priority == task.SuspectPriority {
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
			if l.waiting = false; got[k] > 0 {
				last = append(last, store.Woken{Lane: k.lane, Priority: k.priority, Position: l.cursor})
			}
		}
	}
	return last
}
