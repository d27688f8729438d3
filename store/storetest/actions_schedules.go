package storetest

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

var scheduleNames = []string{"a", "B", "ä"}

// keepSchedules puts, reads, lists or deletes schedules.
func (m *machine) keepSchedules(t *rapid.T) {
	name := rapid.SampledFrom(scheduleNames).Draw(t, "schedule")
	switch rapid.IntRange(0, 7).Draw(t, "step") {
	case 0:
		m.deleteSchedule(name)
	case 1:
		m.listSchedules(rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "after"), rapid.IntRange(1, 3).Draw(t, "limit"))
	case 2:
		m.readSchedule(name)
	case 3:
		m.trimFires(rapid.IntRange(1, 3).Draw(t, "limit"), rapid.IntRange(1, 3).Draw(t, "keep"), m.now-rapid.SampledFrom([]int64{0, second, 3600 * second}).Draw(t, "age"))
	default:
		was, err := m.oracle.Schedule(ctx, 1, name)
		had := &was
		if stale := rapid.IntRange(0, 5).Draw(t, "stale") == 0; err != nil != stale {
			had = nil
		} else if stale {
			was.Rev++
		}
		var fires []store.Fire
		if rapid.IntRange(0, 3).Draw(t, "fires") == 0 {
			fires = []store.Fire{{Due: m.now - second, FiredAt: m.now, Outcome: store.FireMissed, Reason: "paused"}, {Due: m.now, FiredAt: m.now, Outcome: store.FireMissed}}
		}
		m.putAs(store.Schedule{
			ScheduleName: store.ScheduleName{Namespace: 1, Name: name}, Paused: rapid.Bool().Draw(t, "paused"), Spec: []byte("\x00\xff"),
			Declared: rapid.SampledFrom([][]byte{nil, []byte("{}")}).Draw(t, "declared"), Edited: rapid.Bool().Draw(t, "edited"),
			NextAt: rapid.SampledFrom([]int64{0, m.now - second, m.now, m.now + 5*second}).Draw(t, "next"),
		}, had, fires)
	}
	m.compareSchedules()
}

// fireSome fires what is due, as it was read or not, or one by hand.
func (m *machine) fireSome(t *rapid.T) {
	due := m.dueSchedules(rapid.IntRange(1, 3).Draw(t, "limit"))
	byHand := rapid.IntRange(0, 3).Draw(t, "by hand") == 0
	if byHand {
		due = []store.Schedule{{ScheduleName: store.ScheduleName{Namespace: 1, Name: rapid.SampledFrom(scheduleNames).Draw(t, "name")}}}
	}
	var firings []store.Firing
	for _, s := range due {
		if rapid.IntRange(0, 5).Draw(t, "stale") == 0 {
			s.NextAt--
		}
		f := store.Firing{Schedule: s, ByHand: byHand, NextAt: rapid.SampledFrom([]int64{0, m.now + second, m.now + 3600*second}).Draw(t, "next")}
		for n := range rapid.IntRange(1, 3).Draw(t, "times") {
			one := store.FireTime{Due: m.now + int64(n), Missed: rapid.Bool().Draw(t, "missed"), Reason: rapid.SampledFrom([]string{"", "why\x00"}).Draw(t, "reason")}
			if rapid.Bool().Draw(t, "task") {
				draft := m.draft(t)
				if rapid.Bool().Draw(t, "keyed") {
					draft.Keys = []store.Key{m.key(t)}
				}
				one.Task = &draft
			}
			f.Times = append(f.Times, one)
		}
		firings = append(firings, f)
	}
	m.fire(firings)
	m.compareSchedules()
}

func (m *machine) fire(firings []store.Firing) []store.Fired {
	got, gotWoken, err := m.real.Fire(ctx, firings)
	require.NoError(m.rt, err)
	want, wantWoken, _ := m.oracle.Fire(ctx, firings)
	m.same("fired", got, want)
	m.same("woken by fire", sortWoken(gotWoken), sortWoken(wantWoken))
	for i, f := range got {
		if f.Changed {
			m.saw("fire:changed")
			continue
		}
		for n, in := range f.Tasks {
			if in.Status != 0 {
				m.saw("fire:" + map[bool]string{true: "done", false: "refused"}[in.Status == store.Created])
				m.ids = append(m.ids, firings[i].Times[n].Task.ID)
			}
		}
	}
	return got
}

func (m *machine) dueSchedules(limit int) []store.Schedule {
	got, next, err := m.real.DueSchedules(ctx, limit)
	require.NoError(m.rt, err)
	want, wantNext, _ := m.oracle.DueSchedules(ctx, limit)
	m.same("due", got, want)
	m.same("the next that is due", next, wantNext)
	return got
}

// putSchedule makes or changes a schedule.
func (m *machine) putSchedule(name string, next int64, fires []store.Fire) store.Schedule {
	had, err := m.oracle.Schedule(ctx, 1, name)
	was := &had
	if err != nil {
		was = nil
	}
	return m.putAs(store.Schedule{ScheduleName: store.ScheduleName{Namespace: 1, Name: name}, Spec: []byte("{}"), NextAt: next}, was, fires)
}

func (m *machine) putAs(s store.Schedule, was *store.Schedule, fires []store.Fire) store.Schedule {
	got, err := m.real.PutSchedule(ctx, s, was, fires)
	want, wantErr := m.oracle.PutSchedule(ctx, s, was, fires)
	m.same("put schedule error", errName(err), errName(wantErr))
	m.same("put schedule", got, want)
	m.saw("schedule:put-" + errName(err))
	return got
}

func (m *machine) readSchedule(name string) {
	got, err := m.real.Schedule(ctx, 1, name)
	want, wantErr := m.oracle.Schedule(ctx, 1, name)
	m.same("schedule error", errName(err), errName(wantErr))
	m.same("schedule", got, want)
	m.saw("schedule:read-" + errName(err))
}

func (m *machine) listSchedules(after string, limit int) {
	got, err := m.real.ListSchedules(ctx, 1, after, limit)
	require.NoError(m.rt, err)
	want, _ := m.oracle.ListSchedules(ctx, 1, after, limit)
	m.same("schedules", got, want)
}

func (m *machine) deleteSchedule(name string) {
	err := m.real.DeleteSchedule(ctx, 1, name)
	m.same("delete schedule", errName(err), errName(m.oracle.DeleteSchedule(ctx, 1, name)))
	m.saw("schedule:delete-" + errName(err))
}

func (m *machine) trimFires(limit, keep int, before int64) {
	for after := (store.ScheduleName{}); ; {
		got, err := m.real.TrimFires(ctx, after, limit, keep, before)
		require.NoError(m.rt, err)
		want, _ := m.oracle.TrimFires(ctx, after, limit, keep, before)
		m.same("trimmed up to", got, want)
		if after = got; got.Name == "" {
			return
		}
	}
}

// compareSchedules compares all of them with their fires, which are read in pages.
func (m *machine) compareSchedules() {
	m.listSchedules("", everything)
	all, _ := m.oracle.ListSchedules(ctx, 1, "", everything)
	for _, s := range all {
		for before := (store.Fire{}); ; {
			got, err := m.real.Fires(ctx, 1, s.Name, before, 3)
			require.NoError(m.rt, err)
			want, _ := m.oracle.Fires(ctx, 1, s.Name, before, 3)
			m.same("fires of "+s.Name, got, want)
			if len(got) < 3 {
				break
			}
			before = got[2]
		}
	}
}

// fireOne fires a schedule that is due, with a task.
func (m *machine) fireOne(s store.Schedule, n store.NewTask) store.Fired {
	return m.fire([]store.Firing{{Schedule: s, NextAt: m.now + second, Times: []store.FireTime{{Due: s.NextAt, Task: &n}}}})[0]
}

// aimSchedules lead to each answer of store.Schedules and store.Firer.
var aimSchedules = map[string]func(*machine){
	"schedule:put-ok": func(m *machine) {
		m.putSchedule("a", m.now, nil)
		m.now++
		m.putSchedule("a", m.now, []store.Fire{{Due: m.now, FiredAt: m.now, Outcome: store.FireMissed, Reason: "edited"}})
		m.readSchedule("a")
	},
	"schedule:put-changed": func(m *machine) {
		s := m.putSchedule("a", m.now, nil)
		s.Rev--
		m.putAs(s, &s, nil)
		m.putAs(s, nil, nil)
		m.putAs(store.Schedule{ScheduleName: store.ScheduleName{Namespace: 1, Name: "nobody's"}, Spec: []byte("{}")}, &s, nil)
	},
	"schedule:read-ok":          func(m *machine) { m.putSchedule("a", 0, nil); m.readSchedule("a") },
	"schedule:read-not-found":   func(m *machine) { m.readSchedule("nobody's") },
	"schedule:delete-ok":        func(m *machine) { m.putSchedule("a", m.now, nil); m.deleteSchedule("a"); m.readSchedule("a") },
	"schedule:delete-not-found": func(m *machine) { m.deleteSchedule("nobody's") },
	"fire:done":                 func(m *machine) { m.fireOne(m.putSchedule("a", m.now, nil), m.plain(task.HTTP)) },
	"fire:changed": func(m *machine) {
		s := m.putSchedule("a", m.now, nil)
		m.fireOne(s, m.plain(task.HTTP))
		m.fireOne(s, m.plain(task.HTTP)) // as another node would have
		m.deleteSchedule("a")
		m.fireOne(s, m.plain(task.HTTP))
	},
	"fire:refused": func(m *machine) {
		key := m.unique(store.Return)
		m.fireOne(m.putSchedule("a", m.now, nil), m.keyed(key))
		m.now++
		m.fireOne(m.putSchedule("a", m.now, nil), m.keyed(key))
		m.compareSchedules()
	},
}

var rulesOfSchedules = []rule{
	{"a time of a schedule is fired once, whoever fires it", firedOnce},
}

// firedOnce has several fire what each has read of the same schedules.
func firedOnce(m *machine) {
	const nodes, names = 6, 20
	for i := range names {
		m.putSchedule("once "+string(rune('a'+i)), m.now, nil)
	}
	due := slices.DeleteFunc(m.dueSchedules(everything), func(s store.Schedule) bool { return len(s.Name) < 5 || s.Name[:5] != "once " })
	require.Len(m.rt, due, names)
	ids := make([][]store.NewTask, nodes)
	for n := range nodes {
		for range names {
			ids[n] = append(ids[n], m.plain(task.HTTP))
		}
	}
	var wg sync.WaitGroup
	var done atomic.Int64
	errs := make([]error, nodes)
	for n := range nodes {
		wg.Go(func() {
			for range 4 { // what another node has locked was left alone
				firings := make([]store.Firing, names)
				for i, s := range due {
					firings[i] = store.Firing{Schedule: s, NextAt: m.now + 3600*second, Times: []store.FireTime{{Due: s.NextAt, Task: &ids[n][i]}}}
				}
				fired, _, err := m.real.Fire(ctx, firings)
				if err != nil {
					errs[n] = err
					return
				}
				for _, f := range fired {
					if !f.Changed {
						done.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(m.rt, err)
	}
	require.EqualValues(m.rt, names, done.Load())
	for _, s := range due {
		fires, err := m.real.Fires(ctx, 1, s.Name, store.Fire{}, everything)
		require.NoError(m.rt, err)
		require.Len(m.rt, fires, 1, s.Name)
	}
}
