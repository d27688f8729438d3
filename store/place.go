package store

import "github.com/sendoff-dev/sendoff/task"

// Place is where a task that has not ended is listed beside its row, by what it
// waits for.
type Place int16

// The values are not stored.
const (
	Nowhere    Place = iota // it has ended
	InReady                 // in ready: for a claim
	InTimer                 // in timer: for a time, whatever else may end its wait
	InClaim                 // in an open claim: a node runs it
	InRelation              // for others alone, which find it when they end
)

// PlaceOf says where a task is listed that is in a state for a reason. What is
// blocked tells by its reason whether there is a time at which it is looked at again.
func PlaceOf(s task.State, why task.Reason) Place {
	switch s {
	case task.Ready:
		return InReady
	case task.Running:
		if why == task.Acknowledging {
			return InTimer
		}
		return InClaim
	case task.Blocked:
		if why == task.Depends || gateReason(why) {
			return InRelation
		}
		return InTimer
	case task.Scheduled, task.Suspended:
		return InTimer
	}
	return Nowhere
}

// Place is where the task is listed.
func (r *Row) Place() Place { return PlaceOf(r.State, r.Reason) }

// Entrant is a task that could run now, by what decides whether and how it may.
type Entrant struct {
	Lane     int32
	Kind     task.Kind
	Priority int16
	Crashes  int32
	Flags    int32
}

// Entrant is the task as one that could run now.
func (r *Row) Entrant() Entrant { return Entrant{r.Lane, r.Kind, r.Priority, r.Crashes, r.Flags} }

// Entry is how a task comes to wait for a claim.
type Entry struct {
	State    task.State
	Reason   task.Reason
	Lane     int32
	Priority int16 // under which it waits in ready
}

// Enter decides what becomes of a task that could run now, for every way there is to
// that: a new task, a call, one that is due, woken, retried, handed back, restarted or
// run by hand.
func Enter(t Entrant, why task.Reason) Entry {
	return Entry{State: task.Ready, Reason: why, Lane: t.Lane, Priority: task.ReadyPriority(t.Kind, t.Priority, t.Crashes)}
}

// Place is where a task is listed that entered so.
func (e Entry) Place() Place { return PlaceOf(e.State, e.Reason) }

// Woken says that a task that entered so is ready at a position.
func (e Entry) Woken(position int64) Woken { return Woken{e.Lane, e.Priority, position} }

// Placement is how a new task is stored.
type Placement struct {
	Entry
	Due   int64 // of a scheduled one, or its number in line; a ready one gets a position from the floor
	Flags int32
}

// Placed says how a new task is stored: where it stands at first, and what there is
// to know of it.
func Placed(t *NewTask, now int64) Placement {
	p := Placement{Flags: PayloadFlag(t.Payload)}
	if t.Deliver {
		p.Flags |= FlagParent
	}
	if EncodeKeyNames(t.Keys) != nil {
		p.Flags |= FlagKeys
	}
	if t.Kind == task.Function {
		p.Flags |= FlagWaits
	}
	if len(t.Gates) > 0 {
		p.Flags |= FlagGate
	}
	if t.Once {
		p.Flags |= FlagOnce
	}
	if t.Retention {
		p.Flags |= FlagRetention
	}
	if t.Callbacks {
		p.Flags |= FlagCallbacks | FlagDeps
	}
	if due := t.Due(now); due > now {
		p.Entry, p.Due = Entry{State: task.Scheduled, Reason: task.Delayed, Lane: t.Lane, Priority: t.Priority}, due
		return p
	}
	p.Entry = Enter(Entrant{t.Lane, t.Kind, t.Priority, 0, p.Flags}, task.NoReason)
	return p
}

// PayloadFlag is FlagBody for a payload that is kept beside the row, 0 for others.
func PayloadFlag(payload []byte) int32 {
	if len(payload) > InlinePayload {
		return FlagBody
	}
	return 0
}

// Inline is the payload as the row keeps it: nil when it is beside it, or empty.
func Inline(payload []byte) []byte {
	if len(payload) == 0 || PayloadFlag(payload) != 0 {
		return nil
	}
	return payload
}
