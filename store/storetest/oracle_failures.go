package storetest

import (
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
)

// failures are what store.Failures keeps, the newest first.
type failures struct{ failures []store.FailureGroup }

func (f *failures) find(ns int32, print store.Hash) *store.FailureGroup {
	for i := range f.failures {
		if g := &f.failures[i]; g.Namespace == ns && g.Print == print {
			return g
		}
	}
	return nil
}

// AddFailures implements store.Failures.
func (o *Oracle) AddFailures(_ context.Context, groups []store.FailureGroup, keep int) error {
	for _, g := range groups {
		if had := o.find(g.Namespace, g.Print); had != nil {
			had.Add(&g)
			continue
		}
		g.MutedUntil = 0
		o.failures.failures = append(o.failures.failures, g)
	}
	slices.SortFunc(o.failures.failures, store.CompareFailures)
	o.failures.failures = o.failures.failures[:min(keep, len(o.failures.failures))]
	return nil
}

// ListFailures implements store.Failures.
func (o *Oracle) ListFailures(_ context.Context, ns int32, after store.FailureMark, limit int) (out []store.FailureGroup, _ error) {
	mark := store.FailureGroup{LastAt: after.At, Print: after.Print, Namespace: ns}
	for _, g := range o.failures.failures {
		if g.Namespace == ns && len(out) < limit && (after.At == 0 || store.CompareFailures(mark, g) < 0) {
			out = append(out, g)
		}
	}
	return out, nil
}

// FindFailure implements store.Failures.
func (o *Oracle) FindFailure(_ context.Context, ns int32, print store.Hash) (store.FailureGroup, error) {
	if g := o.find(ns, print); g != nil {
		return *g, nil
	}
	return store.FailureGroup{}, store.ErrNotFound
}

// MuteFailure implements store.Failures.
func (o *Oracle) MuteFailure(_ context.Context, ns int32, print store.Hash, until int64) (store.FailureGroup, error) {
	g := o.find(ns, print)
	if g == nil {
		return store.FailureGroup{}, store.ErrNotFound
	}
	g.MutedUntil = until
	return *g, nil
}
