// Package events is what happens to tasks, as it happens: a Hub keeps the last of it and
// hands it to who listens, and to other nodes. Nothing here is on disk: what a Hub no
// longer has is lost, and whoever missed something is told that. It costs nothing while
// nobody listens.
package events

import (
	"strings"

	"github.com/sendoff-dev/sendoff/task"
)

// Event is something that happened to a task. Nodes of several versions read it: its
// names stay.
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
}

// The types of events that are no state of a task.
const (
	Created  = "created"
	Started  = "started"
	Retrying = "retrying" // an attempt has ended, and another one is due later
	Reset    = "reset"    // events are missing here: look at the tasks themselves
)

// Of describes a task in an event.
func Of(typ string, id task.ID, spec *task.Spec, state task.State, why task.Reason) Event {
	e := Event{
		Type: typ, Task: spec.PublicID(id), Kind: spec.Kind.String(), Name: spec.Name, State: state.String(), Reason: why.String(), Labels: spec.Labels,
	}
	if spec.ClientID != "" {
		e.UUID = id.String()
	}
	return e
}

// Topics say which events somebody wants. None = all.
type Topics struct {
	queues, tasks map[string]bool
	all           bool
}

// ParseTopics reads tasks, queue:NAME and task:ID, separated by commas. wrong is the first
// that is none of them.
func ParseTopics(text string) (t Topics, wrong string) {
	t = Topics{queues: map[string]bool{}, tasks: map[string]bool{}, all: text == ""}
	if t.all {
		return t, ""
	}
	for topic := range strings.SplitSeq(text, ",") {
		name, of, _ := strings.Cut(strings.TrimSpace(topic), ":")
		switch {
		case name == "tasks" && of == "":
			t.all = true
		case name == "queue" && of != "":
			t.queues[of] = true
		case name == "task" && of != "":
			t.tasks[of] = true
		default:
			return t, topic
		}
	}
	return t, ""
}

// WrongTopic is the error of a topic that is none.
func WrongTopic(topic string) error {
	var bad task.Invalid
	bad.Add("topics", "%q is no topic: want tasks, queue:NAME or task:ID, several of them with commas", topic)
	return bad
}

// Has tells whether an event is wanted.
func (t *Topics) Has(e *Event) bool {
	return e.Type == Reset || t.all || t.queues[e.Queue] || t.tasks[e.Task] || t.tasks[e.UUID]
}
