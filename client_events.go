package sendoff

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Event is something that happened to a task, or to what a topic names besides.
type Event struct {
	// Type is task.created, task.started, task.retrying, task. with the state that the task
	// has come to; schedule.fired, schedule.changed, schedule.deleted; action.changed;
	// node.joined, node.draining, node.left; or EventReset.
	Type string    `json:"type"`
	At   time.Time `json:"at,omitzero"`

	Task     EventTask      `json:"task,omitzero"` // zero when it is about something else
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

// EventReset is the type of an event that stands for others which are missing: what
// they said is seen at the tasks themselves.
const EventReset = "reset"

// EventTask is the task that something happened to, without what it carries.
type EventTask struct {
	ID      string            `json:"id,omitempty"`
	Queue   string            `json:"queue,omitempty"`
	Kind    string            `json:"kind,omitempty"`
	Name    string            `json:"name,omitempty"`
	State   State             `json:"state,omitempty"`
	Reason  string            `json:"reason,omitempty"`
	Attempt int               `json:"attempt,omitempty"` // 0 = none has begun
	Node    string            `json:"node,omitempty"`    // that saw it
	Labels  map[string]string `json:"labels,omitempty"`

	Schedule string `json:"schedule,omitempty"` // that has made it
}

// errStreamOver says that a server has ended a stream, as it does when it stops.
var errStreamOver = errors.New("the stream of events has ended")

// Tail hears what happens to tasks from now on, until ctx ends or the loop does; it comes
// back by itself when the connection is lost. topics are "tasks", "queue:NAME",
// "task:ID", "schedule:NAME" with the tasks that it makes, "action:ID" and "nodes"; none =
// tasks. A refusal ends it with a *Problem. It is for watching: who has
// to act on the end of a task gives that task callbacks, see [NewTask.OnComplete].
func (t Tasks) Tail(ctx context.Context, topics ...string) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		last := ""
		for try := 0; ; try++ {
			before := last
			err := t.c.stream(ctx, topics, &last, func(e *Event) bool { return yield(e, nil) })
			var refused *Problem
			switch {
			case err == nil, ctx.Err() != nil:
				return
			case errors.As(err, &refused) && refused.Status < http.StatusInternalServerError, errors.Is(err, errNotSendoff), try >= 10:
				yield(nil, err)
				return
			case last != before:
				try = 0
			}
			if sleep(ctx, resendAfter(try)) != nil {
				return
			}
		}
	}
}

// stream reads events until each says no, which is no error. last is the id of the one
// that was read last.
func (c *Client) stream(ctx context.Context, topics []string, last *string, each func(*Event) bool) error {
	r := request{method: http.MethodGet, path: "/v1/events"}
	if len(topics) > 0 {
		r.query = url.Values{"topics": {strings.Join(topics, ",")}}
	}
	req, err := c.request(ctx, r, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream, application/problem+json")
	if *last != "" {
		req.Header.Set("Last-Event-ID", *last)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(io.LimitReader(res.Body, maxReply))
		return problemOf(res, answer)
	}
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return fmt.Errorf("%w: %s", errNotSendoff, c.base)
	}
	return readEvents(bufio.NewScanner(res.Body), last, each)
}

// readEvents reads messages as the section "Server-sent events" of the HTML standard has
// them.
func readEvents(lines *bufio.Scanner, last *string, each func(*Event) bool) error {
	lines.Buffer(nil, 1<<20)
	e, data, id := &Event{}, "", ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		switch value = strings.TrimPrefix(value, " "); name {
		case "id":
			id = value
		case "event":
			e.Type = value
		case "data":
			data += value
		case "":
			if lines.Text() != "" || e.Type == "" {
				continue // a comment, or a message without an event
			}
			if err := json.Unmarshal([]byte(data), e); err != nil {
				return fmt.Errorf("%w: an event cannot be read: %w", errNotSendoff, err)
			}
			if id != "" {
				*last = id
			}
			if !each(e) {
				return nil
			}
			e, data, id = &Event{}, "", ""
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return errStreamOver
}
