package operate

import (
	"bytes"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Filter selects tasks for a listing. All that it says has to hold. State, queue, root,
// parent and creation time are looked up; the rest is tested while at most scanLimit tasks
// are looked at.
type Filter struct {
	Namespace                     int32 // 0 = that of whoever asks
	States                        []task.State
	Queue                         string
	Name                          string
	Function                      string
	Root                          string // id of the first function of a tree: the calls below it
	Parent                        string // id of a function: the calls that it made itself
	Labels                        map[string]string
	TargetHost                    string
	Tests                         []Test
	Error                         string // a part of the last error, in any letters
	IDPrefix                      string
	MinAttempts                   int32
	CreatedAfter, CreatedBefore   time.Time
	StartedAfter, StartedBefore   time.Time
	FinishedAfter, FinishedBefore time.Time
	Sort                          string // one of Sorts; "" = newest first
	Count                         bool   // count what matches, to scanLimit
	Limit                         int    // 1 to 500; default 50
	Cursor                        string // of the page before
}

// Test says what a field of a task has to be: one of the values; none of them when Not
// is set.
type Test struct {
	Field  string
	Not    bool
	Values []string
}

// field is what a Test looks at.
type field struct {
	of   func(*Task) string
	same func(had, want string) bool // nil = they are equal
	want func(value string) string   // what is wrong with a value; nil = none is
}

// fields are what a Test can look at, by the names they have in an answer.
var fields = map[string]field{
	"state":       {of: func(t *Task) string { return t.State.String() }, want: stateWanted},
	"queue":       {of: func(t *Task) string { return t.Queue }},
	"name":        {of: func(t *Task) string { return t.Spec.Name }},
	"kind":        {of: func(t *Task) string { return t.Spec.Kind.String() }, want: oneOf("http", "function", "process", "local", "job")},
	"function":    {of: func(t *Task) string { return t.Spec.Function }},
	"process":     {of: func(t *Task) string { return t.Spec.Process }},
	"handler":     {of: func(t *Task) string { return t.Spec.Handler }},
	"endpoint":    {of: func(t *Task) string { return t.Spec.Endpoint }},
	"target_host": {of: func(t *Task) string { return hostOf(t.Spec.URL) }, same: strings.EqualFold},
	"group":       {of: func(t *Task) string { return t.Spec.Group }},
	"schedule":    {of: func(t *Task) string { return t.Spec.Schedule }},
	"priority":    {of: func(t *Task) string { return strconv.Itoa(int(t.Priority)) }, want: priorityWanted},
	"reason":      {of: func(t *Task) string { return t.Reason.String() }},
	"code":        {of: codeOf},
	"last_status": {of: func(t *Task) string { return strconv.Itoa(int(t.LastCode)) }, same: sameStatus, want: statusWanted},
	"node":        {of: nodeOf},
	"failure":     {of: failureOfTask, want: failureWanted},
}

// codeOf is the codeText of the last attempt.
func codeOf(t *Task) string { return codeText(t.LastCode, t.LastCause, t.LastOutcome) }

func nodeOf(t *Task) string {
	if t.Node.IsZero() {
		return ""
	}
	return t.Node.String()
}

func stateWanted(name string) string {
	if _, err := task.ParseState(name); err != nil {
		return err.Error()
	}
	return ""
}

func priorityWanted(text string) string {
	if n, err := strconv.Atoi(text); err != nil || n < 0 || n > task.MaxPriority || text != strconv.Itoa(n) {
		return fmt.Sprintf("is %q: want 0 to %d", text, task.MaxPriority)
	}
	return ""
}

func failureWanted(text string) string {
	if _, err := parseFailure(text); err != nil {
		return fmt.Sprintf("is %q: want the id of a group of failures", text)
	}
	return ""
}

func statusWanted(text string) string {
	digits := strings.TrimSuffix(text, "xx")
	if n, err := strconv.Atoi(digits); err != nil || n < 1 || len(digits) != 3 && text != digits+"xx" || len(text) != 3 {
		return fmt.Sprintf("is %q: want a status such as 404, or all of a hundred such as 5xx", text)
	}
	return ""
}

func sameStatus(had, want string) bool {
	hundred, all := strings.CutSuffix(want, "xx")
	return had == want || all && len(had) == 3 && strings.HasPrefix(had, hundred)
}

func oneOf(names ...string) func(string) string {
	return func(value string) string {
		if slices.Contains(names, value) {
			return ""
		}
		return fmt.Sprintf("is %q: want one of %s", value, strings.Join(names, ", "))
	}
}

// single are the parameters of a filter that are given once, each with how it is read.
var single = map[string]func(f *Filter, value string) string{
	"root_id":         func(f *Filter, v string) string { f.Root = v; return "" },
	"root":            func(f *Filter, v string) string { f.Root = v; return "" },
	"graph_run":       func(f *Filter, v string) string { f.Root = v; return "" },
	"parent_id":       func(f *Filter, v string) string { f.Parent = v; return "" },
	"error":           func(f *Filter, v string) string { f.Error = v; return "" },
	"id_prefix":       func(f *Filter, v string) string { f.IDPrefix = v; return "" },
	"min_attempts":    minAttempts,
	"created_after":   moment(func(f *Filter) *time.Time { return &f.CreatedAfter }),
	"created_before":  moment(func(f *Filter) *time.Time { return &f.CreatedBefore }),
	"started_after":   moment(func(f *Filter) *time.Time { return &f.StartedAfter }),
	"started_before":  moment(func(f *Filter) *time.Time { return &f.StartedBefore }),
	"finished_after":  moment(func(f *Filter) *time.Time { return &f.FinishedAfter }),
	"finished_before": moment(func(f *Filter) *time.Time { return &f.FinishedBefore }),
}

func minAttempts(f *Filter, text string) string {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return fmt.Sprintf("is %q: want a number from 1 on", text)
	}
	f.MinAttempts = int32(n)
	return ""
}

func moment(of func(*Filter) *time.Time) func(*Filter, string) string {
	return func(f *Filter, text string) string {
		at, err := task.ParseTime(text)
		if err != nil {
			return err.Error()
		}
		*of(f) = at
		return ""
	}
}

// FilterNames are the parameters of a filter, but for label.KEY, in order.
func FilterNames() []string {
	return slices.Sorted(maps.Keys(mergedNames()))
}

func mergedNames() map[string]bool {
	names := map[string]bool{}
	for name := range fields {
		names[name] = true
	}
	for name := range single {
		names[name] = true
	}
	return names
}

// maxTerms bounds the values of a filter.
const maxTerms = 200

// ParseFilter reads a filter from parameters: NAME is repeated for any of several values,
// "NAME!" is for none of them, label.KEY is for labels. It notes in bad what cannot be read.
func ParseFilter(params url.Values, bad *task.Invalid) Filter {
	f, n := Filter{Labels: map[string]string{}}, 0
	for _, param := range slices.Sorted(maps.Keys(params)) {
		values := params[param]
		if n += len(values); n > maxTerms {
			bad.Add(param, "makes more than %d values in all", maxTerms)
			break
		}
		f.parse(param, values, bad)
	}
	if len(f.States) == 0 && slices.ContainsFunc(f.Tests, func(t Test) bool { return t.Field == "failure" && !t.Not }) {
		f.States = []task.State{task.Failed} // nothing else is of a group, and these are looked up
	}
	return f
}

func (f *Filter) parse(param string, values []string, bad *task.Invalid) {
	name, not := strings.CutSuffix(param, "!")
	read, once := single[param]
	looks, tested := fields[name]
	label, labeled := strings.CutPrefix(param, "label.")
	switch {
	case labeled && len(values) == 1:
		f.Labels[label] = values[0]
	case !once && !tested && !labeled:
		bad.Add(param, "is not a filter: want label.KEY or one of %s", strings.Join(FilterNames(), ", "))
	case slices.Contains(values, ""):
		bad.Add(param, "is empty, which selects nothing: leave it out to have all")
	case !tested && len(values) != 1:
		bad.Add(param, "is given %d times: want it once", len(values))
	case once:
		if wrong := read(f, values[0]); wrong != "" {
			bad.Add(param, "%s", wrong)
		}
	default:
		f.test(name, not, values, looks, bad)
	}
}

// test adds what is tested of a field, where it can be looked up in the form for that.
func (f *Filter) test(name string, not bool, values []string, looks field, bad *task.Invalid) {
	for _, v := range values {
		if looks.want == nil {
			break
		}
		if wrong := looks.want(v); wrong != "" {
			bad.Add(name, "%s", wrong)
			return
		}
	}
	switch {
	case name == "state" && !not:
		for _, v := range values {
			s, _ := task.ParseState(v)
			f.States = append(f.States, s)
		}
	case name == "queue" && !not && len(values) == 1:
		f.Queue = values[0]
	default:
		f.Tests = append(f.Tests, Test{name, not, values})
	}
}

// Empty tells whether the filter selects all tasks.
func (f *Filter) Empty() bool {
	return len(f.States) == 0 && f.Queue == "" && f.Root == "" && f.Parent == "" && f.CreatedAfter.IsZero() && f.CreatedBefore.IsZero() && !f.filtersRows()
}

// filtersRows tells whether something has to be tested that is not looked up.
func (f *Filter) filtersRows() bool {
	times := []time.Time{f.StartedAfter, f.StartedBefore, f.FinishedAfter, f.FinishedBefore}
	return f.Name != "" || f.Function != "" || f.TargetHost != "" || len(f.Labels) > 0 || len(f.Tests) > 0 || f.Parent != "" ||
		f.Error != "" || f.IDPrefix != "" || f.MinAttempts > 0 || slices.ContainsFunc(times, func(t time.Time) bool { return !t.IsZero() })
}

// matches tells whether a task is selected, but for its root and the parent's name.
func (f *Filter) matches(t *Task) bool {
	switch {
	case len(f.States) > 0 && !slices.Contains(f.States, t.State),
		f.Queue != "" && f.Queue != t.Queue,
		f.Name != "" && f.Name != t.Spec.Name,
		f.Function != "" && f.Function != t.Spec.Function,
		f.TargetHost != "" && !strings.EqualFold(f.TargetHost, hostOf(t.Spec.URL)),
		f.Error != "" && !strings.Contains(strings.ToLower(t.LastError), strings.ToLower(f.Error)),
		f.IDPrefix != "" && !strings.HasPrefix(t.PublicID(), f.IDPrefix) && !strings.HasPrefix(t.ID.String(), f.IDPrefix),
		t.Attempts() < f.MinAttempts,
		!f.CreatedAfter.IsZero() && compareIDs(t.ID, task.FloorID(f.CreatedAfter)) < 0,
		!f.CreatedBefore.IsZero() && compareIDs(t.ID, task.FloorID(f.CreatedBefore)) >= 0,
		!within(t.LastStarted, f.StartedAfter, f.StartedBefore),
		!within(t.FinishedAt, f.FinishedAfter, f.FinishedBefore):
		return false
	}
	for k, v := range f.Labels {
		if had, ok := t.Spec.Labels[k]; !ok || had != v {
			return false
		}
	}
	return !slices.ContainsFunc(f.Tests, func(test Test) bool { return !test.holds(t) })
}

func (test *Test) holds(t *Task) bool {
	looks := fields[test.Field]
	had := looks.of(t)
	return test.Not != slices.ContainsFunc(test.Values, func(want string) bool {
		if looks.same != nil {
			return looks.same(had, want)
		}
		return had == want
	})
}

func compareIDs(a, b task.ID) int { return bytes.Compare(a[:], b[:]) }

// within tells whether a time is from after on and before before; what has no time is not
// when one of them is given.
func within(at int64, after, before time.Time) bool {
	return (after.IsZero() || at != 0 && at >= after.UnixMicro()) && (before.IsZero() || at != 0 && at < before.UnixMicro())
}

// hostOf returns host or host:port, as it stands in the URL.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

// order is a sort that is not by creation.
type order struct {
	by    store.Order
	state task.State // of all tasks that are sorted so
}

var orders = map[string]order{
	"-finished_at": {store.ByFailure, task.Failed},
	"next_at":      {store.ByDue, task.Scheduled},
	"position":     {store.ByPlace, task.Ready},
	"started_at":   {store.ByStart, task.Running},
}

// Sorts are what a listing can be sorted by.
var Sorts = []string{"-created_at", "-finished_at", "next_at", "position", "started_at"}

// CheckSort notes what is wrong with the sort: most are of one state alone.
func (f *Filter) CheckSort(bad *task.Invalid) {
	if o, ok := orders[f.Sort]; ok {
		if len(f.States) != 1 || f.States[0] != o.state {
			bad.Add("sort", "is %s, which is a sort of one state: add state=%s", f.Sort, o.state)
		}
	} else if f.Sort != "" && f.Sort != Sorts[0] {
		bad.Add("sort", "is %q: want one of %s", f.Sort, strings.Join(Sorts, ", "))
	}
}
