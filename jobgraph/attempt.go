package jobgraph

import (
	"io"
	"maps"
	"sync"
	"time"
)

// Attempt is one round of Check, Run and Recheck of a job, as its calls see it. The
// calls of an attempt, its Cleanup with them, come one after the other; what else
// has the Attempt must not use it meanwhile.
type Attempt struct {
	Job    *Job
	Number int            // from 1
	Inputs map[string]any // those of the run, shared by all: not to be changed
	Args   []any

	// Local is for what one call finds out for the next ones of this attempt. It is
	// empty at the first.
	Local map[string]any

	// Shared is one for the run. A job that reads what another one left there has to
	// depend on it.
	Shared *Storage

	graph  *Graph
	host   Host
	call   Call
	ran    error // what Run returned
	value  any   // the attempt's own copy, for Of
	result any
	out    io.Writer
}

// Host is who an attempt is made for. Its methods may be called by any number of
// goroutines.
type Host interface {
	// Value returns the result of a job that succeeded in this run, or why there is
	// none.
	Value(job string) (any, error)
	// RunBegins is told before Run is called.
	RunBegins(a *Attempt)
	// Called is told how a call ended.
	Called(a *Attempt, c Call, err error, took time.Duration)
	// Output returns where the output of an attempt goes; nil is nowhere.
	Output(a *Attempt) io.Writer
}

// Attempt returns attempt number n of a job for a host that carries attempts out
// elsewhere than [Graph.Run]; nil when there is no such job. The caller sets Inputs,
// Args, Local and Shared.
func (g *Graph) Attempt(job string, n int, h Host) *Attempt {
	at, ok := g.place[job]
	if !ok {
		return nil
	}
	a := &Attempt{Job: g.nodes[at].job, Number: n, Local: map[string]any{}, Shared: &Storage{}, graph: g, host: h}
	return a
}

// Call returns which call this is: Check and Recheck are the same function.
func (a *Attempt) Call() Call { return a.call }

// RunError returns what Run returned in this attempt, for the recheck.
func (a *Attempt) RunError() error { return a.ran }

// SetRunError has [Attempt.RunError] return err, for a host that goes on with an
// attempt whose Run was called elsewhere.
func (a *Attempt) SetRunError(err error) { a.ran = err }

// SetResult keeps a value for those that depend on the job and for the result of
// the run; the last one of an attempt that succeeds counts. See [OutputOf] for a
// way with types.
func (a *Attempt) SetResult(v any) { a.result = v }

// Result returns what SetResult was given last.
func (a *Attempt) Result() any { return a.result }

// Log returns where the job's output goes, see [Config.Output].
func (a *Attempt) Log() io.Writer {
	if a.out == nil {
		if a.out = a.host.Output(a); a.out == nil {
			a.out = io.Discard
		}
	}
	return a.out
}

// Storage is what the jobs of a run share. Its methods may be called by any number
// of goroutines; the zero value is empty and ready.
type Storage struct {
	mu     sync.Mutex
	values map[string]any
}

// Get returns the value of a key, and whether there is one.
func (s *Storage) Get(key string) (any, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[key]
	return v, ok
}

// Set keeps a value under a key.
func (s *Storage) Set(key string, v any) { s.Do(func(m map[string]any) { m[key] = v }) }

// Do calls f with all of the storage while nobody else has it. f must not keep the
// map.
func (s *Storage) Do(f func(map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = map[string]any{}
	}
	f(s.values)
}

// All returns a copy of the storage. The values are the same, not copies.
func (s *Storage) All() map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.values)
}
