package store

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/sendoff-dev/sendoff/task"
)

// Hash is the first half of a SHA-256.
type Hash [16]byte

// HashOf returns the hash of the parts, kept apart by their lengths.
func HashOf(parts ...[]byte) Hash {
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		for i, l := 0, len(p); i < 8; i, l = i+1, l>>8 {
			n[i] = byte(l)
		}
		h.Write(n[:])
		h.Write(p)
	}
	return Hash(h.Sum(nil)[:16])
}

// KeyKind says what a key protects.
type KeyKind int16

// The values are stored; never renumber them.
const (
	IdempotencyKey KeyKind = 1 // a submission that is sent again
	ClientIDKey    KeyKind = 2 // an id chosen by the client
	UniqueKey      KeyKind = 3 // a business rule
	TombstoneKey   KeyKind = 4 // reserved: a name that may not be used again yet
)

// OnConflict says what to do when a unique key is taken.
type OnConflict int16

// The ways.
const (
	Return  OnConflict = 0 // answer with the task that has it
	Reject  OnConflict = 1 // refuse
	Replace OnConflict = 2 // cancel the one that waits, and store this one
)

// Key is a claim to a name in its namespace.
type Key struct {
	Kind       KeyKind
	Namespace  int32
	Hash       Hash
	Body       Hash  // IdempotencyKey: of the request, which must not differ
	Shared     bool  // IdempotencyKey: of a request with several tasks; only Body is compared, each has a key of its own besides
	TTL        int64 // microseconds the key holds whatever happens; 0 = none
	WhileOpen  bool  // UniqueKey: holds until the task has ended
	OnConflict OnConflict
}

// KeyEntry is a row of key.
type KeyEntry struct {
	Kind      KeyKind
	Namespace int32
	Hash      Hash
	Body      Hash
	Task      task.ID
	Until     int64
	WhileOpen bool
}

// KeyEntryFor is the row that key k of a new task gets.
func KeyEntryFor(k Key, id task.ID, now int64) KeyEntry {
	e := KeyEntry{Kind: k.Kind, Namespace: k.Namespace, Hash: k.Hash, Body: k.Body, Task: id, WhileOpen: k.WhileOpen}
	if k.TTL > 0 {
		e.Until = now + k.TTL
	}
	return e
}

// KeyName is the primary key of a key.
type KeyName struct {
	Namespace int32
	Kind      KeyKind
	Hash      Hash
}

// Name returns the primary key of k.
func (k Key) Name() KeyName { return KeyName{k.Namespace, k.Kind, k.Hash} }

// Taken is what stands behind a key when a new task asks for it.
type Taken struct {
	Entry KeyEntry
	State task.State // of the task that has it; 0 = that task is gone
	Kind  task.Kind  // of the same
	// Reason tells of a task that has ended what it counts for where others depend on it,
	// and of one that is blocked whether it waits for others.
	Reason task.Reason
}

// listens tells whether the task behind the key is a function that goes on.
func (t *Taken) listens() bool { return t.Kind == task.Function && t.State != 0 && !t.State.Final() }

// holds tells whether the key still protects its task.
func (t *Taken) holds(now int64) bool {
	switch {
	case t.Entry.Until > now:
		return true
	case t.Entry.Kind == ClientIDKey:
		return t.State != 0
	case t.Entry.WhileOpen:
		return t.State != 0 && !t.State.Final()
	}
	return false
}

// Verdict is what the keys of a new task allow.
type Verdict struct {
	Inserted Inserted  // Status Created: go on and store it
	Cancel   task.ID   // a task to cancel in the same transaction; zero = none
	Keys     []Key     // to write, for the task Inserted.ID
	Tell     bool      // NewTask.Tell is for the task Inserted.ID, which was there already
	Deps     []task.ID // what the task depends on, as it is stored
}

// Resolve decides whether a new task may be stored, given what stands behind
// each of its keys (nil = free). It is the one place with the rules of keys;
// both floors and the oracle call it while they hold the keys locked.
//
// An answer that names a task is kept for the idempotency keys that come before
// the key that decided, also when that task is another one: a request that is
// sent again gets the task it got at first.
//
// A task that brings signals for whoever has its client id or its unique key is
// refused when that one does not take them: it has ended, or is no function.
func Resolve(t *NewTask, taken []*Taken, now int64) Verdict {
	v := Verdict{Inserted: Inserted{Status: Created, ID: t.ID, CreatedAt: now}}
	for i, k := range t.Keys {
		had := taken[i]
		if had == nil || !had.holds(now) || had.Entry.Task == t.ID {
			v.Keys = append(v.Keys, k)
			continue
		}
		refused := Verdict{Inserted: Inserted{ID: had.Entry.Task, Key: k.Kind, Status: Existing}}
		switch {
		case k.Kind == IdempotencyKey && had.Entry.Body != k.Body:
			refused.Inserted.Status = Mismatch
		case k.Kind == IdempotencyKey && k.Shared:
			continue // kept as it is: the task's own key decides
		case len(t.Tell) > 0 && k.Kind != IdempotencyKey && k.OnConflict == Return:
			if refused.Inserted.Status = Conflict; had.listens() {
				refused.Inserted.Status, refused.Tell = Existing, true
				refused.Keys = idempotencyKeys(v.Keys)
			}
		case k.Kind == ClientIDKey, k.Kind == UniqueKey && k.OnConflict == Reject:
			refused.Inserted.Status = Conflict
		case k.Kind == UniqueKey && k.OnConflict == Replace:
			if Replaceable(had.State, had.Reason) {
				v.Cancel = had.Entry.Task
			}
			v.Keys = append(v.Keys, k)
			continue
		case k.Kind == UniqueKey:
			refused.Keys = idempotencyKeys(v.Keys)
		}
		return refused
	}
	return v
}

// Replaceable tells whether a task that has a unique key ends when another one takes it:
// it waits for its time, its turn, or others. What runs, or did and waits to go on, is left.
func Replaceable(s task.State, why task.Reason) bool {
	return s == task.Ready || s == task.Scheduled || PlaceOf(s, why) == InRelation
}

func idempotencyKeys(keys []Key) []Key {
	return slices.DeleteFunc(keys, func(k Key) bool { return k.Kind != IdempotencyKey })
}

// Resolver resolves the keys of a batch of new tasks in order, so that a later
// one sees what an earlier one took.
type Resolver struct {
	Now   int64
	Taken map[KeyName]*Taken // what is stored; absent = free
	There map[task.ID]bool   // ids of the batch that are stored already, by an earlier try
	Ups   Ups
}

// Batch returns a verdict per task. When atomic is set and one is refused, the
// others are Skipped and the resolver is as before.
func (r *Resolver) Batch(tasks []NewTask, atomic bool) []Verdict {
	before, ups := maps.Clone(r.Taken), maps.Clone(r.Ups)
	out := make([]Verdict, len(tasks))
	for i := range tasks {
		out[i] = r.one(&tasks[i])
		if atomic && out[i].Inserted.Status.Refused() {
			r.Taken, r.Ups = before, ups
			for j := range out {
				if j != i {
					out[j] = Verdict{Inserted: Inserted{Status: Skipped}}
				}
			}
			break
		}
	}
	return out
}

func (r *Resolver) one(t *NewTask) Verdict {
	if r.Ups == nil {
		r.Ups = Ups{}
	}
	if r.There[t.ID] {
		r.Ups[t.ID] = Up{ID: t.ID}
		return Verdict{Inserted: Inserted{Status: Created, ID: t.ID}}
	}
	taken := make([]*Taken, len(t.Keys))
	for i, k := range t.Keys {
		taken[i] = r.Taken[k.Name()]
	}
	v := Resolve(t, taken, r.Now)
	deps, missing := r.Ups.Of(t)
	if v.Inserted.Status == Created && !missing.IsZero() { // what is there already stays, whatever became of the others
		return Verdict{Inserted: Inserted{Status: Missing, ID: missing}}
	}
	if !v.Cancel.IsZero() {
		r.canceled(v.Cancel)
	}
	had := r.standing(t, &v, deps, taken)
	r.Ups.Add(t.ID, &v.Inserted, EndedAs(had.State, had.Reason, task.NotEnded))
	for _, up := range deps {
		v.Deps = append(v.Deps, up.ID)
	}
	for _, k := range v.Keys {
		r.Taken[k.Name()] = &Taken{KeyEntryFor(k, v.Inserted.ID, r.Now), had.State, had.Kind, had.Reason}
	}
	return v
}

// canceled notes that a new task has another one canceled.
func (r *Resolver) canceled(id task.ID) {
	for name, had := range r.Taken {
		if had.Entry.Task == id {
			r.Taken[name] = &Taken{Entry: had.Entry, State: task.Canceled, Kind: had.Kind, Reason: task.Replaced}
		}
	}
	r.Ups.canceled(id)
}

// standing is how the task stands that a verdict names, a new one with what it depends on.
func (r *Resolver) standing(t *NewTask, v *Verdict, deps []Up, taken []*Taken) Taken {
	for _, had := range taken {
		if had != nil && v.Inserted.Status != Created && had.Entry.Task == v.Inserted.ID {
			return *had
		}
	}
	had := Taken{State: task.Ready, Kind: t.Kind}
	if len(deps) == 0 {
		return had
	}
	ends := make([]task.End, len(deps))
	for i, up := range deps {
		ends[i] = up.End
	}
	n := NeedOf(t.ID, t.Lane, t.When, ends)
	p := Placement{Entry: Entry{State: task.Ready}}.Depending(&n)
	had.State, had.Reason = p.State, p.Reason
	return had
}

// HeldKey is a key that ends with its task: a client id or a unique key.
type HeldKey struct {
	KeyName
	WhileOpen bool // it is held until the task has ended
}

// whileOpen marks such a key beside its kind in the stored form.
const whileOpen = 0x80

// EncodeKeyNames returns the stored form of the names that end with the task:
// those of its client id and unique keys. nil when there are none.
func EncodeKeyNames(keys []Key) []byte {
	var b []byte
	for _, k := range keys {
		if k.Kind == IdempotencyKey {
			continue
		}
		kind := byte(k.Kind)
		if k.WhileOpen {
			kind |= whileOpen
		}
		b = binary.BigEndian.AppendUint32(b, uint32(k.Namespace))
		b = append(b, kind)
		b = append(b, k.Hash[:]...)
	}
	return b
}

// DecodeKeyNames reads what EncodeKeyNames wrote.
func DecodeKeyNames(b []byte) []HeldKey {
	const size = 4 + 1 + 16
	var keys []HeldKey
	for ; len(b) >= size; b = b[size:] {
		name := KeyName{
			Namespace: int32(binary.BigEndian.Uint32(b)), Kind: KeyKind(b[4] &^ whileOpen), Hash: Hash(b[5:size]),
		}
		keys = append(keys, HeldKey{name, b[4]&whileOpen != 0})
	}
	return keys
}

// Reclaim decides whether a task that has ended may run again with its keys,
// given what stands behind them (absent = free), and returns the entries to
// write for that. ErrKeyHeld when another task holds one.
func Reclaim(id task.ID, keys []HeldKey, taken map[KeyName]*Taken, now int64) ([]KeyEntry, error) {
	var entries []KeyEntry
	for _, k := range keys {
		had := taken[k.KeyName]
		switch {
		case k.Kind != UniqueKey, had != nil && had.Entry.Task == id:
		case had != nil && had.holds(now):
			return nil, KeyHeld{had.Entry.Task}
		case k.WhileOpen:
			entries = append(entries, KeyEntry{Kind: k.Kind, Namespace: k.Namespace, Hash: k.Hash, Task: id, WhileOpen: true})
		}
	}
	return entries, nil
}
