package jobgraph

import (
	"context"
	"maps"
	"slices"
)

// ResultOf returns the value that a job left, see [Attempt.SetResult], and whether it has
// succeeded in this run. dep is one that the attempt's job stands on.
func (a *Attempt) ResultOf(dep *Job) (any, bool) {
	if a.host == nil {
		return nil, false
	}
	v, err := a.host.Value(dep.Name)
	return v, err == nil
}

// Shared is the storage of the run.
func (r *Result) Shared() *Storage { return &r.run.shared }

// Left returns the attempts whose Cleanup is still to be called, in the order in which
// their Runs began.
func (r *Result) Left() []*Attempt {
	r.run.mu.Lock()
	defer r.run.mu.Unlock()
	return slices.Clone(r.run.began)
}

// Left is an attempt of an earlier run, perhaps of an earlier program, whose Cleanup is to
// be called.
type Left struct {
	Job     string
	Attempt int
	Local   map[string]any
}

// CleanUp calls the cleanups that an earlier run left, the latest first, with what was in
// its storages. left is in the order of [Result.Left]. Of cfg, Inputs, Args, Observe and
// Output count. The error is a [DefinitionError] for a job that the graph does not have,
// and nothing was called.
func (g *Graph) CleanUp(ctx context.Context, cfg Config, left []Left, shared map[string]any) ([]CleanupResult, error) {
	r, err := newRun(g, cfg)
	if err != nil {
		return nil, err
	}
	r.shared.Do(func(m map[string]any) { maps.Copy(m, shared) })
	for _, l := range left {
		at, ok := g.place[l.Job]
		if !ok || g.nodes[at].job.Cleanup == nil {
			return nil, wrong(l.Job, "the run that is to be cleaned up after had it, and a Cleanup: the graph has it no more")
		}
		if l.Local == nil {
			l.Local = map[string]any{}
		}
		a := r.attempt(g.nodes[at].job, l.Attempt)
		a.Local = l.Local
		r.began = append(r.began, a)
	}
	return r.cleanup(ctx), nil
}
