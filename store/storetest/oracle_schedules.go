package storetest

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
)

// schedules are what store.Schedules keeps.
type schedules struct {
	planned map[store.ScheduleName]store.Schedule
	fires   map[store.ScheduleName][]store.Fire
}

func newSchedules() schedules {
	return schedules{map[store.ScheduleName]store.Schedule{}, map[store.ScheduleName][]store.Fire{}}
}

func inNames(a, b store.ScheduleName) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// sorted are the schedules for which it holds, in an order.
func (s *schedules) sorted(holds func(*store.Schedule) bool, order func(a, b store.Schedule) int) []store.Schedule {
	var out []store.Schedule
	for _, one := range s.planned {
		if holds(&one) {
			out = append(out, one)
		}
	}
	slices.SortFunc(out, order)
	return out
}

// Schedule implements store.Schedules.
func (o *Oracle) Schedule(_ context.Context, ns int32, name string) (store.Schedule, error) {
	s, ok := o.planned[store.ScheduleName{Namespace: ns, Name: name}]
	if !ok {
		return s, store.ErrNotFound
	}
	return s, nil
}

// ListSchedules implements store.Schedules.
func (o *Oracle) ListSchedules(_ context.Context, ns int32, after string, limit int) ([]store.Schedule, error) {
	all := o.schedules.sorted(func(s *store.Schedule) bool { return s.Namespace == ns && s.Name > after },
		func(a, b store.Schedule) int { return inNames(a.ScheduleName, b.ScheduleName) })
	return all[:min(limit, len(all))], nil
}

// PutSchedule implements store.Schedules.
func (o *Oracle) PutSchedule(_ context.Context, next store.Schedule, was *store.Schedule, fires []store.Fire) (store.Schedule, error) {
	var had *store.Schedule
	if s, ok := o.planned[next.ScheduleName]; ok {
		had = &s
	}
	if (had == nil) != (was == nil) || had != nil && !had.SameAs(was) {
		return store.Schedule{}, store.ErrChanged
	}
	put := next.Follow(had, o.Clock())
	put.RecordLast(fires)
	o.planned[put.ScheduleName] = put
	o.recordFires(put.ScheduleName, fires)
	return put, nil
}

func (o *Oracle) recordFires(name store.ScheduleName, fires []store.Fire) {
	all := slices.Clone(o.fires[name])
	for _, f := range fires {
		if !slices.ContainsFunc(all, func(had store.Fire) bool { return had.Due == f.Due && had.Task == f.Task }) {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b store.Fire) int {
		return cmp.Or(cmp.Compare(b.Due, a.Due), bytes.Compare(b.Task[:], a.Task[:]))
	})
	o.fires[name] = all
}

// DeleteSchedule implements store.Schedules.
func (o *Oracle) DeleteSchedule(_ context.Context, ns int32, name string) error {
	n := store.ScheduleName{Namespace: ns, Name: name}
	if _, ok := o.planned[n]; !ok {
		return store.ErrNotFound
	}
	delete(o.planned, n)
	delete(o.fires, n)
	return nil
}

// Fires implements store.Schedules.
func (o *Oracle) Fires(_ context.Context, ns int32, name string, before store.Fire, limit int) ([]store.Fire, error) {
	var out []store.Fire
	for _, f := range o.fires[store.ScheduleName{Namespace: ns, Name: name}] {
		if before.Due == 0 || f.Due < before.Due || f.Due == before.Due && bytes.Compare(f.Task[:], before.Task[:]) < 0 {
			out = append(out, f)
		}
	}
	return out[:min(limit, len(out))], nil
}

// DueSchedules implements store.Firer.
func (o *Oracle) DueSchedules(_ context.Context, limit int) ([]store.Schedule, int64, error) {
	all := o.schedules.sorted(func(s *store.Schedule) bool { return s.NextAt > 0 },
		func(a, b store.Schedule) int {
			return cmp.Or(cmp.Compare(a.NextAt, b.NextAt), inNames(a.ScheduleName, b.ScheduleName))
		})
	due, next := store.SplitDue(all, limit, o.Clock())
	return due, next, nil
}

// Fire implements store.Firer.
func (o *Oracle) Fire(ctx context.Context, firings []store.Firing) ([]store.Fired, []store.Woken, error) {
	out := make([]store.Fired, len(firings))
	var woken []store.Woken
	for i := range firings {
		f := &firings[i]
		s, ok := o.planned[f.Schedule.ScheduleName]
		if !ok || !f.Stands(&s) {
			out[i] = store.Fired{Changed: true}
			continue
		}
		made, more, _ := o.Insert(ctx, f.Tasks(), false) // the oracle never fails
		for _, w := range more {
			woken = store.Collect(woken, w)
		}
		var fires []store.Fire
		fires, out[i] = f.Done(&s, made, o.Clock())
		o.planned[s.ScheduleName] = s
		o.recordFires(s.ScheduleName, fires)
	}
	return out, woken, nil
}

// TrimFires implements store.Firer.
func (o *Oracle) TrimFires(_ context.Context, after store.ScheduleName, limit, keep int, before int64) (store.ScheduleName, error) {
	all := o.schedules.sorted(func(s *store.Schedule) bool { return inNames(s.ScheduleName, after) > 0 },
		func(a, b store.Schedule) int { return inNames(a.ScheduleName, b.ScheduleName) })
	page := all[:min(limit, len(all))]
	for _, s := range page {
		fires, bound := o.fires[s.ScheduleName], before
		if len(fires) >= keep {
			bound = max(bound, fires[keep-1].Due)
		}
		o.fires[s.ScheduleName] = slices.DeleteFunc(slices.Clone(fires), func(f store.Fire) bool { return f.Due < bound })
	}
	if len(page) < limit {
		return store.ScheduleName{}, nil
	}
	return page[len(page)-1].ScheduleName, nil
}
