package storetest

import (
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// views has a node tell something, asks for a reset, or pauses a host, and looks at all
// of them.
func (m *machine) views(t *rapid.T) {
	switch rapid.IntRange(0, 5).Draw(t, "step") {
	case 0:
		m.askReset(m.newID(), rapid.SampledFrom([]string{"http://a", "https://b.example/x"}).Draw(t, "endpoint"))
	case 1:
		m.pauseHost(rapid.SampledFrom([]string{"a", "b.example:8080"}).Draw(t, "host"), rapid.Bool().Draw(t, "paused"))
	default:
		m.tell(rapid.SampledFrom(m.nodes).Draw(t, "node"), rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "view"))
	}
	m.lookAtViews()
	m.lookAtResets(m.now - int64(rapid.IntRange(-1, 700).Draw(t, "since"))*second)
}

func (m *machine) tell(node task.ID, body []byte) {
	require.NoError(m.rt, m.real.SetView(ctx, node, body))
	_ = m.oracle.SetView(ctx, node, body)
}

func (m *machine) lookAtViews() {
	got, err := m.real.Views(ctx)
	require.NoError(m.rt, err)
	want, _ := m.oracle.Views(ctx)
	m.same("views", got, want)
	m.saw("views:" + map[bool]string{true: "some", false: "none"}[len(got) > 0])
}

func (m *machine) askReset(id task.ID, endpoint string) {
	r := store.Reset{ID: id, Endpoint: endpoint, Kind: store.ResetKind(id[15] % 2)}
	require.NoError(m.rt, m.real.AskReset(ctx, r))
	_ = m.oracle.AskReset(ctx, r)
}

func (m *machine) lookAtResets(since int64) {
	got, err := m.real.Resets(ctx, since)
	require.NoError(m.rt, err)
	want, _ := m.oracle.Resets(ctx, since)
	m.same("resets", got, want)
	m.saw("resets:" + map[bool]string{true: "some", false: "none"}[len(got) > 0])
}

func (m *machine) pauseHost(host string, paused bool) {
	require.NoError(m.rt, m.real.PauseHost(ctx, host, paused))
	_ = m.oracle.PauseHost(ctx, host, paused)
	m.lookAtPausedHosts()
}

func (m *machine) lookAtPausedHosts() {
	got, err := m.real.PausedHosts(ctx)
	require.NoError(m.rt, err)
	want, _ := m.oracle.PausedHosts(ctx)
	m.same("paused hosts", got, want)
	m.saw("paused hosts:" + map[bool]string{true: "some", false: "none"}[len(got) > 0])
}

// aimViews lead to each answer about views.
var aimViews = map[string]func(*machine){
	"views:none": func(m *machine) {
		m.tell(m.alive(), []byte("v"))
		m.now += 11 * second
		m.tell(m.nodes[0], []byte("too late"))
		m.lookAtViews()
	},
	"views:some": func(m *machine) {
		node := m.alive()
		m.tell(node, []byte("v"))
		m.tell(node, []byte("w"))
		m.lookAtViews()
		m.leave(node)
		m.tell(m.alive(), nil)
		m.lookAtViews()
	},
	"paused hosts:none": func(m *machine) {
		m.pauseHost("a", true)
		m.pauseHost("a", false)
		m.pauseHost("a", false)
	},
	"paused hosts:some": func(m *machine) {
		m.pauseHost("b", true)
		m.now++
		m.pauseHost("a", true)
		m.pauseHost("b", true)
	},
	"resets:none": func(m *machine) {
		m.askReset(m.newID(), "http://a")
		m.lookAtResets(m.now + 1)
	},
	"resets:some": func(m *machine) {
		id := m.newID()
		m.askReset(id, "http://a")
		m.now += store.KeepResets
		m.askReset(id, "http://b")
		m.askReset(m.newID(), "http://c")
		m.lookAtResets(0)
		m.now++
		m.askReset(m.newID(), "http://d")
		m.lookAtResets(0)
		m.lookAtResets(m.now)
	},
}
