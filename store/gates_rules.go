package store

import "github.com/sendoff-dev/sendoff/task"

// Room tells whether one more may enter, if it is its turn.
func (g *GateRow) Room() bool { return !g.Paused && (g.Capacity == 0 || g.Inside < g.Capacity) }

// Over tells whether there is nothing left to know of a gate.
func (g *GateRow) Over(now int64) bool {
	return g.Inside == 0 && g.Waiting == 0 && !g.Configured && (g.Every == 0 || g.Next <= now)
}

// GateSettings is what is asked for of a gate, by its configuration or by a task.
type GateSettings struct {
	Capacity   int32
	Every      int64
	Burst      int32
	Paused     bool
	Configured bool
}

// Settings are those of the gate.
func (g *GateRow) Settings() GateSettings {
	return GateSettings{g.Capacity, g.Every, g.Burst, g.Paused, g.Configured}
}

// Slot is when the rate lets the next one start (GCRA).
func (g *GateRow) Slot(now int64) int64 {
	if g.Every == 0 {
		return now
	}
	return max(now, g.Next-int64(max(g.Burst, 1)-1)*g.Every)
}

// spend takes the slot that Slot gave.
func (g *GateRow) spend(slot int64) {
	if g.Every > 0 {
		g.Next = max(g.Next, slot) + g.Every
	}
}

// Late tells whether a start at a slot would come so late that it has to take another
// one: otherwise all the slots of an hour without a node would start at its end.
func Late(gates []Gate, slot, now int64) bool {
	late := false
	for _, g := range gates {
		late = late || g.Every > 0 && now-slot > max(second, int64(g.Burst)*g.Every)
	}
	return late
}

const second = 1_000_000 // in microseconds

// takes takes over what a new task says of a limit that nobody has configured: the
// newest counts.
func (g *GateRow) takes(asked *Gate) (wider bool) {
	if g.Configured {
		return false
	}
	wider = g.Waiting > 0 && g.Capacity != 0 && (asked.Capacity == 0 || asked.Capacity > g.Capacity)
	g.Capacity, g.Every, g.Burst = asked.Capacity, asked.Every, asked.Burst
	return wider
}

// Arrival says how a task comes to its gates.
type Arrival int16

// The values are not stored.
const (
	Newcomer Arrival = iota // it is being stored
	Due                     // it was stored to run later; as a newcomer
	Again                   // a person retries it
	Back                    // it was inside before, and has waited for something else
	Turn                    // it stands first in a line
	Beyond                  // a person lets it in whatever is full
)

// reason is why a task waits at a gate.
func (k GateKind) reason() task.Reason {
	switch k {
	case OrderGate:
		return task.Ordered
	case DuplicateGate:
		return task.Duplicate
	case LimitGate:
	}
	return task.Limited
}

// Inside tells whether a task that has not ended is inside of a gate of its own.
func (r *Row) Inside(kind GateKind) bool {
	if kind.Keeps() {
		return r.Flags&FlagHolds != 0
	}
	return r.State == task.Ready || r.State == task.Running
}

// InGateLine tells whether a task stands in line at a gate.
func (r *Row) InGateLine() bool { return r.State == task.Blocked && gateReason(r.Reason) }

func gateReason(why task.Reason) bool {
	return why == task.Ordered || why == task.Limited || why == task.Duplicate
}

// ArrivalOf is how a task arrives that has waited for something else than a gate.
func (r *Row) ArrivalOf(why task.Reason) Arrival {
	switch {
	case why == task.Retried:
		return Again
	case r.Flags&FlagHolds != 0:
		return Back
	}
	return Due
}
