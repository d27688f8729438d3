package api

import (
	"fmt"

	"github.com/sendoff-dev/sendoff/task"
)

// LimitRequest is a limit that a task names.
type LimitRequest struct {
	Key         string  `json:"key" doc:"Tasks with the same key share the limit: up to 200 bytes."`
	Concurrency *int32  `json:"concurrency,omitempty" minimum:"1" maximum:"1000000" doc:"So many of them run at a time, on all nodes together."`
	Rate        *string `json:"rate,omitempty" doc:"So many of them start in a second, minute or hour." example:"100/s"`
	Burst       *int32  `json:"burst,omitempty" minimum:"1" maximum:"1000000" default:"1" doc:"Of a rate: so many start at once after a rest."`
}

// limitList are the limits of a request.
type limitList []LimitRequest

// UnmarshalJSON implements json.Unmarshaler.
func (l *limitList) UnmarshalJSON(text []byte) (err error) {
	*l, err = listOf[limitList](text, "limits")
	return err
}

// idList are ids in a request.
type idList []entryText

// limit reads a limit, and notes what cannot be read.
func (q *LimitRequest) limit(bad *task.Invalid, place string) task.Limit {
	l := task.Limit{Key: q.Key, Concurrency: count(bad, place+"concurrency", q.Concurrency), Burst: count(bad, place+"burst", q.Burst)}
	l.Rate = rate(bad, place+"rate", q.Rate)
	return l
}

func count(bad *task.Invalid, field string, given *int32) int32 {
	if given == nil {
		return 0
	}
	if *given == 0 {
		bad.Add(field, "is 0: want 1 to %d, or leave it out", task.MaxLimit)
	}
	return *given
}

func rate(bad *task.Invalid, field string, given *string) (r task.Rate) {
	if given == nil {
		return r
	}
	r, err := task.ParseRate(*given)
	if err != nil {
		bad.Add(field, "%s", err)
	}
	return r
}

// waits reads what a task is to wait for.
func (q *CreateRequest) waits(bad *task.Invalid, s *task.Spec) {
	if q.Limits != nil && len(q.Limits) == 0 {
		bad.Add("limits", "is empty: want 1 to %d limits, or leave it out", task.MaxLimits)
	}
	for i := range q.Limits {
		s.Limits = append(s.Limits, q.Limits[i].limit(bad, fmt.Sprintf("limits[%d].", i)))
	}
	s.OrderKey = given(bad, "order_key", q.OrderKey)
	s.DuplicateKey = given(bad, "duplicate_key", q.DuplicateKey)
	var err error
	if q.OnDuplicate != nil {
		if s.OnDuplicate, err = task.ParseOnDuplicate(*q.OnDuplicate); err != nil {
			bad.Add("on_duplicate", "is %s", err)
		}
	}
	for _, id := range q.DependsOn {
		s.DependsOn = append(s.DependsOn, string(id))
	}
	if q.When != nil {
		if s.When, err = task.ParseWhen(*q.When); err != nil {
			bad.Add("when", "is %s", err)
		} else if len(s.DependsOn) == 0 {
			bad.Add("when", "belongs to depends_on: name the tasks that have to end first, or leave it out")
		}
	}
}

// given is a text that cannot be empty where it is given.
func given(bad *task.Invalid, field string, text *string) string {
	if text == nil {
		return ""
	}
	if *text == "" {
		bad.Add(field, "is empty: want text, or leave it out")
	}
	return *text
}

// Limit is a limit in an answer.
type Limit struct {
	Key         string `json:"key"`
	Concurrency int32  `json:"concurrency,omitempty"`
	Rate        string `json:"rate,omitempty"`
	Burst       int32  `json:"burst,omitempty"`
}

func limitView(l *task.Limit) Limit {
	v := Limit{Key: l.Key, Concurrency: l.Concurrency, Rate: l.Rate.String()}
	if v.Rate != "" {
		v.Burst = l.BurstOrDefault()
	}
	return v
}

// withWaits shows what a task was to wait for, as it was asked for.
func (t *Task) withWaits(s *task.Spec) {
	for i := range s.Limits {
		t.Limits = append(t.Limits, limitView(&s.Limits[i]))
	}
	t.OrderKey, t.DuplicateKey, t.DependsOn = s.OrderKey, s.DuplicateKey, s.DependsOn
	if s.OnDuplicate != task.Parallel {
		t.OnDuplicate = s.OnDuplicate.String()
	}
	if len(s.DependsOn) > 0 {
		t.When = s.When.String()
	}
}
