package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/events"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Event is what a message of the stream of events says; its type is the event of the message.
type Event struct {
	At       string         `json:"at"`
	Task     *EventTask     `json:"task,omitempty"`
	Schedule *EventSchedule `json:"schedule,omitempty"`
	Action   *EventAction   `json:"action,omitempty"`
	Node     *EventNode     `json:"node,omitempty"`
}

// EventSchedule is the schedule that something happened to.
type EventSchedule struct {
	Name string `json:"name"`
}

// EventAction is the action that has changed, or came further.
type EventAction struct {
	ID string `json:"id"`
}

// EventNode is the node that came, went or claims nothing more.
type EventNode struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// EventTask is the task that something happened to, without what it carries.
type EventTask struct {
	ID      string            `json:"id"`
	Queue   string            `json:"queue"`
	Kind    string            `json:"kind"`
	Name    string            `json:"name,omitempty"`
	State   string            `json:"state"`
	Reason  string            `json:"reason,omitempty"`
	Attempt int32             `json:"attempt,omitempty"`
	Node    string            `json:"node,omitempty" doc:"That saw it."`
	Labels  map[string]string `json:"labels,omitempty"`

	Schedule string `json:"schedule,omitempty" doc:"That has made it."`
}

// keepAlive is the time after which a stream without events says that it is there.
const keepAlive = 15 * time.Second

// maxStreams is how many streams a node has at a time.
const maxStreams = 500

// streams sends events.
type streams struct {
	hub    *events.Hub
	epoch  string // of this node: its numbers mean nothing to another one
	open   chan struct{}
	refuse func(http.ResponseWriter, *problem.Problem)
}

func mountEvents(mux *route.Mux, doc *huma.OpenAPI, hub *events.Hub, refuse func(http.ResponseWriter, *problem.Problem)) {
	s := &streams{hub: hub, epoch: strconv.FormatInt(time.Now().UnixMicro(), 36), open: make(chan struct{}, maxStreams), refuse: refuse}
	mux.HandleFunc(auth.Read, "GET /v1/events", s.serve)
	op := operation(auth.Read, http.MethodGet, "/v1/events", "stream-events", "Hear what happens to tasks, schedules, actions and nodes, as server-sent events", http.StatusOK)
	op.Parameters = []*huma.Param{
		{Name: "topics", In: "query", Schema: &huma.Schema{Type: "string"}, Description: "tasks, queue:NAME, task:ID, schedule:NAME (with the tasks that it makes), action:ID, nodes (with a key of the default namespace), several of them with commas; default tasks."},
		{Name: "Last-Event-ID", In: "header", Schema: &huma.Schema{Type: "string"}, Description: "The id of the last message that was read: the stream goes on behind it, or begins with a reset when it is not known any more."},
	}
	op.Responses = map[string]*huma.Response{"200": {
		Description: "A stream of messages: event is task.created, task.started, task.retrying, task. with the state that the task has come to; schedule.fired, schedule.changed, schedule.deleted; action.changed; node.joined, node.draining, node.left; or reset where messages are missing.",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: schema(doc, Event{})}},
	}}
	for _, status := range []string{"422", "503"} {
		op.Responses[status] = &huma.Response{Description: "Refused", Content: map[string]*huma.MediaType{problem.ContentType: {Schema: schema(doc, problem.Problem{})}}}
	}
	doc.AddOperation(&op)
}

func schema(doc *huma.OpenAPI, of any) *huma.Schema {
	return doc.Components.Schemas.Schema(reflect.TypeOf(of), true, "")
}

func (s *streams) serve(w http.ResponseWriter, r *http.Request) {
	for name := range r.URL.Query() {
		if name != "topics" {
			s.refuse(w, invalidProblem(task.Invalid{{Field: name, Message: "is not a parameter of this request: want topics"}}))
			return
		}
	}
	topics, wrong := events.ParseTopics(r.URL.Query().Get("topics"))
	if wrong != "" {
		s.refuse(w, problemOf(events.WrongTopic(wrong)))
		return
	}
	if who := auth.From(r.Context()); topics.Nodes() && who != nil && who.Elsewhere() {
		s.refuse(w, problem.New(http.StatusForbidden, "forbidden", "nodes are of the whole server: the topic takes a key of the namespace "+auth.DefaultNamespace))
		return
	}
	select {
	case s.open <- struct{}{}:
		defer func() { <-s.open }()
	default:
		p := problem.New(http.StatusServiceUnavailable, "overloaded", fmt.Sprintf("this node has %d streams of events, which is all it takes: ask another one, or look at the tasks now and then", maxStreams))
		s.refuse(w, p)
		return
	}
	after, had := s.after(r.Header.Get("Last-Event-ID"))
	l, known := s.hub.Listen(after)
	defer l.Close()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	out := &stream{w: w, to: http.NewResponseController(w), epoch: s.epoch, topics: topics, namespace: auth.Namespace(r.Context())}
	if out.namespace == 0 {
		out.namespace = store.DefaultNamespace
	}
	first := "retry: 2000\n\n"
	if had && !known {
		first += "event: reset\ndata: {}\n\n"
	}
	if out.write(first) {
		out.follow(r, l)
	}
}

// after is the number in an id of this node; known only to it.
func (s *streams) after(id string) (number uint64, given bool) {
	if id == "" {
		return 0, false
	}
	epoch, text, _ := strings.Cut(id, ".")
	n, err := strconv.ParseUint(text, 10, 64)
	if epoch != s.epoch || err != nil || n == 0 {
		return 1 << 63, true // a number that no hub knows
	}
	return n, true
}

// stream is one that is being sent.
type stream struct {
	w         http.ResponseWriter
	to        *http.ResponseController
	epoch     string
	topics    events.Topics
	namespace int32
}

// write tells whether the client is still there.
func (s *stream) write(text string) bool {
	_ = s.to.SetWriteDeadline(time.Now().Add(30 * time.Second)) // a server without deadlines has none to move
	_, err := s.w.Write([]byte(text))
	return err == nil && s.to.Flush() == nil
}

func (s *stream) follow(r *http.Request, l *events.Listener) {
	for {
		e, number, over := l.Next(r.Context(), keepAlive)
		switch {
		case over:
			return
		case e == nil:
			if !s.write(": keep\n\n") {
				return
			}
		case e.Type != events.Reset && e.Space() != s.namespace, !s.topics.Has(e):
		case !s.write(s.message(e, number)):
			return
		}
	}
}

func (s *stream) message(e *events.Event, number uint64) string {
	id := fmt.Sprintf("id: %s.%d\n", s.epoch, number)
	if e.Type == events.Reset {
		return id + "event: reset\ndata: {}\n\n"
	}
	data, _ := json.Marshal(eventView(e)) // plain data cannot fail
	return fmt.Sprintf("%sevent: %s.%s\ndata: %s\n\n", id, cmp.Or(e.Of, "task"), e.Type, data)
}

func eventView(e *events.Event) Event {
	v := Event{At: timeText(e.At)}
	switch e.Of {
	case events.OfSchedule:
		v.Schedule = &EventSchedule{e.Name}
	case events.OfAction:
		v.Action = &EventAction{e.Task}
	case events.OfNode:
		v.Node = &EventNode{e.Task, e.Name}
	default:
		v.Task = &EventTask{e.Task, e.Queue, e.Kind, e.Name, e.State, e.Reason, e.Attempt, e.Node, e.Labels, e.Schedule}
	}
	return v
}
