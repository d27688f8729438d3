package accept

import (
	"cmp"

	"github.com/sendoff-dev/sendoff/task"
)

// checkCallbacks checks the callbacks of a submission as the submissions that they are,
// and puts them into its spec.
func (a *Acceptor) checkCallbacks(bad *task.Invalid, s *Submission, now int64) {
	s.Spec.Callbacks = nil // a submission may be prepared twice
	for i := range s.Callbacks {
		var faults task.Invalid
		c := &s.Callbacks[i]
		c.Namespace, c.Queue = s.Namespace, cmp.Or(c.Queue, s.Queue)
		checkBare(&faults, &c.Submission)
		if c.Payload == nil && c.Spec.ContentType == "" {
			c.Spec.ContentType = "application/json"
		}
		priority := a.check(&faults, &c.Submission, now)
		stored := task.Callback{On: c.On, Queue: c.Queue, Priority: int16(priority), Delay: c.Delay, Spec: c.Spec, Payload: c.Payload}
		if n := len(stored.Encode()); n > task.MaxCallback {
			faults.Add("payload", "makes it %d bytes: a callback has at most %d in all", n, task.MaxCallback)
		}
		bad.Join(c.On.String()+".", faults)
		s.Spec.Callbacks = append(s.Spec.Callbacks, stored)
	}
}

// checkBare refuses what a callback cannot have, as it is made more than once, and at a
// time that nobody knows yet.
func checkBare(bad *task.Invalid, s *Submission) {
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"id", s.Spec.ClientID != ""},
		{"unique", s.Unique != nil},
		{"signal", s.Signal != nil},
		{"depends_on", len(s.Spec.DependsOn) > 0},
		{"run_at", !s.RunAt.IsZero()},
		{"expires_at", !s.ExpiresAt.IsZero()},
	} {
		if f.given {
			bad.Add(f.name, "is not for callbacks: leave it out")
		}
	}
	for i := range s.Callbacks {
		bad.Add(s.Callbacks[i].On.String(), "is not for callbacks: they have none of their own")
	}
}

// CallbacksAfter are the submissions that the end of a task, which goes by id, asks for.
// payload is that of those that bring none.
func CallbacksAfter(namespace int32, spec *task.Spec, end task.End, id string, payload []byte) (subs []Submission) {
	for i := range spec.Callbacks {
		c := &spec.Callbacks[i]
		if !c.On.After(end) {
			continue
		}
		priority := int(c.Priority)
		s := Submission{Namespace: namespace, Queue: c.Queue, Spec: c.Spec, Payload: c.Payload, Delay: c.Delay, Priority: &priority}
		if s.Payload == nil {
			s.Payload = payload
		}
		s.Spec.CallbackOf = id
		subs = append(subs, s)
	}
	return subs
}
