package operate

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// PausedHost tells whether pushes to a host are paused.
type PausedHost struct {
	Host   string // with its port when it has one
	Paused bool
	Since  int64 // in microseconds; 0 = it is not paused
}

// Probe is what a host was tried with.
type Probe struct {
	Host      string
	Endpoints []string // of that host, that the nodes ask again
	Task      string   // id of the one that goes first; "" = none of those that were put off was found
}

// ErrHostPaused says that a host cannot be tried.
var ErrHostPaused = errors.New("pushes to it are paused: resume them")

const (
	maxPaused    = 1000       // hosts at a time: each node keeps all of them
	pausedReason = "operator" // why such an endpoint is paused
	pausedText   = "paused by an operator"
)

// PauseHost pauses the pushes to a host on all nodes, or resumes them. What is under way
// goes on; what was put off comes when it is due. host has its port when it has one, and
// may be any URL of it. task.Invalid.
func (es *Endpoints) PauseHost(ctx context.Context, host string, paused bool) (PausedHost, error) {
	host, err := hostNamed(host)
	if err != nil {
		return PausedHost{}, err
	}
	if known := *es.paused.Load(); paused && len(known) >= maxPaused && known[host] == 0 {
		return PausedHost{}, task.Invalid{{Field: "host", Message: fmt.Sprintf("is one too many: %d hosts are paused, resume one of them first", maxPaused)}}
	}
	if err := es.cfg.Store.PauseHost(ctx, host, paused); err != nil {
		return PausedHost{}, err
	}
	es.cfg.Asked()
	if err := es.Refresh(ctx); err != nil {
		return PausedHost{}, err
	}
	since := es.PausedSince(host)
	return PausedHost{Host: host, Paused: since != 0, Since: since}, nil
}

// PausedSince tells since when pushes to a host are paused, in microseconds; 0 = they are
// not.
func (es *Endpoints) PausedSince(host string) int64 {
	paused := *es.paused.Load()
	if len(paused) == 0 {
		return 0
	}
	return paused[strings.ToLower(host)]
}

// Refresh reads anew which hosts are paused. It has to be called once before anything is
// pushed.
func (es *Endpoints) Refresh(ctx context.Context) error {
	es.reading.Lock() // of two that read, the later one has the last word
	defer es.reading.Unlock()
	hosts, err := es.cfg.Store.PausedHosts(ctx)
	if err != nil {
		return err
	}
	paused := make(map[string]int64, len(hosts))
	for _, h := range hosts {
		paused[h.Host] = h.At
	}
	es.paused.Store(&paused)
	return nil
}

// addPaused adds the hosts that are paused and were not called lately.
func (es *Endpoints) addPaused(all []EndpointInfo) []EndpointInfo {
	for host, since := range *es.paused.Load() {
		if slices.ContainsFunc(all, func(e EndpointInfo) bool { return e.Kind == task.HTTP && endpointHost(e.Endpoint.Endpoint) == host }) {
			continue
		}
		all = append(all, EndpointInfo{Endpoint: Endpoint{
			Endpoint: host, Kind: task.HTTP, State: "paused", Reason: pausedReason, Detail: pausedText, Since: since,
		}})
	}
	return all
}

// Probe has all nodes ask at once whether the endpoints of a host are well: the time for
// which they are left alone is over, and the first of the tasks that were put off there
// goes now. task.Invalid, ErrHostPaused, and store.ErrNotFound when no node has called the
// host lately.
func (es *Endpoints) Probe(ctx context.Context, host string) (Probe, error) {
	host, err := hostNamed(host)
	if err != nil {
		return Probe{}, err
	}
	if es.PausedSince(host) != 0 {
		return Probe{}, fmt.Errorf("host %s: %w", host, ErrHostPaused)
	}
	all, err := es.List(ctx)
	if err != nil {
		return Probe{}, err
	}
	p := Probe{Host: host}
	for i := range all {
		if name := all[i].Endpoint.Endpoint; endpointHost(name) == host && !slices.Contains(p.Endpoints, name) {
			p.Endpoints = append(p.Endpoints, name)
		}
	}
	if len(p.Endpoints) == 0 {
		return Probe{}, fmt.Errorf("host %s: %w: no node has called it lately", host, store.ErrNotFound)
	}
	for _, name := range p.Endpoints {
		es.cfg.Called.ProbeEndpoint(name)
		if err := es.ask(ctx, store.Reset{Endpoint: name, Kind: store.ProbeEndpoint}); err != nil {
			return Probe{}, err
		}
	}
	if es.cfg.First != nil {
		p.Task, err = es.cfg.First(store.WithoutAudit(ctx), host)
	}
	return p, err
}

// RunPutOff makes the next task due that was put off at a host, and returns its id; "" =
// it finds none.
func (ts *Tasks) RunPutOff(ctx context.Context, host string) (id string, err error) {
	page, err := ts.List(ctx, Filter{
		States: []task.State{task.Scheduled}, TargetHost: host, Sort: "next_at", Limit: 1,
		Tests: []Test{{Field: "reason", Values: []string{task.PutOff.String(), task.Refused.String()}}},
	})
	if err != nil || len(page.Items) == 0 {
		return "", err
	}
	id = page.Items[0].PublicID()
	_, err = ts.RunNow(ctx, page.Items[0].ID.String())
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrFinal) || errors.Is(err, store.ErrRunning) {
		return "", nil // it came by itself
	}
	return id, err
}

// hostNamed is the host that somebody names, or a URL of it.
func hostNamed(text string) (string, error) {
	raw := strings.TrimSpace(text)
	switch {
	case strings.Contains(raw, "://"):
	case strings.HasSuffix(raw, ":443"): // which https leaves out
		raw = "https://" + raw
	default:
		raw = "http://" + raw
	}
	u, err := egress.ParseTarget(raw)
	if err != nil || u.Host == "" || len(u.Host) > maxText {
		return "", task.Invalid{{Field: "host", Message: `is not a host: want something like "app.example" or "app.example:8080"`}}
	}
	return strings.ToLower(u.Host), nil
}

// endpointHost is the host of an endpoint.
func endpointHost(name string) string {
	u, err := url.Parse(name)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// pushedHost is the host that a task is pushed to; "" = none.
func pushedHost(t *Task) string {
	if t.Spec.URL == "" {
		return ""
	}
	host, err := hostNamed(t.Spec.URL)
	if err != nil {
		return ""
	}
	return host
}
