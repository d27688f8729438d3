package dev

import (
	"encoding/json"
	"io"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/calltree"
)

// jsonView prints an object a line.
type jsonView struct {
	quietView
	out *json.Encoder
	s   *session
}

func newJSONView(s *session, w io.Writer) *jsonView {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return &jsonView{out: e, s: s}
}

// The events of --json.
type (
	startEvent struct {
		Event    string            `json:"event"`
		Time     time.Time         `json:"time"`
		Server   string            `json:"server"`
		Endpoint string            `json:"endpoint"`
		Env      map[string]string `json:"env,omitempty"` // for an app that is started by somebody else
	}
	logEvent struct {
		Event  string    `json:"event"`
		Time   time.Time `json:"time"`
		Source string    `json:"source"`
		Stream string    `json:"stream"`
		Line   string    `json:"line"`
	}
	callEvent struct {
		Event      string        `json:"event"`
		Time       time.Time     `json:"time"`
		ID         string        `json:"id"`
		ParentID   string        `json:"parent_id,omitempty"`
		Name       string        `json:"name"`
		State      sendoff.State `json:"state"`
		Reason     string        `json:"reason,omitempty"`
		Attempt    int           `json:"attempt"`
		RoundTrips int64         `json:"round_trips,omitempty"`
		StartedAt  time.Time     `json:"started_at,omitzero"`
		FinishedAt time.Time     `json:"finished_at,omitzero"`
		NextAt     time.Time     `json:"next_at,omitzero"`
		Error      string        `json:"error,omitempty"`
	}
	endEvent struct {
		Event      string                `json:"event"`
		Time       time.Time             `json:"time"`
		ExitCode   int                   `json:"exit_code"`
		Command    string                `json:"command,omitempty"` // how it ended
		Calls      int                   `json:"calls"`
		Ended      map[sendoff.State]int `json:"ended"`
		Unfinished int                   `json:"unfinished"`
	}
)

func (v *jsonView) print(event any) { _ = v.out.Encode(event) } // whoever reads it may have gone

func (v *jsonView) start() {
	s := v.s
	e := startEvent{Event: "start", Time: time.Now(), Server: s.server.URL(), Endpoint: s.endpoint}
	if s.c.forURL() {
		e.Env = map[string]string{}
		for _, x := range s.variables() {
			e.Env[x.name] = x.value
		}
	}
	v.print(e)
	for _, c := range s.feed.Forest.Sorted() {
		v.call(nil, c)
	}
}

func (v *jsonView) log(l logLine) {
	v.print(logEvent{"log", time.Now(), l.source, l.stream, l.text})
}

func (v *jsonView) call(_, c *calltree.Call) { v.print(callEventOf(c)) }

func callEventOf(c *calltree.Call) callEvent {
	return callEvent{
		Event: "call", Time: time.Now(), ID: c.ID, ParentID: c.Parent, Name: c.Name, State: c.State, Reason: c.Reason, Attempt: c.Attempt,
		RoundTrips: c.Trips, StartedAt: c.Began, FinishedAt: c.Ended, NextAt: c.Next, Error: c.Err,
	}
}

func (v *jsonView) close(end runEnd) {
	f := v.s.feed.Forest
	v.print(endEvent{"end", time.Now(), end.code, end.cause, f.Total, f.Ended, end.unfinished})
}
