package auditor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// History is all that is known about a run from outside the system.
type History struct {
	// Acknowledged has, by the producer's key, the id that a submission was
	// acknowledged with.
	Acknowledged map[string]string
	// Batches are the submissions of several tasks at once, all or none: of each,
	// the producer's keys of its tasks, whether it was acknowledged or not.
	Batches [][]string
	// Names has the producer's key of every task that exists, by id. It is needed
	// for Batches.
	Names map[string]string
	// Again has, by the producer's key, the id that a submission was acknowledged
	// with when it was sent again.
	Again map[string]string
	// Unique has, by the producer's key, the unique key that the submission asked
	// for: of the tasks with one, no two are open at a time.
	Unique map[string]string
	// Log is the auditor's.
	Log []Event
	// Faults are what the test did to the system.
	Faults []Fault
	// Final has the state of every task after the drain, by id.
	Final map[string]string
	// Slack is how long an answered delivery may stay unsettled: a fault
	// within it explains that the task is delivered again. Default 5 s.
	Slack time.Duration
}

// Fault is the end of a process: by a kill, a power cut or a drain; or a time for
// which it was stopped.
type Fault struct {
	At    time.Time
	Until time.Time // of a process that was stopped: when it went on. Zero: it ended
	PID   int       // the process; 0 when it is not known
}

// last is the time until which the process could send what it had begun before.
func (f Fault) last() time.Time {
	if f.Until.IsZero() {
		return f.At
	}
	return f.Until
}

// Report is the verdict. Each entry is a sentence that names the task.
type Report struct {
	Acknowledged, Delivered, Duplicates int

	Lost        []string // acknowledged, and then not delivered or not succeeded
	Unexpected  []string // delivered or listed, but never acknowledged
	Failed      []string // ended in another state than succeeded
	Unexplained []string // delivered again after a success, without a fault
	Fence       []string // a token that is not greater than the one before it
	Torn        []string // a batch that exists in part
	Keys        []string // an answer, or a delivery, that a key forbids
}

// Check judges a history. The log must be complete: no delivery under way.
func Check(h History) Report {
	h.Slack = cmp.Or(h.Slack, 5*time.Second)
	h.Acknowledged = h.withOffered()
	byTask := Deliveries(h.Log)
	r := Report{Acknowledged: len(h.Acknowledged), Delivered: len(byTask)}
	r.submissions(h, byTask)
	r.invented(h, byTask)
	r.torn(h)
	r.keys(h)
	r.unique(h, byTask)
	for _, id := range slices.Sorted(maps.Keys(byTask)) {
		r.repeats(h, byTask[id])
	}
	return r
}

// OK tells whether there is nothing to blame.
func (r Report) OK() bool { return len(slices.Concat(r.lists()...)) == 0 }

func (r Report) lists() [][]string {
	return [][]string{r.Lost, r.Unexpected, r.Failed, r.Unexplained, r.Fence, r.Torn, r.Keys}
}

func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "acknowledged %d, delivered %d, duplicates %d (all explained: %v), lost %d, unexpected %d, failed %d, fence broken %d, batches torn %d, keys broken %d",
		r.Acknowledged, r.Delivered, r.Duplicates, len(r.Unexplained) == 0,
		len(r.Lost), len(r.Unexpected), len(r.Failed), len(r.Fence), len(r.Torn), len(r.Keys))
	for _, list := range r.lists() {
		for _, s := range list[:min(len(list), 10)] {
			b.WriteString("\n  " + s)
		}
	}
	return b.String()
}

// A Delivery is one call of the auditor.
type Delivery struct {
	Event              // as it arrived
	Answered time.Time // zero: it was not
	Status   int
	Gone     bool
}

// Deliveries groups a log by task, in the order of arrival.
func Deliveries(log []Event) map[string][]*Delivery {
	byNumber, byTask := map[int64]*Delivery{}, map[string][]*Delivery{}
	for _, e := range log {
		if !e.Answer {
			d := &Delivery{Event: e}
			byNumber[e.Delivery] = d
			byTask[e.Task] = append(byTask[e.Task], d)
			continue
		}
		if d := byNumber[e.Delivery]; d != nil {
			d.Answered, d.Status, d.Gone = e.At, e.Status, e.Gone
		}
	}
	return byTask
}

// ok tells whether the answer was a success that the caller could read.
func (d *Delivery) ok() bool { return !d.Gone && d.Status >= 200 && d.Status < 300 }

// refused tells whether the answer asked for another attempt.
func (d *Delivery) refused() bool { return !d.Gone && d.Status >= 300 }

func (r *Report) submissions(h History, byTask map[string][]*Delivery) {
	for _, key := range slices.Sorted(maps.Keys(h.Acknowledged)) {
		id := h.Acknowledged[key]
		state, known := h.Final[id]
		switch {
		case !known:
			r.Lost = append(r.Lost, fmt.Sprintf("lost: %s (%s) was acknowledged and does not exist", id, key))
		case state == "failed" || state == "canceled":
			r.Failed = append(r.Failed, fmt.Sprintf("failed: %s (%s) ended as %s", id, key, state))
		case state != "succeeded":
			r.Lost = append(r.Lost, fmt.Sprintf("lost: %s (%s) is still %s", id, key, state))
		case !slices.ContainsFunc(byTask[id], (*Delivery).ok):
			r.Lost = append(r.Lost, fmt.Sprintf("lost: %s (%s) is succeeded and was never delivered with success", id, key))
		}
	}
}

func (r *Report) invented(h History, byTask map[string][]*Delivery) {
	acknowledged := map[string]bool{}
	for _, id := range h.Acknowledged {
		acknowledged[id] = true
	}
	for _, id := range slices.Sorted(maps.Keys(byTask)) {
		if !acknowledged[id] {
			r.Unexpected = append(r.Unexpected, fmt.Sprintf("unexpected: %s (key %s) was delivered and never acknowledged", id, byTask[id][0].Key))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(h.Final)) {
		if !acknowledged[id] && byTask[id] == nil {
			r.Unexpected = append(r.Unexpected, fmt.Sprintf("unexpected: %s exists and was never acknowledged", id))
		}
	}
}

// repeats judges the deliveries of one task, each against the one before it.
func (r *Report) repeats(h History, ds []*Delivery) {
	for i := 1; i < len(ds); i++ {
		before, after := ds[i-1], ds[i]
		overlap := before.Answered.IsZero() || after.At.Before(before.Answered)
		if after.Token == before.Token || (after.Token < before.Token && !overlap && !h.posthumous(after)) {
			r.Fence = append(r.Fence, fmt.Sprintf("fence: %s was delivered with token %d after token %d", after.Task, after.Token, before.Token))
		}
		if before.refused() && !overlap {
			continue // a retry
		}
		r.Duplicates++
		if after.Token < before.Token {
			before, after = after, before // noted late, see couldHit
		}
		if !explained(h, before, after) {
			r.Unexplained = append(r.Unexplained, fmt.Sprintf("duplicate: %s was answered %d at %s and delivered again at %s without a fault between",
				after.Task, before.Status, clock(before.Answered), clock(after.At)))
		}
	}
}

// explained tells whether a fault hit the system between the arrival of the one
// delivery, up to the moment its answer must have been settled, and the other.
func explained(h History, before, after *Delivery) bool {
	until := after.At
	if !before.Answered.IsZero() && before.Answered.Add(h.Slack).Before(until) {
		until = before.Answered.Add(h.Slack)
	}
	return slices.ContainsFunc(h.Faults, func(f Fault) bool {
		return f.couldHit(before) && f.At.Before(until)
	})
}

// posthumous tells whether a delivery was noted after its sender's death: its
// place in the log does not tell when it was sent.
func (h History) posthumous(d *Delivery) bool {
	return slices.ContainsFunc(h.Faults, func(f Fault) bool {
		return f.PID != 0 && (d.PID == 0 || d.PID == f.PID) && f.couldHit(d) && f.At.Before(d.At.Add(time.Second))
	})
}

// couldHit tells whether the fault came after the delivery was begun. The auditor
// may note an arrival when its sender is dead already, on a busy machine long
// after. What the dead process sent needs no clock; a sender that was gone when
// the auditor looked for it died a moment ago. One that was stopped sends what it was about
// to send when it goes on, and hangs up when it learns that its lease is lost: its
// connections are gone as well.
func (f Fault) couldHit(d *Delivery) bool {
	const late, gone = 300 * time.Millisecond, 3 * time.Second
	switch {
	case f.PID != 0 && f.PID == d.PID:
		return true
	case f.PID != 0 && d.PID != 0:
		return false
	case f.PID != 0:
		return f.last().After(d.At.Add(-gone))
	}
	return f.At.After(d.At.Add(-late))
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }
