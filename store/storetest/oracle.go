package storetest

import (
	"context"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Oracle is the store as it is meant to behave: maps, no concurrency, nothing
// clever. The real ones are compared with it after every step.
type Oracle struct {
	Clock     func() int64
	last      int64 // position given out last
	queues    []store.Queue
	lanes     []store.Lane
	forgotten map[int32]bool // queues
	tasks     map[task.ID]*store.Row
	payloads  map[task.ID]string
	keysOf    map[task.ID][]store.KeyEntry
	ready     map[task.ID]store.ReadyEntry
	timers    map[task.ID]store.TimerEntry
	dead      map[task.ID]store.TimerEntry
	claims    map[task.ID]store.ClaimEntry
	keys      map[keyName]store.KeyEntry
	attempts  map[task.ID][]store.AttemptRow
	nodes     map[task.ID]store.Node
	ordered   map[task.ID]bool // nodes that were told to drain
	todos     map[todoName]store.Todo
	shares    map[shareName]store.Share
	functions
	doors
	views
	graphs
	savedViews
	schedules
	deps
	audits
	failures
	rollups
	access
	actions
	vault
}

type keyName struct {
	ns   int32
	kind store.KeyKind
	hash store.Hash
}

// NewOracle returns an empty store with the given clock.
func NewOracle(clock func() int64) *Oracle {
	return &Oracle{
		Clock: clock, tasks: map[task.ID]*store.Row{}, payloads: map[task.ID]string{},
		keysOf: map[task.ID][]store.KeyEntry{}, ready: map[task.ID]store.ReadyEntry{},
		timers: map[task.ID]store.TimerEntry{}, dead: map[task.ID]store.TimerEntry{},
		claims: map[task.ID]store.ClaimEntry{}, keys: map[keyName]store.KeyEntry{},
		attempts: map[task.ID][]store.AttemptRow{}, nodes: map[task.ID]store.Node{}, ordered: map[task.ID]bool{}, functions: newFunctions(), views: newViews(), graphs: graphs{}, savedViews: savedViews{}, vault: vault{}, schedules: newSchedules(), access: newAccess(), actions: newActions(), deps: newDeps(), doors: newDoors(),
		forgotten: map[int32]bool{}, todos: map[todoName]store.Todo{}, shares: map[shareName]store.Share{},
	}
}

var _ store.Store = (*Oracle)(nil)

func (o *Oracle) Now() int64                 { return o.Clock() }
func (o *Oracle) Ping(context.Context) error { return nil }
func (o *Oracle) Close() error               { return nil }

func (o *Oracle) position() int64 {
	o.last = max(o.Clock(), o.last+1)
	return o.last
}
