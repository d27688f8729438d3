package storetest

import (
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
)

// keepFailures adds to groups of failures, mutes them and looks at them.
func (m *machine) keepFailures(t *rapid.T) {
	ns, print := rapid.Int32Range(1, 2), rapid.Custom(func(t *rapid.T) store.Hash { return store.Hash{rapid.ByteRange(1, 4).Draw(t, "print")} })
	switch rapid.IntRange(0, 3).Draw(t, "step") {
	case 0:
		m.muteFailure(ns.Draw(t, "ns"), print.Draw(t, "which"), m.now+int64(rapid.IntRange(-1, 1).Draw(t, "for"))*second)
	default:
		groups := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) store.FailureGroup {
			at := m.now - int64(rapid.IntRange(0, 3).Draw(t, "age"))*second
			return m.failing(ns.Draw(t, "ns"), print.Draw(t, "print"), at, rapid.Int64Range(1, 5).Draw(t, "count"))
		}), 1, 4, func(g store.FailureGroup) [2]byte { return [2]byte{byte(g.Namespace), g.Print[0]} }).Draw(t, "groups")
		m.addFailures(rapid.IntRange(1, 6).Draw(t, "keep"), groups...)
	}
	m.compareFailures()
}

func (m *machine) failing(ns int32, print store.Hash, at, count int64) store.FailureGroup {
	return store.FailureGroup{
		Namespace: ns, Print: print, Queue: "a", Target: "ä.example", Code: "500", Text: "no", FirstAt: at - second, LastAt: at, Count: count, Sample: m.newID(),
	}
}

func (m *machine) addFailures(keep int, groups ...store.FailureGroup) {
	require.NoError(m.rt, m.real.AddFailures(ctx, groups, keep))
	_ = m.oracle.AddFailures(ctx, groups, keep)
}

func (m *machine) muteFailure(ns int32, print store.Hash, until int64) {
	got, err := m.real.MuteFailure(ctx, ns, print, until)
	want, wantErr := m.oracle.MuteFailure(ctx, ns, print, until)
	require.ErrorIs(m.rt, err, wantErr)
	m.same("muted failure", got, want)
	m.saw("failures:" + map[bool]string{true: "muted", false: "none-to-mute"}[err == nil])
	got, err = m.real.FindFailure(ctx, ns, print)
	require.ErrorIs(m.rt, err, wantErr)
	m.same("failure", got, want)
}

// compareFailures goes through all groups, two at a time.
func (m *machine) compareFailures() {
	n := 0
	for ns := range int32(2) {
		for after := (store.FailureMark{}); ; n++ {
			got, err := m.real.ListFailures(ctx, ns+1, after, 2)
			require.NoError(m.rt, err)
			want, _ := m.oracle.ListFailures(ctx, ns+1, after, 2)
			m.same("failures", got, want)
			if len(got) < 2 {
				break
			}
			after = store.FailureMark{At: got[1].LastAt, Print: got[1].Print}
		}
	}
	m.saw("failures:" + map[bool]string{true: "pages", false: "one-page"}[n > 0])
}

// aimFailures lead to each answer about failures.
var aimFailures = map[string]func(*machine){
	"failures:none-to-mute": func(m *machine) { m.muteFailure(1, store.Hash{9}, m.now) },
	"failures:muted": func(m *machine) {
		m.addFailures(9, m.failing(1, store.Hash{1}, m.now, 1))
		m.muteFailure(1, store.Hash{1}, m.now+second)
		m.muteFailure(2, store.Hash{1}, m.now+second)
		m.addFailures(9, m.failing(1, store.Hash{1}, m.now-second, 2))
		m.muteFailure(1, store.Hash{1}, 0)
	},
	"failures:pages": func(m *machine) {
		for i := range byte(5) {
			m.addFailures(4, m.failing(1, store.Hash{i + 1}, m.now, 1))
		}
		m.compareFailures()
	},
	"failures:one-page": func(m *machine) {
		m.addFailures(1, m.failing(1, store.Hash{1}, m.now, 1), m.failing(2, store.Hash{1}, m.now, 1))
		m.compareFailures()
	},
}
