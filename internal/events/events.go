// Package events is what happens to tasks, as it happens: a Hub keeps the last of it and
// hands it to who listens, and to other nodes. Nothing here is on disk: what a Hub no
// longer has is lost, and whoever missed something is told that. It costs nothing while
// nobody listens.
package events

import (
	"strings"

	"github.com/sendoff-dev/sendoff/task"
)

// Event is something that happened, to a task when Of is empty. Nodes of several versions
// read it: its names stay.
type Event struct {
	Type      string            `json:"e"` // created, started, retrying, or the state that the task has come to
	At        int64             `json:"at"`
	Namespace int32             `json:"ns,omitempty"`
	Task      string            `json:"id"`             // as the client knows it
	UUID      string            `json:"uuid,omitempty"` // when that is another one
	Queue     string            `json:"q"`
	Kind      string            `json:"k"`
	Name      string            `json:"n,omitempty"`
	State     string            `json:"s"`
	Reason    string            `json:"r,omitempty"`
	Attempt   int32             `json:"a,omitempty"`
	Node      string            `json:"node,omitempty"`
	Labels    map[string]string `json:"l,omitempty"`
	Schedule  string            `json:"sch,omitempty"` // that has made the task

	// What happened to something else has its kind, its id as Task, its name, and the
	// namespace as In: nodes that know of tasks alone leave out what is of no namespace.
	Of string `json:"o,omitempty"`
	In int32  `json:"in,omitempty"`
}

// What else than tasks events are of.
const (
	OfSchedule = "schedule"
	OfAction   = "action"
	OfNode     = "node"
)

// Space is the namespace that an event is for.
func (e *Event) Space() int32 {
	if e.Of != "" {
		return e.In
	}
	return e.Namespace
}

// The types of events that are no state of a task.
const (
	Fired   = "fired"   // something became of a time of a schedule
	Changed = "changed" // a schedule, or how far an action is
	Deleted = "deleted" // a schedule
	Joined  = "joined"  // a node
	Drains  = "draining"
	Left    = "left"

	Created  = "created"
	Started  = "started"
	Retrying = "retrying" // an attempt has ended, and another one is due later
	Reset    = "reset"    // events are missing here: look at the tasks themselves
)

// Of describes a task in an event.
func Of(typ string, id task.ID, spec *task.Spec, state task.State, why task.Reason) Event {
	e := Event{
		Type: typ, Task: spec.PublicID(id), Kind: spec.Kind.String(), Name: spec.Name, State: state.String(), Reason: why.String(), Labels: spec.Labels, Schedule: spec.Schedule,
	}
	if spec.ClientID != "" {
		e.UUID = id.String()
	}
	return e
}

// Topics say which events somebody wants. None = all.
type Topics struct {
	queues, tasks, schedules, actions map[string]bool

	all   bool // of tasks
	nodes bool
}

// ParseTopics reads tasks, queue:NAME, task:ID, schedule:NAME, action:ID and nodes, separated
// by commas. wrong is the first that is none of them.
func ParseTopics(text string) (t Topics, wrong string) {
	t = Topics{queues: map[string]bool{}, tasks: map[string]bool{}, schedules: map[string]bool{}, actions: map[string]bool{}, all: text == ""}
	if t.all {
		return t, ""
	}
	of := map[string]map[string]bool{"queue": t.queues, "task": t.tasks, "schedule": t.schedules, "action": t.actions}
	for topic := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(topic), ":")
		switch {
		case name == "tasks" && value == "":
			t.all = true
		case name == "nodes" && value == "":
			t.nodes = true
		case of[name] != nil && value != "":
			of[name][value] = true
		default:
			return t, topic
		}
	}
	return t, ""
}

// WrongTopic is the error of a topic that is none.
func WrongTopic(topic string) error {
	var bad task.Invalid
	bad.Add("topics", "%q is no topic: want tasks, queue:NAME, task:ID, schedule:NAME, action:ID or nodes, several of them with commas", topic)
	return bad
}

// Has tells whether an event is wanted.
func (t *Topics) Has(e *Event) bool {
	switch e.Of {
	case OfSchedule:
		return t.schedules[e.Name]
	case OfAction:
		return t.actions[e.Task]
	case OfNode:
		return t.nodes
	}
	return e.Type == Reset || t.all || t.queues[e.Queue] || t.tasks[e.Task] || t.tasks[e.UUID] || t.schedules[e.Schedule]
}

// Nodes tells whether events of nodes are wanted.
func (t *Topics) Nodes() bool { return t.nodes }
