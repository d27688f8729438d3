package accept

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// revised is a task as it is to be.
type revised struct {
	Submission
	task.Revision
	row   *store.Row
	now   int64
	moved bool                // another time, or none, was given for its start
	never bool                // it does not expire any more
	set   task.QueueSettings  // of its queue
	given map[string]struct{} // what Revision has, by its names in the API
}

// Revise checks what is to become of a task that was accepted, given as it is stored, and
// turns it into a change. The error is task.Invalid, or one of the catalog.
func (a *Acceptor) Revise(ctx context.Context, row *store.Row, lane store.Lane, r *task.Revision) (*store.Change, error) {
	spec, err := task.DecodeSpec(row.Spec)
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", row.ID, err)
	}
	v := revised{Submission: Submission{Namespace: lane.Namespace, Queue: lane.Queue, Spec: *spec}, Revision: *r, row: row, now: a.cfg.Store.Now()}
	v.given = givenIn(r)
	var bad task.Invalid
	v.place(&bad, lane)
	if a.cfg.Settings != nil {
		v.set = a.cfg.Settings(v.Namespace, v.Submission.Queue)
	}
	v.defaults(&bad)
	v.apply()
	v.times(&bad)
	checkRetry(&bad, &v.Spec)
	checkLabels(&bad, &v.Spec)
	if most := maxPayload(v.Spec.Kind); len(r.Payload) > most {
		bad.Add("payload", "has %d bytes: at most %d are allowed", len(r.Payload), most)
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	c := v.change()
	if v.Submission.Queue == lane.Queue {
		return c, nil
	}
	to, err := a.cfg.Lane(ctx, lane.Namespace, v.Submission.Queue, lane.Pool, v.Spec.Group)
	if err != nil {
		return nil, fmt.Errorf("queue %q: %w", v.Submission.Queue, err)
	}
	c.Lane = &to.ID
	if key := []byte(v.Spec.UniqueKey); len(key) > 0 {
		c.Unique = &store.Renaming{From: store.HashOf([]byte(lane.Queue), key), To: store.HashOf([]byte(to.Queue), key)}
	}
	return c, nil
}

// givenIn are the names of what a revision has.
func givenIn(r *task.Revision) map[string]struct{} {
	given := map[string]struct{}{}
	for name, there := range map[string]bool{
		"queue": r.Queue != "", "priority": r.Priority != nil, "delay": r.Delay != 0, "run_at": !r.RunAt.IsZero(), "expires_at": !r.ExpiresAt.IsZero(),
		"timeout": r.Timeout != 0, "payload": r.Payload != nil, "retry.max_attempts": r.Retry.MaxAttempts != 0, "retry.max_age": r.Retry.MaxAge != 0,
		"retry.min_backoff": r.Retry.MinBackoff != 0, "retry.max_backoff": r.Retry.MaxBackoff != 0, "retry.factor": r.Retry.Factor != 0, "retry.jitter": r.Retry.Jitter != 0,
	} {
		if there {
			given[name] = struct{}{}
		}
	}
	for name := range r.Labels {
		given["labels."+name] = struct{}{}
	}
	return given
}

// place is where the task is to wait, and under which priority.
func (v *revised) place(bad *task.Invalid, lane store.Lane) {
	if len(v.given) == 0 && len(v.Default) == 0 {
		bad.Add("body", "changes nothing: want delay or run_at, expires_at, queue, priority, retry, timeout, labels or payload")
	}
	v.Submission.Queue = lane.Queue
	if v.Revision.Queue != "" {
		v.Submission.Queue = v.Revision.Queue
	} else if slices.Contains(v.Default, "queue") {
		v.Submission.Queue = task.DefaultQueue
	}
	bad.CheckQueue("queue", v.Submission.Queue)
	if p := v.Revision.Priority; p != nil && (*p < 0 || *p > task.MaxPriority) {
		bad.Add("priority", "is %d: want 0 (first) to %d", *p, task.MaxPriority)
	}
}

// defaults puts back what is to be.
func (v *revised) defaults(bad *task.Invalid) {
	for _, name := range v.Default {
		if _, twice := v.given[name]; twice {
			bad.Add(name, "is given, and is to be put back to its default as well: want one of them")
			continue
		}
		label, isLabel := strings.CutPrefix(name, "labels.")
		switch {
		case isLabel:
			delete(v.Spec.Labels, label)
		case !v.reset(name) && !v.resetRetry(name):
			bad.Add(name, "has no default, or is not a field that can be changed")
		}
	}
}

func (v *revised) reset(name string) bool {
	switch name {
	case "queue":
	case "priority":
		v.Revision.Priority = new(task.DefaultPriority)
	case "delay", "run_at":
		v.moved = true
	case "expires_at":
		v.never = true
	case "timeout":
		v.Spec.Timeout = v.set.Timeout
	case "labels":
		v.Spec.Labels = nil
	default:
		return false
	}
	return true
}

// resetRetry puts back to what the queue says of retries, or all of it.
func (v *revised) resetRetry(name string) bool {
	p, d := &v.Spec.Retry, v.set.Retry
	if v.Spec.Kind == task.Function {
		d = d.Or(task.FunctionRetry)
	}
	if v.Spec.Once {
		d.MaxAttempts = 1
	}
	switch name {
	case "retry":
		*p = d
	case "retry.max_attempts":
		p.MaxAttempts = d.MaxAttempts
	case "retry.max_age":
		p.MaxAge = d.MaxAge
	case "retry.min_backoff":
		p.MinBackoff = d.MinBackoff
	case "retry.max_backoff":
		p.MaxBackoff = d.MaxBackoff
	case "retry.factor":
		p.Factor = d.Factor
	case "retry.jitter":
		p.Jitter = d.Jitter
	default:
		return false
	}
	return true
}

// apply sets what is given.
func (v *revised) apply() {
	s, p, was := &v.Spec, v.Retry, v.Spec.Retry
	if v.Timeout != 0 {
		s.Timeout = v.Timeout
	}
	if p != (task.RetryPolicy{}) {
		s.Retry = task.RetryPolicy{
			MaxAttempts: or(p.MaxAttempts, was.MaxAttempts), MaxAge: or(p.MaxAge, was.MaxAge), MinBackoff: or(p.MinBackoff, was.MinBackoff),
			MaxBackoff: or(p.MaxBackoff, was.MaxBackoff), Factor: or(p.Factor, was.Factor), Jitter: or(p.Jitter, was.Jitter),
		}
	}
	if len(v.Labels) > 0 {
		labels := maps.Clone(s.Labels)
		if labels == nil {
			labels = map[string]string{}
		}
		maps.Copy(labels, v.Labels)
		s.Labels = labels
	}
	typed := slices.ContainsFunc(s.Header, func(h task.Header) bool { return strings.EqualFold(h.Name, "Content-Type") })
	if v.Revision.Payload != nil && !typed && (s.ContentType == "" || s.ContentType == "application/octet-stream" || s.ContentType == "application/json") {
		s.ContentType = v.ContentType
	}
}

func or[T comparable](given, stays T) T {
	var zero T
	if given != zero {
		return given
	}
	return stays
}

// times checks when the task is to start and to expire.
func (v *revised) times(bad *task.Invalid) {
	s := &v.Submission
	s.Delay, s.RunAt, s.ExpiresAt = v.Revision.Delay, v.Revision.RunAt, v.Revision.ExpiresAt
	field := "run_at"
	if s.Delay != 0 {
		field = "delay"
	}
	if (s.Delay != 0 || !s.RunAt.IsZero()) && v.moved {
		bad.Add(field, "is given, and the task is to be due at once as well: want one of them")
	}
	v.moved = v.moved || s.Delay != 0 || !s.RunAt.IsZero()
	if !v.moved && v.row.At > v.now {
		s.RunAt = time.UnixMicro(v.row.At)
	}
	checkTimes(bad, s, v.now)
	switch expires, due := v.row.ExpiresAt, v.due(); {
	case !v.moved || expires == 0 || v.never || !s.ExpiresAt.IsZero():
	case v.Spec.Kind == task.Function && v.byDefault():
		s.ExpiresAt = time.UnixMicro(min(max(due, v.now)+task.DefaultExpiration.Microseconds(), latest.UnixMicro()))
	case max(due, v.now) >= expires:
		bad.Add(field, "is not before %s, when the task expires: want an earlier time, or another expires_at as well", time.UnixMicro(expires).UTC().Format(time.RFC3339))
	}
}

// due is the time that is given for its start; 0 = at once.
func (v *revised) due() int64 {
	switch s := &v.Submission; {
	case s.Delay > 0:
		return v.now + s.Delay.Microseconds()
	case !s.RunAt.IsZero():
		return s.RunAt.UnixMicro()
	}
	return 0
}

// byDefault tells whether a function expires when it does because it was to start then.
func (v *revised) byDefault() bool {
	usual := max(v.Spec.RunAt, v.row.CreatedAt) + task.DefaultExpiration.Microseconds()
	return max(usual-v.row.ExpiresAt, v.row.ExpiresAt-usual) < time.Minute.Microseconds()
}

func (v *revised) change() *store.Change {
	c := &store.Change{ID: v.row.ID, Was: v.row.Spec}
	if v.moved {
		c.Due = new(v.due())
		v.Spec.RunAt = *c.Due
	}
	if p := v.Revision.Priority; p != nil {
		c.Priority = new(int16(*p))
	}
	switch {
	case !v.Submission.ExpiresAt.IsZero():
		c.ExpiresAt = new(v.Submission.ExpiresAt.UnixMicro())
	case v.never:
		c.ExpiresAt = new(int64(0))
	}
	if payload := v.Revision.Payload; payload != nil {
		v.Submission.Payload, c.Payload = payload, &payload
		if v.Spec.OnDuplicate != task.Parallel && v.Spec.DuplicateKey == "" {
			c.Gates = new(gatesOf(&v.Submission))
		}
	}
	c.Spec, c.MaxAttempts = v.Spec.Encode(), v.Spec.Retry.WithDefaults().MaxAttempts
	return c
}
