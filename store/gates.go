package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/sendoff-dev/sendoff/task"
)

// Gates keeps what many tasks share: limits, order, duplicates. Whoever may run is
// inside of all its gates, whoever may not waits in line. The holder of a place is the
// task itself, until it has ended: there are no passes that could get lost.
type Gates interface {
	// SetLimit configures a limit, whatever tasks say of it. What that lets in enters
	// later, by a Todo of kind OpenGate.
	SetLimit(ctx context.Context, l Limit) error

	// DeleteLimit forgets what was configured: what the next task says counts.
	// ErrNotFound when nothing was.
	DeleteLimit(ctx context.Context, namespace int32, key string) error

	// Gate returns a gate as it is. ErrNotFound when it is not configured and nobody
	// is there.
	Gate(ctx context.Context, id Hash) (GateRow, error)

	// Limits lists configured limits of a namespace by their names, at most n of those
	// behind after.
	Limits(ctx context.Context, namespace int32, after string, n int) ([]GateRow, error)

	// Open lets tasks in that wait in line at a gate which has room, and finishes its
	// Todo; for what is left it writes another one.
	Open(ctx context.Context, id Hash) ([]Woken, error)

	// Left says that attempts which were canceled while they ran have stopped: until
	// then their tasks keep their places.
	Left(ctx context.Context, stopped []Held) ([]Woken, error)
}

// GateKind says what a gate keeps.
type GateKind int16

// The values are stored; never renumber them. 4 and 5 are reserved for the overlap of
// schedules and for locks.
const (
	LimitGate     GateKind = 1 // a concurrency, a rate; a task leaves it while it waits for its next attempt
	OrderGate     GateKind = 2 // one at a time, in order; a task keeps its place until it has ended
	DuplicateGate GateKind = 3 // one at a time of the same key; as OrderGate
)

// Keeps tells whether a task keeps its place in such a gate between its attempts.
func (k GateKind) Keeps() bool { return k != LimitGate }

// OnFull says what becomes of a new task when a gate has no room.
type OnFull int16

// The values are stored; never renumber them.
const (
	WaitInLine  OnFull = 0 // in line
	WaitOne     OnFull = 1 // in line, when nobody else is; otherwise as Drop
	Drop        OnFull = 2 // it is not stored; one that was stored before it was due ends as skipped
	ReplaceThem OnFull = 3 // it cancels those that are there
)

// rule is OnFull as a rule for duplicates, which it is.
func (f OnFull) rule() task.OnDuplicate {
	return [...]task.OnDuplicate{task.Serial, task.QueueOne, task.Discard, task.ReplaceDuplicate}[f]
}

// Gate is a gate as a task asks for it.
type Gate struct {
	Kind      GateKind
	Namespace int32
	Name      string
	Capacity  int32 // 0 = any number
	Every     int64 // microseconds from one start to the next; 0 = no rate
	Burst     int32 // of a rate, at least 1
	OnFull    OnFull
}

// InTurn is gates of a task that waits at each of them, whatever its rules say.
func InTurn(gates []Gate) []Gate {
	gates = slices.Clone(gates)
	for i := range gates {
		gates[i].OnFull = WaitInLine
	}
	return gates
}

// ID is the name of the gate among all.
func (g *Gate) ID() Hash { return GateID(g.Namespace, g.Kind, g.Name) }

// GateID is the id of a gate.
func GateID(namespace int32, kind GateKind, name string) Hash {
	var b [6]byte
	binary.BigEndian.PutUint32(b[:], uint32(namespace))
	binary.BigEndian.PutUint16(b[4:], uint16(kind))
	return HashOf(b[:], []byte(name))
}

// Limit is a limit as it is configured.
type Limit struct {
	Namespace int32
	Key       string
	Capacity  int32 // 0 = any number
	Every     int64 // microseconds from one start to the next; 0 = no rate
	Burst     int32 // of a rate, at least 1
	Paused    bool  // nobody enters
}

// GateRow is a gate as it is. It is kept while somebody is there, while its rate
// remembers a start, and while it is configured.
type GateRow struct {
	ID         Hash
	Kind       GateKind
	Namespace  int32
	Name       string
	Capacity   int32
	Every      int64
	Burst      int32
	Paused     bool
	Configured bool
	Inside     int32   // tasks that may run, and attempts that were canceled and have not stopped
	Waiting    int32   // in line
	Last       int64   // number that was given out last in line
	Next       int64   // time from which the rate is as after a rest (GCRA's theoretical arrival time)
	Holder     task.ID // who entered last
}

// Leaver is an attempt that was canceled while it ran. Its task keeps its places until
// its node says that it has stopped, or is lost.
type Leaver struct {
	Task  task.ID
	Token int64
	Node  task.ID
	Gates []byte
}

// Row is the task as one that gives up its places.
func (l *Leaver) Row() Row {
	return Row{ID: l.Task, Token: l.Token, Node: l.Node, Gates: l.Gates, State: task.Running, Flags: FlagGate | FlagHolds}
}

// MaxReplaced is how many in line at a gate a task replaces at most.
const MaxReplaced = 1000

// LineEntry is a place in line. The first is who has the smallest priority, then the
// smallest number.
type LineEntry struct {
	Gate     Hash
	Priority int16 // 0 where there is an order to keep
	At       int64 // number, given at the gate; also the time since when it waits
	Task     task.ID
	Lane     int32
}

// Place of a task in line at a gate.
func (g *GateRow) Place(row *Row) LineEntry {
	e := LineEntry{Gate: g.ID, At: row.At, Task: row.ID, Lane: row.Lane}
	if !g.Kind.Keeps() {
		e.Priority = row.Priority
	}
	return e
}

// EncodeGates is what a task's row keeps of its gates, in the order of their ids; nil
// for none.
func EncodeGates(gates []Gate) []byte {
	if len(gates) == 0 {
		return nil
	}
	var b []byte
	for _, g := range sortGates(gates) {
		b = binary.AppendVarint(b, int64(g.Kind))
		b = binary.AppendVarint(b, int64(g.Namespace))
		b = binary.AppendVarint(b, int64(g.Capacity))
		b = binary.AppendVarint(b, g.Every)
		b = binary.AppendVarint(b, int64(g.Burst))
		b = binary.AppendVarint(b, int64(g.OnFull))
		b = binary.AppendVarint(b, int64(len(g.Name)))
		b = append(b, g.Name...)
	}
	return b
}

// sortGates brings gates into the order of their ids, each once.
func sortGates(gates []Gate) []Gate {
	if len(gates) < 2 {
		return gates
	}
	type named struct {
		Gate
		id Hash
	}
	list := make([]named, len(gates))
	for i, g := range gates {
		list[i] = named{g, g.ID()}
	}
	slices.SortStableFunc(list, func(a, b named) int { return bytes.Compare(a.id[:], b.id[:]) })
	list = slices.CompactFunc(list, func(a, b named) bool { return a.id == b.id })
	sorted := make([]Gate, len(list))
	for i := range list {
		sorted[i] = list[i].Gate
	}
	return sorted
}

var errBadGates = errors.New("the gates of a task are damaged")

// DecodeGates reads what EncodeGates wrote.
func DecodeGates(b []byte) ([]Gate, error) {
	var gates []Gate
	for len(b) > 0 {
		var v [7]int64
		for i := range v {
			n := 0
			if v[i], n = binary.Varint(b); n <= 0 {
				return nil, errBadGates
			}
			b = b[n:]
		}
		if v[6] < 0 || v[6] > int64(len(b)) {
			return nil, errBadGates
		}
		gates = append(gates, Gate{
			Kind: GateKind(v[0]), Namespace: int32(v[1]), Capacity: int32(v[2]), Every: v[3], Burst: int32(v[4]), OnFull: OnFull(v[5]),
			Name: string(b[:v[6]]),
		})
		b = b[v[6]:]
	}
	return gates, nil
}

// CompareLine orders a line.
func CompareLine(a, b LineEntry) int {
	return cmp.Or(bytes.Compare(a.Gate[:], b.Gate[:]), cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.At, b.At), bytes.Compare(a.Task[:], b.Task[:]))
}
