package storetest

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// share has a node ask for a part of the limits of some queues.
func (m *machine) share(t *rapid.T) {
	var asks []store.Ask
	amount := func(name string, most int32) store.Amount {
		return store.Amount{Slots: rapid.Int32Range(0, most).Draw(t, name), Burst: rapid.Int32Range(0, most).Draw(t, name+" burst")}
	}
	for _, queue := range rapid.SampledFrom([][]int32{{1}, {2}, {1, 2}, {1, 99}}).Draw(t, "queues") {
		ask := store.Ask{
			Queue: queue, Limit: amount("limit", 4), Every: rapid.SampledFrom([]int64{0, 1, second * 1000}).Draw(t, "every"),
			Keep: amount("keep", 2), Want: amount("want", 5), Back: rapid.Int64Range(0, 3*second).Draw(t, "back"),
		}
		if int(queue) <= len(m.oracle.queues) {
			ask.Settings = m.oracle.queues[queue-1].Settings
		}
		if rapid.IntRange(0, 4).Draw(t, "settings") == 0 {
			ask.Settings = []byte("old")
		}
		asks = append(asks, ask)
	}
	m.shareAs(rapid.SampledFrom(m.nodes).Draw(t, "node"), asks...)
}

func (m *machine) shareAs(node task.ID, asks ...store.Ask) []store.Granted {
	got, err := m.real.Share(ctx, node, asks)
	want, wantErr := m.oracle.Share(ctx, node, asks)
	m.same("share error", errName(err), errName(wantErr))
	if err != nil {
		m.saw("share:" + errName(err))
		return nil
	}
	m.same("granted", got, want)
	for _, g := range got {
		switch {
		case g.Credit > 0:
			m.saw("share:credit")
		case g.Short:
			m.saw("share:short")
		default:
			m.saw("share:ok")
		}
	}
	return got
}

func (m *machine) occupied(lanes []int32) {
	got, err := m.real.Occupied(ctx, lanes)
	want, _ := m.oracle.Occupied(ctx, lanes)
	m.same("occupied error", errName(err), "ok")
	m.same("occupied", slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want)))
	if len(got) > 0 {
		m.saw("occupied:some")
	} else {
		m.saw("occupied:none")
	}
}

func (m *machine) compareShares() {
	got, err := m.real.Shares(ctx)
	want, _ := m.oracle.Shares(ctx)
	m.same("shares error", errName(err), "ok")
	m.same("shares", got, want)
}

// lastNode is a node beside which no other one has anything of a limit.
func (m *machine) lastNode() task.ID {
	m.leaveAll()
	node := m.alive()
	m.rescueAs(node, nil, everything)
	return node
}

// aimsOfQuotas are the answers of store.Quotas.
var aimsOfQuotas = map[string]func(*machine){
	"share:ok": func(m *machine) { m.shareAs(m.alive(), store.Ask{Queue: 1}) },
	"share:short": func(m *machine) {
		node := m.lastNode()
		all := store.Ask{Queue: 1, Settings: m.oracle.queues[0].Settings, Limit: store.Amount{Slots: 4}, Want: store.Amount{Slots: 4}, Keep: store.Amount{Slots: 4}}
		m.shareAs(node, all)
		m.register()
		all.Keep = store.Amount{}
		m.shareAs(m.nodes[len(m.nodes)-1], all)
	},
	"share:credit": func(m *machine) {
		node := m.lastNode()
		ask := store.Ask{Queue: 1, Settings: m.oracle.queues[0].Settings, Limit: store.Amount{Burst: 4}, Every: 1000}
		m.shareAs(node, ask)
		m.now += second
		ask.Want.Burst = 4
		m.shareAs(node, ask)
	},
	"share:dead": func(m *machine) {
		node := m.alive()
		m.leave(node)
		m.shareAs(node, store.Ask{Queue: 1})
	},
	"occupied:some": func(m *machine) {
		n := m.plain(task.HTTP)
		m.put(n)
		m.occupied([]int32{n.Lane, 9999})
	},
	"occupied:none": func(m *machine) { m.occupied([]int32{9999}) },
}
