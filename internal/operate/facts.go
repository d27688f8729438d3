package operate

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/internal/plan"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// facts are what settings say, by the names that the API has for them: "retry.max_attempts".
// What is not set is not there.
type facts map[string]any

// The bounds of what the audit says of a change.
const (
	maxFact  = 200 // bytes of a value; of a longer one it has the size and a hash
	maxFacts = 40  // that differ
)

// tellChange has the audit say how something was and what it becomes, as far as the two
// differ. nil facts are those of nothing: it is made, or deleted.
func tellChange(ctx context.Context, was, becomes facts) {
	a := store.AuditOf(ctx)
	if a == nil {
		return
	}
	before, after, differ := facts{}, facts{}, 0
	all := maps.Clone(was)
	if all == nil {
		all = facts{}
	}
	maps.Copy(all, becomes)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		had, is := was[name], becomes[name]
		if reflect.DeepEqual(had, is) {
			continue
		}
		if differ++; differ > maxFacts {
			break
		}
		before.put(name, had)
		after.put(name, is)
	}
	a.SetChange(before.text(), after.text())
}

// put adds a fact, if it is one, and as much of it as the audit keeps.
func (f facts) put(name string, v any) {
	if v == nil {
		return
	}
	if b, _ := json.Marshal(v); len(b) > maxFact {
		v = fingerprint(b)
	}
	f[name] = v
}

func (f facts) text() string {
	if len(f) == 0 {
		return ""
	}
	b, _ := json.Marshal(f) // plain data cannot fail
	return string(b)
}

// fingerprint is by what something can be told from something else, when it is too long for
// the audit or none of its business.
func fingerprint(b []byte) string {
	sum := sha256.Sum256(b)
	return fmt.Sprintf("%d bytes, sha256 %x...", len(b), sum[:8])
}

// set adds a fact unless it is zero.
func set[T comparable](f facts, name string, v T) {
	var zero T
	if v != zero {
		f[name] = v
	}
}

func setSpan(f facts, name string, d time.Duration) {
	if d != 0 {
		f[name] = d.String()
	}
}

// setKept sets a retention.
func setKept(f facts, name string, d time.Duration) {
	if d == task.NotKept {
		f[name] = "0s"
		return
	}
	setSpan(f, name, d)
}

func setRetry(f facts, r *task.RetryPolicy) {
	set(f, "retry.max_attempts", r.MaxAttempts)
	setSpan(f, "retry.max_age", r.MaxAge)
	setSpan(f, "retry.min_backoff", r.MinBackoff)
	setSpan(f, "retry.max_backoff", r.MaxBackoff)
	set(f, "retry.factor", r.Factor)
	if r.Jitter != 0 {
		f["retry.jitter"] = max(r.Jitter, 0)
	}
}

// factsOfQueue are the settings of a queue.
func factsOfQueue(s *task.QueueSettings) facts {
	f := facts{}
	set(f, "concurrency", s.Concurrency)
	set(f, "rate", s.Rate.String())
	set(f, "burst", s.Burst)
	setSpan(f, "timeout", s.Timeout)
	setRetry(f, &s.Retry)
	set(f, "target", s.Target)
	setKept(f, "retention.succeeded", s.Retention.Succeeded)
	setKept(f, "retention.failed", s.Retention.Failed)
	setKept(f, "retention.canceled", s.Retention.Canceled)
	set(f, "discipline", string(s.Discipline))
	set(f, "webhook_secrets", strings.Join(s.Webhooks.Names(), " "))
	for group, weight := range s.Weights.Map() {
		f["weights."+group] = weight
	}
	return f
}

// factsOfLimit are what is configured of a limit.
func factsOfLimit(l *Limit) facts {
	f := facts{"paused": l.Paused}
	set(f, "concurrency", l.Concurrency)
	set(f, "rate", l.Rate.String())
	set(f, "burst", l.Burst)
	return f
}

// factsOfQuota are what a namespace may use.
func factsOfQuota(q *store.Quota) facts {
	f := facts{}
	set(f, "rate", q.Rate.String())
	set(f, "burst", q.Burst)
	set(f, "tasks", q.Tasks)
	set(f, "bytes", q.Bytes)
	set(f, "schedules", q.Schedules)
	return f
}

// planned are the facts of a schedule, nil = of none.
func planned(s *store.Schedule) facts {
	if s == nil {
		return nil
	}
	return factsOfSchedule(s)
}

// factsOfSchedule are what is planned, without what the tasks carry.
func factsOfSchedule(s *store.Schedule) facts {
	f := facts{"paused": s.Paused}
	d, err := plan.Decode(s.Spec)
	if err != nil {
		return f
	}
	made := d.Task
	d.Task = nil
	b, _ := json.Marshal(d) // plain data cannot fail
	var when map[string]any
	_ = json.Unmarshal(b, &when)
	delete(when, "task")
	maps.Copy(f, when)
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(made, &fields)
	for name, v := range fields {
		f["task."+name] = plainFact(name, v)
	}
	return f
}

// carried are the fields of a task that the scope payloads is for.
var carried = []string{"payload", "headers", "body", "body_base64"}

func plainFact(name string, v json.RawMessage) any {
	if slices.Contains(carried, name) || strings.HasPrefix(name, "on_") {
		return fingerprint(v)
	}
	var plain any
	_ = json.Unmarshal(v, &plain)
	return plain
}

// factsOfView are what a view shows.
func factsOfView(v *store.SavedView) facts { return facts{"path": v.Path, "query": v.Query} }

// factsOfTask are what can be changed of a task that has not started.
func factsOfTask(spec *task.Spec, queue string, priority int16, due, expires int64) facts {
	f := facts{"queue": queue, "priority": priority}
	if due > 0 {
		f["run_at"] = momentText(due)
	}
	if expires > 0 {
		f["expires_at"] = momentText(expires)
	}
	setSpan(f, "timeout", spec.Timeout)
	setRetry(f, &spec.Retry)
	for name, value := range spec.Labels {
		f["labels."+name] = value
	}
	return f
}

func momentText(us int64) string { return time.UnixMicro(us).UTC().Format(time.RFC3339Nano) }
