package operate

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// SuggestStore is what Suggest needs of a database.
type SuggestStore interface {
	Schedule(ctx context.Context, namespace int32, name string) (store.Schedule, error)
	ListSchedules(ctx context.Context, namespace int32, after string, limit int) ([]store.Schedule, error)
	ListFailures(ctx context.Context, namespace int32, after store.FailureMark, limit int) ([]store.FailureGroup, error)
	Nodes(ctx context.Context) ([]store.Node, error)
}

// Suggest knows values by which tasks can be selected. It looks at names that are kept
// anyway, and at the newest tasks: never at all of them. Safe for concurrent use.
type Suggest struct {
	store SuggestStore
	tasks *Tasks
	names func(namespace int32) []store.Queue
}

// NewSuggest returns a Suggest; queues lists those of a namespace.
func NewSuggest(s SuggestStore, tasks *Tasks, queues func(namespace int32) []store.Queue) *Suggest {
	return &Suggest{s, tasks, queues}
}

// MaxValues is how many values Values gives at most.
const MaxValues = 20

// suggestFrom is how many of the newest tasks are looked at for a field whose values are
// kept nowhere else.
const suggestFrom = maxPage

// words are the fields whose values are fixed.
var words = map[string][]string{
	"state": {"scheduled", "ready", "running", "suspended", "blocked", "succeeded", "failed", "canceled"},
	"kind":  {"http", "function", "process", "local", "job"},
}

// SuggestedFields are the fields that Values knows, besides label.NAME.
func SuggestedFields() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for name := range fields {
			if !yield(name) {
				return
			}
		}
		yield("label")
	})
}

// Values gives values of a field of the namespace of whoever asks that begin so, in order.
// A label without a name gives names of labels. task.Invalid for a field that it does not
// know.
func (s *Suggest) Values(ctx context.Context, field, prefix string) ([]string, error) {
	if _, known := fields[field]; !known && field != "label" && (!strings.HasPrefix(field, "label.") || field == "label.") {
		var bad task.Invalid
		bad.Add("field", "is %q: want one of %s, or label.NAME", field, strings.Join(SuggestedFields(), ", "))
		return nil, bad.Err()
	}
	found := values{prefix: prefix, had: map[string]bool{}}
	var err error
	switch field {
	case "queue":
		for _, q := range s.names(space(ctx)) {
			found.add(q.Name)
		}
	case "state", "kind":
		found.add(words[field]...)
	case "priority":
		for n := range task.MaxPriority + 1 {
			found.add(strconv.Itoa(n))
		}
	case "schedule":
		err = s.schedules(ctx, &found)
	case "node":
		err = s.nodes(ctx, &found)
	case "code", "failure":
		err = s.failures(ctx, field, &found)
	default:
		err = s.newest(ctx, field, &found)
	}
	return found.list(), err
}

// values are those that begin so, each once.
type values struct {
	prefix string
	had    map[string]bool
}

func (v *values) add(all ...string) {
	for _, one := range all {
		if one != "" && strings.HasPrefix(one, v.prefix) {
			v.had[one] = true
		}
	}
}

func (v *values) list() []string {
	all := slices.AppendSeq([]string{}, maps.Keys(v.had))
	slices.Sort(all)
	return all[:min(len(all), MaxValues)]
}

// schedules are those with a name that begins so: the prefix itself, and what is behind it.
func (s *Suggest) schedules(ctx context.Context, found *values) error {
	if one, err := s.store.Schedule(ctx, space(ctx), found.prefix); err == nil {
		found.add(one.Name)
	}
	all, err := s.store.ListSchedules(ctx, space(ctx), found.prefix, MaxValues)
	for i := range all {
		found.add(all[i].Name)
	}
	return err
}

// nodes are those that are alive, which only those who may see the whole server are told.
func (s *Suggest) nodes(ctx context.Context, found *values) error {
	if who := auth.From(ctx); who != nil && who.Elsewhere() {
		return nil
	}
	all, err := s.store.Nodes(ctx)
	for i := range all {
		found.add(all[i].ID.String())
	}
	return err
}

// failures are the newest groups.
func (s *Suggest) failures(ctx context.Context, field string, found *values) error {
	all, err := s.store.ListFailures(ctx, space(ctx), store.FailureMark{}, maxPage)
	for i := range all {
		if field == "failure" {
			found.add(FailureID(all[i].Print))
		} else {
			found.add(all[i].Code)
		}
	}
	return err
}

// newest are the values that the newest tasks have.
func (s *Suggest) newest(ctx context.Context, field string, found *values) error {
	label, isLabel := strings.CutPrefix(field, "label.")
	page, err := s.tasks.List(ctx, Filter{Limit: suggestFrom})
	for i := range page.Items {
		switch t := &page.Items[i]; {
		case field == "label":
			found.add(slices.Collect(maps.Keys(t.Spec.Labels))...)
		case isLabel:
			found.add(t.Spec.Labels[label])
		default:
			found.add(fields[field].of(t))
		}
	}
	return err
}
