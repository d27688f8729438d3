// Package pages has the pages of the console, as they are written down in *.templ; what
// stands in *_templ.go is made of that by make console. A page shows what it is given and
// asks for nothing.
package pages

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/a-h/templ"

	"github.com/sendoff-dev/sendoff"
)

// Frame is what is around a page.
type Frame struct {
	Title, Path         string
	Base                string // below which all pages are; "" = the root of the host
	Style, Script, Icon string // paths of assets
	KeysOff             bool   // pages do not listen to single keys
	Theme               string // light, dark; "" = as the system has it
	Version             string
	Who, Namespace      string
	SignedOn            bool // with a key, by the page for that
	Admin, Whole        bool // may see the audit; what is of the whole server
	MayAct, MaySubmit   bool
	Topics              string // events that change the page; "" = none
	Still               bool   // it is not asked for again by itself
	Did                 string // what was done last, for people; "" = nothing
}

// SignOn is the page that asks for a key.
type SignOn struct {
	Next  string // where to go on
	Wrong string // what was wrong with the last one
}

// Count is how many tasks there are, to 10,000.
type Count struct {
	Value int  `json:"value"`
	Exact bool `json:"exact"`
}

func (c *Count) String() string {
	switch {
	case c == nil:
		return ""
	case c.Exact:
		return number(int64(c.Value))
	}
	return number(int64(c.Value)) + "+"
}

// TaskItems is a page of GET /v1/tasks.
type TaskItems struct {
	Items     []sendoff.Task `json:"items"`
	Next      string         `json:"next_cursor"`
	Partial   bool           `json:"partial"`
	ScannedTo string         `json:"scanned_to"`
	Indexed   []string       `json:"indexed"`
	Count     *Count         `json:"count"`
}

// Tasks is the list of tasks.
type Tasks struct {
	Query, Selects url.Values
	Filter         string // as it would be typed
	Views          []sendoff.View
	Page           TaskItems
}

// saves is the query of the list that can be saved; "" = it selects nothing.
func (l *Tasks) saves() string {
	q := with(with(l.Query, "count", ""), "did", "")
	return q.Encode()
}

// csv is the address of the same tasks as a file.
func (l *Tasks) csv() templ.SafeURL {
	q := maps.Clone(l.Query)
	q.Del("count")
	return query("/tasks.csv", q)
}

// Task is the page of one.
type Task struct {
	Task         sendoff.Task
	Attempts     []sendoff.Attempt
	MoreAttempts bool
	Steps        *sendoff.StepPage // of a function; nil = of another task
	Calls        []sendoff.Task
	MoreCalls    bool
}

// StateCount is how many tasks are in a state.
type StateCount struct {
	State string
	Count *Count
}

// OverviewRows is how many tasks the lists of the first page have at most.
const OverviewRows = 8

// Overview is the first page.
type Overview struct {
	Counts          []StateCount
	Lately          *Count // tasks that have failed within the hour
	History         History
	Queues          []sendoff.QueueStats
	Failed, Running []sendoff.Task
	Alike           []sendoff.FailureGroup // that failed last and are not muted
	Nodes           []sendoff.Node
	Me              sendoff.Me
}

// Queue is the page of one.
type Queue struct {
	Queue   sendoff.Queue
	Stats   sendoff.QueueStats
	History History
	Newest  []sendoff.Task
}

// Schedule is the page of one.
type Schedule struct {
	Schedule sendoff.Schedule
	Next     []sendoff.FireTime
	Fires    []sendoff.Fire
}

// Dry is what an action on many tasks would do.
type Dry struct {
	Action  string
	To      string // what tasks are to become
	IDs     []string
	Filter  url.Values
	Text    string // of the filter
	Bound   string
	Preview sendoff.ActionPreview
}

// Action is the page of one.
type Action struct {
	Action  sendoff.Action
	Text    string
	Touched []sendoff.ActionItem
}

// States are those that a task can be in, in the order of a task's way.
var States = []string{"ready", "running", "scheduled", "suspended", "blocked", "failed", "canceled", "succeeded"}

// icons say a state without color.
var icons = map[string]string{
	"ready": "○", "running": "▶", "scheduled": "◷", "suspended": "‖", "blocked": "⊘", "failed": "✕", "canceled": "–", "succeeded": "✓",
	"waiting": "○", "queued": "○", "skipped": "»", "interrupted": "!",
}

func icon(state string) string { return cmp.Or(icons[state], "?") }

// did are words for what was done, by what stands in the address.
var did = map[string]string{
	"canceled": "Canceled.", "retried": "It runs again.", "run": "It runs now.", "restarted": "It was begun again.", "deleted": "Deleted.",
	"submitted": "Submitted.", "dropped": "Nothing was submitted: this task is there already.", "changed": "Changed.",
	"muted": "Muted.", "unmuted": "It is not muted any more.",
	"paused": "Paused.", "resumed": "Resumed.", "started": "Started.", "aborted": "Aborted.", "undone": "It is being undone.",
	"saved": "Saved.", "forgotten": "Forgotten.", "revoked": "Revoked.", "kept": "Kept.",
	"probed": "It is asked whether it is well.", "drained": "It claims nothing more.", "undrained": "It claims again.",
	"replaced": "It ends with its task, and another one is started.",
}

// Did says what was done; "" = nothing that is known.
func Did(word string) string { return did[word] }

// Waiting is how much a queue has to do.
func Waiting(s *sendoff.QueueStats) int64 {
	return s.Ready + s.Scheduled + s.Running + s.Suspended + s.Blocked
}

// NameOf is what a task is called by people.
func NameOf(t *sendoff.Task) string { return cmp.Or(t.Name, TargetOf(t), t.ID) }

// TargetOf is what carries a task out.
func TargetOf(t *sendoff.Task) string { return cmp.Or(t.Function, t.Process, t.Handler, t.URL) }

func short(id string) string {
	if len(id) < 13 {
		return id
	}
	return "…" + id[len(id)-12:]
}

// number has its thousands apart.
func number(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func machine(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// about is how far away a time is.
func about(t time.Time) string {
	d := time.Until(t)
	if d > 0 {
		return "in " + span(d)
	}
	return span(-d) + " ago"
}

// span is a duration for people.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// when is the time that matters of a task: when it ended, began, or is due.
func when(t *sendoff.Task) time.Time {
	switch {
	case t.Final() && !t.FinishedAt.IsZero():
		return t.FinishedAt
	case t.State == "running" && !t.StartedAt.IsZero():
		return t.StartedAt
	case t.State == "scheduled" && !t.NextAt.IsZero():
		return t.NextAt
	}
	return t.CreatedAt
}

// shownMost is how much of what a task carries a page has, in bytes.
const shownMost = 64 << 10

// pretty is JSON for people, with its numbers as they are.
func pretty(b []byte) string {
	var text string
	var out bytes.Buffer
	switch {
	case json.Unmarshal(b, &text) == nil:
	case json.Indent(&out, b, "", "  ") == nil:
		text = out.String()
	default:
		text = string(b)
	}
	return clip(text)
}

// clip keeps the beginning of a long text.
func clip(text string) string {
	if len(text) <= shownMost {
		return text
	}
	cut := shownMost
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + fmt.Sprintf("\n… %s bytes more", number(int64(len(text)-cut)))
}

// dump shows bytes that are no text.
func dump(b []byte) string {
	text := hex.Dump(b[:min(len(b), 4<<10)])
	if len(b) > 4<<10 {
		text += fmt.Sprintf("… %s bytes more\n", number(int64(len(b)-4<<10)))
	}
	return text
}

// line is the first line of a text, for a table.
func line(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	if utf8.RuneCountInString(text) > 160 {
		text = string([]rune(text)[:160]) + "…"
	}
	return text
}

// to is a path whose last part is a name.
func to(kind, name string) templ.SafeURL {
	return templ.SafeURL("/" + kind + "/" + url.PathEscape(name))
}

func verb(kind, name, verb string) templ.SafeURL { return to(kind, name) + templ.SafeURL("/"+verb) }

// list is the address of the list of tasks with parameters: name, value, name, value...
func list(pairs ...string) templ.SafeURL {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Add(pairs[i], pairs[i+1])
	}
	return query("/tasks", q)
}

func query(path string, q url.Values) templ.SafeURL {
	return templ.SafeURL((&url.URL{Path: path, RawQuery: q.Encode()}).String())
}

// with is a query in which a parameter has another value; "" = none.
func with(q url.Values, name, value string) url.Values {
	out := url.Values{}
	for n, v := range q {
		if n != name && n != "cursor" {
			out[n] = v
		}
	}
	if value != "" {
		out.Set(name, value)
	}
	return out
}

// sortOf is the order that suits a state.
func sortOf(state string) string {
	return map[string]string{"failed": "-finished_at", "scheduled": "next_at", "ready": "position", "running": "started_at"}[state]
}

// tab is the list of a state within what is selected.
func tab(selects url.Values, state string) templ.SafeURL {
	q := with(with(selects, "sort", sortOf(state)), "state", state)
	return query("/tasks", q)
}

// bulkLink leads to the dry run of an action on all that is selected.
func bulkLink(selects url.Values, action string) templ.SafeURL {
	return query("/actions/new", with(selects, "action", action))
}

// curl is the question of a page as a command.
func curl(q url.Values) string {
	return "curl -s \"$SENDOFF_URL" + (&url.URL{Path: "/v1/tasks", RawQuery: q.Encode()}).String() + "\""
}

func pairsOf(q url.Values) (pairs [][2]string) {
	for _, name := range slices.Sorted(maps.Keys(q)) {
		for _, v := range q[name] {
			pairs = append(pairs, [2]string{name, v})
		}
	}
	return pairs
}

func sortedPairs(m map[string]string) (pairs [][2]string) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, [2]string{name, m[name]})
	}
	return pairs
}

// planOf is when a schedule fires.
func planOf(s *sendoff.Schedule) string {
	switch {
	case s.Cron != "":
		return s.Cron + " " + s.Timezone
	case s.Every != "":
		return "every " + s.Every
	case s.At != "":
		return "at " + s.At
	}
	return fmt.Sprintf("%d times", len(s.Times))
}

// graphOf is the graph that a schedule runs; "" = it makes another task, or that is not shown.
func graphOf(s *sendoff.Schedule) string {
	var t struct{ Graph string }
	_ = json.Unmarshal(s.Task, &t) // left out for some keys
	return t.Graph
}

// madeBy is the kind of page of what a schedule has made.
func madeBy(s *sendoff.Schedule) string {
	if graphOf(s) != "" {
		return "graph-runs"
	}
	return "tasks"
}

// may tells what can be done to a task as it stands.
func may(t *sendoff.Task, verb string) bool {
	switch verb {
	case "cancel":
		return !t.Final()
	case "change":
		return startable(t)
	case "retry":
		return t.State == "failed" || t.State == "canceled"
	case "run":
		return t.State == "scheduled"
	case "restart":
		return t.State == "blocked" && t.Reason == "mismatch"
	case "delete":
		return t.Final()
	}
	return false
}

// progress is how much of an action is done, of 100.
func progress(a *sendoff.Action) int {
	if a.Matched == 0 {
		return 0
	}
	return int(min(100, (a.Done+a.Passed+a.Failed)*100/int64(a.Matched)))
}

// capital is a word as a button has it.
func capital(word string) string {
	return strings.ToUpper(word[:min(len(word), 1)]) + word[min(len(word), 1):]
}

func attemptsWord(t *sendoff.Task) string {
	if t.Attempts == 1 && t.MaxAttempts <= 1 {
		return "attempt"
	}
	return "attempts"
}

func text(n int) string { return strconv.Itoa(n) }
