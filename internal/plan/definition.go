// Package plan is what a schedule says: when something is due, which task is made of it,
// and what becomes of times at which nobody was there. It is pure: it reads no clock and
// stores nothing. A Definition is stored as JSON.
package plan

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sendoff-dev/sendoff/task"
	"github.com/sendoff-dev/sendoff/task/cron"
)

// MaxName is how many bytes the name of a schedule may have.
const MaxName = 200

// What is not said in a Definition.
const (
	DefaultCatchUp = One
	DefaultWindow  = 24 * time.Hour
)

// OnTime is how much later than due something may be fired without having been missed.
const OnTime = 30 * time.Second

// What becomes of times that were missed.
const (
	None = "none" // they are recorded
	One  = "one"  // the last of them is fired, when no other is due
	All  = "all"  // all of them are fired
)

// Definition is a schedule as it is asked for. Times are RFC 3339, durations such as "1m30s".
type Definition struct {
	Cron          string          `json:"cron,omitempty"`
	Every         string          `json:"every,omitempty"`
	At            string          `json:"at,omitempty"`
	Times         []string        `json:"times,omitempty"`
	Timezone      string          `json:"timezone,omitempty"`
	Task          json.RawMessage `json:"task"` // as POST /v1/tasks takes it; with a graph, as POST /v1/graph-runs does
	Overlap       string          `json:"overlap,omitempty"`
	CatchUp       string          `json:"catch_up,omitempty"`
	CatchUpWindow string          `json:"catch_up_window,omitempty"`
	Jitter        string          `json:"jitter,omitempty"`
	StartsAt      string          `json:"starts_at,omitempty"`
	EndsAt        string          `json:"ends_at,omitempty"`
}

// Encode is the stored form. Equal definitions have equal ones.
func (d *Definition) Encode() ([]byte, error) { return json.Marshal(d) }

// Decode reads a stored form.
func Decode(b []byte) (d Definition, err error) {
	if err = json.Unmarshal(b, &d); err != nil {
		err = fmt.Errorf("read a stored schedule: %w", err)
	}
	return d, err
}

// Graph names the stored graph that is run each time, and tells whether one is.
func (d *Definition) Graph() (name string, is bool) {
	var t struct {
		Graph *string `json:"graph"`
	}
	if json.Unmarshal(d.Task, &t) != nil || t.Graph == nil {
		return "", false
	}
	return *t.Graph, true
}

// SameTimes tells whether two definitions are due at the same times.
func (d *Definition) SameTimes(o *Definition) bool {
	when := func(d Definition) string {
		d.Task, d.Overlap, d.CatchUp, d.CatchUpWindow = nil, "", "", ""
		b, _ := json.Marshal(d) // plain data cannot fail
		return string(b)
	}
	return when(*d) == when(*o)
}

// Rules checks a definition, but for its task, and brings its texts into their usual forms.
// task.Invalid.
func (d *Definition) Rules(name string) (*Rules, error) {
	var bad task.Invalid
	bad.CheckName("name", name, MaxName)
	spec := cron.Spec{Cron: d.Cron, Timezone: d.Timezone}
	spec.Every = span(&bad, "every", &d.Every, task.Span{Least: cron.MinEvery, Most: cron.MaxEvery})
	spec.At, spec.StartsAt, spec.EndsAt = moment(&bad, "at", &d.At), moment(&bad, "starts_at", &d.StartsAt), moment(&bad, "ends_at", &d.EndsAt)
	if d.Times != nil {
		spec.Times = make([]time.Time, len(d.Times))
	}
	for i := range d.Times {
		spec.Times[i] = moment(&bad, fmt.Sprintf("times[%d]", i), &d.Times[i])
	}
	r := &Rules{catchUp: cmp.Or(d.CatchUp, DefaultCatchUp)}
	r.window = cmp.Or(span(&bad, "catch_up_window", &d.CatchUpWindow, task.Span{Least: time.Second, Most: task.Horizon}), DefaultWindow)
	r.jitter = cron.Jitter(name, span(&bad, "jitter", &d.Jitter, task.Span{Least: 0, Most: 24 * time.Hour}))
	switch r.catchUp {
	case None, One, All:
	default:
		bad.Add("catch_up", "is %q: want none, one or all", d.CatchUp)
	}
	r.Overlap = d.overlap(&bad)
	if len(bad) == 0 {
		var err error
		r.when, err = cron.New(spec)
		addFaults(&bad, err)
	}
	return r, bad.Err()
}

// overlap reads the rule for what has not ended. Runs of a graph wait for each other, whoever
// begins them, unless it says otherwise.
func (d *Definition) overlap(bad *task.Invalid) task.OnDuplicate {
	_, graph := d.Graph()
	switch {
	case d.Overlap == "" && graph:
		d.Overlap = task.Serial.String()
	case d.Overlap == "":
		return task.Parallel
	}
	rule, err := task.ParseOnDuplicate(d.Overlap)
	switch {
	case err != nil:
		bad.Add("overlap", "is %s", err)
	case graph && rule == task.Parallel:
		bad.Add("overlap", `is "parallel": two runs of a graph do not go on at the same time: want serial, which is what graphs have without it, discard, queue_one or replace`)
	}
	return rule
}

// addFaults takes the faults of a schedule apart.
func addFaults(bad *task.Invalid, err error) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			addFaults(bad, one)
		}
		return
	}
	if e, ok := errors.AsType[*cron.Error](err); ok {
		field := e.Field
		if field == "schedule" {
			field = "cron"
		}
		bad.Add(field, "is %q: want %s", e.Value, e.Want)
	} else if err != nil {
		bad.Add("cron", "%s", err)
	}
}

// span reads a duration, and gives its text the usual form.
func span(bad *task.Invalid, field string, text *string, s task.Span) time.Duration {
	if *text == "" {
		return 0
	}
	d, err := task.ParseDuration(*text)
	if err != nil {
		bad.Add(field, "%s", err)
		return 0
	}
	s.Check(bad, field, d)
	d = d.Truncate(time.Millisecond)
	*text = d.String()
	return d
}

// moment reads a time, and gives its text the usual form.
func moment(bad *task.Invalid, field string, text *string) time.Time {
	if *text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, *text)
	if err != nil {
		bad.Add(field, "is %q: want a time such as \"2027-03-28T02:30:00+02:00\"", *text)
		return time.Time{}
	}
	t = t.Truncate(time.Microsecond)
	if year := t.UTC().Year(); year < 1970 || year > 9999 {
		bad.Add(field, "is out of range: want a time between 1970 and 9999")
	}
	*text = t.Format(time.RFC3339Nano)
	return t
}
