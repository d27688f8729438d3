package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

// Quota is what a namespace may use; a zero field is any amount. It is kept as the settings
// of the namespace.
type Quota struct {
	Rate      task.Rate `json:"rate,omitzero"`      // of submissions, on each node
	Burst     int32     `json:"burst,omitzero"`     // that may come at once; 0 = those of a second, or 1
	Tasks     int64     `json:"tasks,omitzero"`     // that have not ended, or have failed and are kept
	Bytes     int64     `json:"bytes,omitzero"`     // payloads of all tasks that are stored
	Schedules int64     `json:"schedules,omitzero"` // that are stored
}

// Check adds what cannot be.
func (q *Quota) Check(bad *task.Invalid) {
	switch {
	case q.Burst < 0 || q.Burst > task.MaxLimit:
		bad.Add("burst", "is %d: want 1 to %d", q.Burst, task.MaxLimit)
	case q.Burst > 0 && q.Rate == (task.Rate{}):
		bad.Add("burst", "is of a rate, and there is none: want rate too, such as \"100/s\"")
	}
	for _, f := range []struct {
		name string
		most int64
	}{{"tasks", q.Tasks}, {"bytes", q.Bytes}, {"schedules", q.Schedules}} {
		if f.most < 0 {
			bad.Add(f.name, "is %d: want how many may be stored, or nothing for any number", f.most)
		}
	}
}

// Encode returns the stored form; nil for one that limits nothing.
func (q Quota) Encode() []byte {
	if q == (Quota{}) {
		return nil
	}
	b, _ := json.Marshal(q) // plain data cannot fail
	return b
}

// DecodeQuota reads what Encode wrote. What nobody can read limits nothing.
func DecodeQuota(b []byte) (q Quota) {
	if len(b) > 0 && json.Unmarshal(b, &q) != nil {
		return Quota{}
	}
	return q
}

// AtOnce is how many submissions may come at once.
func (q *Quota) AtOnce() int32 {
	if q.Burst > 0 {
		return q.Burst
	}
	return max(int32(float64(q.Rate.N)/q.Rate.Per.Seconds()), 1)
}

// OverQuota says that a namespace has used up what it may.
type OverQuota struct {
	What  string        // rate, tasks, bytes or schedules
	Allow string        // how much that is
	Retry time.Duration // after which it may go again; 0 = time alone changes nothing
}

// Error implements error.
func (e OverQuota) Error() string {
	return fmt.Sprintf("the quota of this namespace is used up: %s, %s allowed; an admin of the namespace %s can raise it", e.What, e.Allow, DefaultNamespaceName)
}
