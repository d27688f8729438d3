package operate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/internal/events"
	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Called is what a node knows of endpoints that it calls itself.
type Called interface {
	Endpoints() []Endpoint          // those that were called lately
	ResetEndpoint(name string) bool // forget what went wrong; false = it was not called lately
	ProbeEndpoint(name string) bool // let the next attempt go at once, and see; likewise
	Self() (node task.ID, name string)
}

// EndpointsConfig is the Config of Endpoints. Store, Called and Asked are required.
type EndpointsConfig struct {
	Store   store.Views
	Called  Called
	Workers func() []Worker        // processes of this node's pool; nil = it has none
	Replace func(number int) error // one of these, when its task has ended; required with Workers
	Events  *events.Hub            // of this node; nil = it has none
	Listens func()                 // somebody listens to events here: tell the other nodes; required with Events
	Shared  bool                   // other nodes use the store
	Every   time.Duration          // between what is told to the other nodes; default 3 s
	Asked   func()                 // all nodes are asked for something, or hosts were paused: tell them

	// First makes the next task due that was put off at a host, and returns its id; "" = there
	// is none. nil = nobody does.
	First func(ctx context.Context, host string) (id string, err error)

	Now func() int64 // the database's clock, in microseconds; default this machine's
	Log *slog.Logger // nil = none
}

// Endpoints looks at the hosts and apps that all nodes call, and lets those in again
// that are held back. Safe for concurrent use.
//
// Each node writes what it knows into a row of its own, when that has changed: every
// three seconds at most, and the endpoints that are held back and were called last
// before the others.
type Endpoints struct {
	cfg   EndpointsConfig
	look  chan struct{}
	told  []byte // what the other nodes know; Run's own
	turns int    // likewise

	mu   sync.Mutex
	done map[task.ID]int64 // resets, with the time at which they were asked for

	reading sync.Mutex
	paused  atomic.Pointer[map[string]int64] // hosts that get no pushes, and since when
}

// NewEndpoints returns an Endpoints. Run has to run for other nodes to be heard.
func NewEndpoints(cfg EndpointsConfig) *Endpoints {
	need.Fields(cfg, "Store", "Called", "Asked")
	if cfg.Every == 0 {
		cfg.Every = 3 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = func() int64 { return time.Now().UnixMicro() }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	es := &Endpoints{cfg: cfg, look: make(chan struct{}, 1), done: map[task.ID]int64{}}
	es.paused.Store(&map[string]int64{})
	return es
}

// Endpoint is what one node knows of an endpoint. Nodes of several versions read it:
// its names stay.
type Endpoint struct {
	Endpoint    string    `json:"endpoint"` // without credentials
	Kind        task.Kind `json:"kind"`
	State       string    `json:"state"`            // open, slow or paused
	Reason      string    `json:"reason,omitempty"` // a word for why it is not open
	Detail      string    `json:"detail,omitempty"` // the same, for people
	Since       int64     `json:"since,omitempty"`  // it is not open, in microseconds; 0 = it is
	PausedUntil int64     `json:"paused_until,omitempty"`
	Limit       int       `json:"limit"` // attempts at a time, on its host
	InFlight    int       `json:"in_flight,omitempty"`
	Waiting     int       `json:"waiting,omitempty"`
	Succeeded   int64     `json:"succeeded,omitempty"`
	Failed      int64     `json:"failed,omitempty"`
	PutOff      int64     `json:"put_off,omitempty"` // tasks, without an attempt
	LastError   string    `json:"last_error,omitempty"`
	SDK         string    `json:"sdk,omitempty"`
	Used        int64     `json:"used,omitempty"`
}

// report is what a node tells the others.
type report struct {
	Endpoints []Endpoint `json:"endpoints"`
	More      int        `json:"more,omitempty"` // that are left out
	Workers   []Worker   `json:"workers,omitempty"`

	Events events.Told `json:"events,omitzero"`
}

// What a node tells the others: so many endpoints and workers, and so many bytes of a text.
const (
	maxTold = 200
	maxText = 200
)

// List lists what all nodes know, by endpoint. Of other nodes it is what they have
// told last.
func (es *Endpoints) List(ctx context.Context) ([]EndpointInfo, error) {
	self, name := es.cfg.Called.Self()
	m := merging{}
	for _, e := range es.cfg.Called.Endpoints() {
		m.add(EndpointOnNode{Node: self, Name: name, At: es.cfg.Now(), Endpoint: e})
	}
	views, err := es.others(ctx, self)
	for _, v := range views {
		for _, e := range v.Endpoints {
			m.add(EndpointOnNode{Node: v.Node, Name: v.Name, At: v.At, Endpoint: e})
		}
	}
	return es.addPaused(m.list()), err
}

type nodeView struct {
	store.View
	report
}

// others are what other nodes have told. What a node of another version tells in a way
// of its own is left out.
func (es *Endpoints) others(ctx context.Context, self task.ID) ([]nodeView, error) {
	if !es.cfg.Shared {
		return nil, nil
	}
	rows, err := es.cfg.Store.Views(ctx)
	if err != nil {
		return nil, err
	}
	var out []nodeView
	for _, row := range rows {
		v := nodeView{View: row}
		if row.Node != self && json.Unmarshal(row.Body, &v.report) == nil {
			out = append(out, v)
		}
	}
	return out, nil
}

// Reset has all nodes forget what went wrong with an endpoint, and returns its name. It
// may be named by any URL below it. What was put off already comes when it is due.
// store.ErrNotFound, task.Invalid.
func (es *Endpoints) Reset(ctx context.Context, endpoint string) (name string, err error) {
	names, err := namesOf(endpoint)
	if err != nil {
		return "", err
	}
	self, _ := es.cfg.Called.Self()
	views, err := es.others(ctx, self)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		known := es.cfg.Called.ResetEndpoint(name)
		for _, v := range views {
			known = known || slices.ContainsFunc(v.Endpoints, func(e Endpoint) bool { return e.Endpoint == name })
		}
		if known {
			return name, es.ask(ctx, store.Reset{Endpoint: name})
		}
	}
	return "", fmt.Errorf("endpoint %s: %w: no node has called it lately", names[0], store.ErrNotFound)
}

// ask has the other nodes do the same.
func (es *Endpoints) ask(ctx context.Context, r store.Reset) error {
	if !es.cfg.Shared {
		return nil
	}
	r.ID = task.ID(uuid.Must(uuid.NewV7()))
	es.mu.Lock()
	es.done[r.ID] = es.cfg.Now()
	es.mu.Unlock()
	if err := es.cfg.Store.AskReset(ctx, r); err != nil {
		return err
	}
	es.cfg.Asked()
	return nil
}

// namesOf are what a URL may be known by: as an endpoint, and as a host.
func namesOf(endpoint string) ([]string, error) {
	u, err := egress.ParseTarget(strings.TrimSpace(endpoint))
	if err != nil || u.Scheme == "" || u.Host == "" {
		return nil, task.Invalid{{Field: "endpoint", Message: `is not the URL of an endpoint: want something like "https://app.example"`}}
	}
	host := u.Scheme + "://" + u.Host
	return slices.Compact([]string{host + strings.TrimRight(u.EscapedPath(), "/"), host}), nil
}

// Look has Run look at once for what all nodes were asked for.
func (es *Endpoints) Look() {
	select {
	case es.look <- struct{}{}:
	default:
	}
}

// Run tells other nodes what this one knows, and does what they ask for, until ctx
// ends. Without other nodes there is nothing to do.
func (es *Endpoints) Run(ctx context.Context) error {
	if !es.cfg.Shared {
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-es.look:
		case <-time.After(es.every()):
		}
		if err := es.turn(ctx); err != nil && ctx.Err() == nil {
			es.cfg.Log.Debug("what nodes know of endpoints was not exchanged", "err", err)
		}
	}
}

// every is the time to the next turn: while somebody listens to events these are to be new.
func (es *Endpoints) every() time.Duration {
	if es.cfg.Events != nil && es.cfg.Events.Wanted() {
		return min(es.cfg.Every, time.Second)
	}
	return es.cfg.Every
}

// hear takes the events of other nodes while somebody listens to them here, who also lets
// the others know. Now and then it looks whether there is one elsewhere, of whom no hint came.
func (es *Endpoints) hear(ctx context.Context) error {
	hub := es.cfg.Events
	if hub == nil {
		return nil
	}
	es.turns++
	if hub.Listened() {
		es.cfg.Listens()
	} else if es.turns%10 != 0 {
		return nil
	}
	self, _ := es.cfg.Called.Self()
	views, err := es.others(ctx, self)
	if err != nil {
		return err
	}
	all := map[string]events.Told{}
	for _, v := range views {
		all[v.Node.String()] = v.Events
	}
	hub.Hear(all)
	return nil
}

// overlap is for how long a commit may have been under way when we looked.
const overlap = int64(time.Minute / time.Microsecond)

func (es *Endpoints) turn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	now := es.cfg.Now()
	resets, err := es.cfg.Store.Resets(ctx, now-overlap)
	if err != nil {
		return err
	}
	es.mu.Lock()
	for id, at := range es.done {
		if at < now-2*overlap {
			delete(es.done, id)
		}
	}
	for _, r := range resets {
		if _, done := es.done[r.ID]; !done {
			es.done[r.ID] = r.At
			es.do(r)
		}
	}
	es.mu.Unlock()
	return errors.Join(es.Refresh(ctx), es.hear(ctx), es.tell(ctx))
}

// do does what another node has asked for.
func (es *Endpoints) do(r store.Reset) {
	switch r.Kind {
	case store.ResetEndpoint:
		es.cfg.Called.ResetEndpoint(r.Endpoint)
	case store.ProbeEndpoint:
		es.cfg.Called.ProbeEndpoint(r.Endpoint)
	case store.ReplaceWorker:
		es.replace(r.Endpoint)
	}
}

// tell writes what this node knows, when it is something new.
func (es *Endpoints) tell(ctx context.Context) error {
	v := tellable(es.cfg.Called.Endpoints())
	v.Workers = tellableWorkers(es.workers())
	if es.cfg.Events != nil {
		v.Events = es.cfg.Events.Tell()
	}
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	self, _ := es.cfg.Called.Self()
	mark := append(slices.Clone(self[:]), body...) // a node that has lost its lease is another one
	if bytes.Equal(mark, es.told) {
		return nil
	}
	if err := es.cfg.Store.SetView(ctx, self, body); err != nil {
		return err
	}
	es.told = mark
	return nil
}

// tellable cuts what a node knows down to what others are told.
func tellable(all []Endpoint) report {
	slices.SortStableFunc(all, func(a, b Endpoint) int {
		return cmp.Or(cmp.Compare(rank(b.State), rank(a.State)), cmp.Compare(b.Used, a.Used))
	})
	v := report{Endpoints: all}
	if v.More = len(all) - maxTold; v.More > 0 {
		v.Endpoints = all[:maxTold]
	} else {
		v.More = 0
	}
	for i := range v.Endpoints {
		e := &v.Endpoints[i]
		e.Detail, e.LastError = cut(e.Detail), cut(e.LastError)
	}
	return v
}

func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "..."
}
