package store

import (
	"crypto/sha256"
	"strings"

	"github.com/sendoff-dev/sendoff/task"
)

// DefaultNamespace is the only one until accounts exist.
const DefaultNamespace int32 = 1

// Queue is a named line of tasks.
type Queue struct {
	ID        int32
	Namespace int32
	Name      string
	Paused    bool
	Settings  []byte
	CreatedAt int64
}

// Lane is a queue's line for one pool: what a claim takes from.
type Lane struct {
	ID        int32
	Namespace int32
	QueueID   int32
	Queue     string
	Pool      string
	Paused    bool
	Forgotten bool // its queue is not listed any more
}

// ForgetAfter is for how long the lanes of a forgotten queue stay at least, in
// microseconds: far longer than a node goes without reading them.
const ForgetAfter int64 = 10 * 60 * 1_000_000

// Flag bits of a task, fixed at insert unless said otherwise.
const (
	FlagBody   int32 = 1 << 0 // the payload is in body, part 0
	FlagKeys   int32 = 1 << 1 // has a client id or a unique key
	FlagParent int32 = 1 << 2 // its end is told to its parent
	FlagGate   int32 = 1 << 3 // reserved: holds room under a limit
	FlagDeps   int32 = 1 << 4 // reserved: others wait for it

	FlagUndo      int32 = 1 << 5 // a function that has something to undo; settles say so, see Effects.Undo
	FlagCanceling int32 = 1 << 6 // it was canceled and runs on to undo that; see Functions.Undo
)

// InlinePayload is the largest payload kept in the task row. A larger one would
// be written again with every transition.
const InlinePayload = 1024

// NewTask is a task that was checked and is ready to be stored.
type NewTask struct {
	ID          task.ID
	Lane        int32
	Priority    int16
	Kind        task.Kind
	MaxAttempts int32
	Delay       int64 // microseconds from now; 0 = none
	RunAt       int64 // absolute, used when Delay is 0; 0 = at once
	ExpiresAt   int64 // do not start from then on; 0 = never
	Group       string
	Parent      task.ID
	Root        task.ID // first task of the tree; zero when it is this one
	Correlation uint64  // of the call, as the parent chose it
	Epoch       int32   // of the parent when it made the call
	Deliver     bool    // the end is told to the parent (FlagParent)
	Spec        []byte
	Payload     []byte
	Keys        []Key
	Tell        []Message // of kind Signal, to a function: this one, or the one that has its client id or unique key
}

// Due returns when the task is due, given the time of its insert.
func (t *NewTask) Due(now int64) int64 {
	if t.Delay > 0 {
		return now + t.Delay
	}
	return t.RunAt
}

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

// InsertStatus says what became of a task that was to be stored.
type InsertStatus int

// The statuses.
const (
	Created  InsertStatus = iota + 1 // stored
	Existing                         // a key says that it is there already: ID is that task
	Conflict                         // refused by a client id or a unique key: ID has it
	Mismatch                         // the idempotency key was used for another request
	Skipped                          // not stored, because another task of the batch was refused
	Invalid                          // the database could not store its values
)

// Inserted is the answer to one NewTask.
type Inserted struct {
	Status    InsertStatus
	ID        task.ID // the task that is there now
	Key       KeyKind // the key that decided, when not Created
	CreatedAt int64
}

// Woken says that a lane has tasks again. Position is the smallest one among
// those that became ready, so that claimers lower their cursors to it.
type Woken struct {
	Lane     int32
	Priority int16
	Position int64
}

// ClaimSlot asks for tasks of one lane and priority.
type ClaimSlot struct {
	Lane     int32
	Priority int16
	Cursor   int64 // inclusive
	Limit    int
}

// ClaimRequest asks for tasks for a node.
type ClaimRequest struct {
	ID    task.ID // of the claim, new
	Node  task.ID
	Slots []ClaimSlot
	Limit int
	Done  []task.ID // earlier claims whose tasks are all settled
}

// ClaimBatch is what a claim brought.
type ClaimBatch struct {
	Now     int64 // the database's clock
	Tasks   []Claimed
	Expired int // tasks that ended as expired instead of being claimed
}

// Claimed is a task in the hands of a node.
type Claimed struct {
	ID           task.ID
	Token        int64
	Lane         int32
	Priority     int16
	Position     int64
	Kind         task.Kind
	Flags        int32
	Run          int32
	Failures     int32
	Crashes      int32
	MaxAttempts  int32
	CreatedAt    int64
	ExpiresAt    int64
	FirstStarted int64
	StartedAt    int64
	LastCode     int32 // of the attempt before
	Parent       task.ID
	Root         task.ID
	Spec         []byte
	Payload      []byte
}

// Transition is the end of an attempt, as it is to be written.
type Transition struct {
	ID       task.ID
	Token    int64
	Outcome  task.Class
	Decision task.Decision
	Code     int32
	Error    string
	Answer   task.Answer
	Effects  *Effects // nil = the task concerns no other one
}

// Effects is what a settle writes beside the task itself, in the same
// transaction, and only when the fence held. A final transition of a task with
// FlagParent delivers its end to the parent (see Message), with the answer's
// body; one of a function ends its wait, and its state goes.
type Effects struct {
	Parent task.ID // of a task with FlagParent, for a final transition: whom its end is told
	Append *task.Segment
	Seen   int64 // with Suspended or Restart: messages up to this one are used up, besides those that were before

	// Of a transition to Suspended only:
	State  []byte    // in place of the one kept; nil = none
	Calls  []NewTask // of the task's current epoch, without keys
	Open   int64     // calls whose results have not been used up, those of Calls included
	Need   int32     // messages beyond Seen that end it; when they are there already the task is ready at once
	Prompt bool      // one of them that is Urgent ends it alone

	// State, journal and results go, and a new epoch begins: results of earlier
	// calls are dropped from now on. Signals that came after Seen stay.
	// Without Next the function begins again: see Transition.BeginsAgain.
	Restart bool
	Next    *Next

	Undo Undo // whether the function has something to undo; the zero value changes nothing

	// The run knew that the function is being canceled. One that did not is due again
	// at once, whatever it waits for.
	Told bool

	// To the task itself. With Suspended: kind PollError. With Restart: signals
	// that were told before and not taken; they come before those that stay.
	Tell []Message
}

// Undo says whether a function has something to undo.
type Undo int16

// The values are not stored.
const (
	UndoAsBefore  Undo = iota // nobody said so
	UndoSomething             // FlagUndo is set
	UndoNothing               // FlagUndo is cleared
)

// In returns the flags of a task as u leaves them.
func (u Undo) In(flags int32) int32 {
	switch u {
	case UndoSomething:
		return flags | FlagUndo
	case UndoNothing:
		return flags &^ FlagUndo
	case UndoAsBefore:
	}
	return flags
}

// Hurries tells whether a function with these flags is due again at once after a run
// with effects e, because it does not know yet that it is being canceled.
func (e *Effects) Hurries(flags int32) bool {
	return e != nil && !e.Told && flags&FlagCanceling != 0
}

// CanUndo tells whether a task is canceled by having it undo what it did: nil, or why
// not.
func (r *Row) CanUndo() error {
	switch {
	case r.State.Final():
		return ErrFinal
	case r.Flags&FlagCanceling != 0:
		return ErrCanceling
	case r.Flags&FlagUndo == 0:
		return ErrNothingToUndo
	}
	return nil
}

// BeginsAgain tells whether a function starts over from its input, which is a new run
// of its task: its number goes up.
func (t *Transition) BeginsAgain() bool {
	e := t.Effects
	return e != nil && e.Restart && e.Next == nil && !t.Decision.To.Final()
}

// Next replaces what a function is to do.
type Next struct {
	Spec    []byte
	Payload []byte
}

// MessageKind says what a message to a function is.
type MessageKind int16

// The values are stored; never renumber them.
const (
	Result    MessageKind = 1 // a call has ended
	Signal    MessageKind = 2 // somebody sent it
	PollError MessageKind = 3 // its calls could not be made
)

// Message is something that a function is told when it is resumed.
type Message struct {
	Seq         int64 // rises from 1 in the order of arrival
	Kind        MessageKind
	From        task.ID // Result: the call
	Correlation uint64  // Result
	State       task.State
	Reason      task.Reason
	Name        string // Signal
	Error       string // Result of a task that failed, PollError
	Body        []byte // Result: the answer's body; Signal: its value
}

// Urgent tells whether a function that waits for many may want to know of this
// one at once: a call failed, or somebody sent it something.
func (m *Message) Urgent() bool {
	return m.Kind == Signal || m.Kind == Result && m.State != task.Succeeded
}

// Resumption is what a function has to know to go on.
type Resumption struct {
	Epoch    int32
	Open     int64
	Writer   int64 // token of the attempt that left the state; 0 = none did
	State    []byte
	Journal  int64 // bytes
	Messages []Message
	More     bool // messages that were left out
}

// Checkpoint adds to the journal of a running function.
type Checkpoint struct {
	ID    task.ID
	Token int64
	task.Segment
}

// Wait is what is known of the messages to a function, from its first poll,
// signal or restart on.
type Wait struct {
	Task   task.ID
	Epoch  int32
	Total  int64 // messages that ever came
	Seen   int64 // messages used up
	Open   int64
	Need   int32 // while suspended: messages beyond Seen that end it; WaitOver = the task has ended
	Writer int64 // token of the attempt that suspended it last
	Alarm  int64 // number of the last message that was Urgent, or one that is used up
	Prompt bool  // while suspended: an Urgent message beyond Seen ends it alone
}

// Met tells whether what a suspended function waits for is there.
func (w *Wait) Met() bool {
	return w.Total-w.Seen >= int64(w.Need) || w.Prompt && w.Alarm > w.Seen
}

// Number gives a message its number.
func (w *Wait) Number(m *Message) {
	w.Total++
	m.Seq = w.Total
	if m.Urgent() {
		w.Alarm = w.Total
	}
}

// WaitOver is the Need of a task that has ended: what comes then is dropped.
const WaitOver int32 = -1

// Number is the number of the attempt within its run, from 1.
func (t *Transition) Number() int32 {
	if t.Outcome == task.Failure || t.Outcome == task.Reject {
		return t.Decision.Failures
	}
	return t.Decision.Failures + 1
}

// MaxError is how much of an attempt's error text is kept, in bytes.
const MaxError = 2048

// CleanText makes text storable in both dialects: valid UTF-8 without NUL, at
// most limit bytes.
func CleanText(s string, limit int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "")
}

// Recorded tells whether the attempt gets a row of its own: all but a success
// that brought nothing back, and one that was put off before anything was sent.
func (t *Transition) Recorded() bool {
	putOff := t.Outcome == task.Throttle && t.Code == 0
	return !t.Answer.Empty() || t.Outcome != task.Success && !putOff
}

// Rescued is what a rescue did.
type Rescued struct {
	Claims int // claims that were closed
	Tasks  int // tasks taken back
	Poison int // of these, ended as poison
	Woken  []Woken
}

// Retention says how long ended tasks stay visible, in microseconds.
type Retention struct {
	Succeeded int64
	Failed    int64
	Canceled  int64
}

// Of returns the retention of a final state.
func (r Retention) Of(s task.State) int64 {
	switch s {
	case task.Failed:
		return r.Failed
	case task.Canceled:
		return r.Canceled
	default:
		return r.Succeeded
	}
}

// Node is a running server.
type Node struct {
	ID         task.ID
	Name       string
	Version    int32
	Roles      string
	Pools      string
	StartedAt  int64
	LeaseUntil int64
	Draining   bool
}

// Held is a task that a node believes to be running.
type Held struct {
	ID    task.ID
	Token int64
}

// Row is a task as it is stored, without its payload.
type Row struct {
	ID           task.ID
	Lane         int32
	Priority     int16
	Kind         task.Kind
	Flags        int32
	State        task.State
	Reason       task.Reason
	Token        int64
	Run          int32
	Failures     int32
	Crashes      int32
	MaxAttempts  int32
	CreatedAt    int64
	At           int64 // scheduled: when it is due; otherwise its last position
	ExpiresAt    int64
	FirstStarted int64 // of this run
	LastStarted  int64
	FinishedAt   int64
	Node         task.ID // of the last attempt
	LastOutcome  task.Class
	LastCode     int32
	LastError    string
	Group        string
	Parent       task.ID
	Root         task.ID
	Correlation  uint64
	Epoch        int32 // of the parent when it called
	Spec         []byte
}

// AttemptRow is the record of an attempt that ended.
type AttemptRow struct {
	Token      int64
	Run        int32
	Number     int32 // of the attempt within its run, from 1
	Node       task.ID
	StartedAt  int64
	FinishedAt int64
	Outcome    task.Class
	Code       int32
	Error      string
	Answer     task.Answer
	LeftOut    int64 // how many attempts between the one before and this one are not kept
}

// Query selects tasks for a listing, newest first. Lanes, roots, ids and a single
// state are looked up; everything else is for the caller to filter.
type Query struct {
	Root   task.ID      // of the tree that the tasks were called in; zero = all tasks
	Lanes  []int32      // nil = all
	States []task.State // nil = all
	Before task.ID      // ids below it; zero = no bound
	From   task.ID      // ids from it on
	Limit  int
	Scan   int // rows to look at, at most; 0 = no bound
}

// LaneStats is how much waits in a lane.
type LaneStats struct {
	Lane        int32
	Ready       int64
	Scheduled   int64
	Running     int64
	Suspended   int64
	Blocked     int64
	Failed      int64
	OldestReady int64 // smallest position in ready; 0 = none
}

// Hint tells other nodes what changed.
type Hint struct {
	From     task.ID `json:"f"` // the node that tells it
	Woken    []Woken `json:"w,omitempty"`
	Canceled []Held  `json:"c,omitempty"` // attempts to stop; Token 0 = whatever runs
	Catalog  bool    `json:"q,omitempty"` // queues or lanes changed
}

// Snapshot is the whole content of a store, ordered by key.
type Snapshot struct {
	Tasks    []Row
	Payloads map[task.ID]string
	Ready    []ReadyEntry
	Timers   []TimerEntry
	Claims   []ClaimEntry
	Keys     []KeyEntry
	Attempts map[task.ID][]AttemptRow
	Dead     []TimerEntry
	Nodes    []Node
	Waits    []Wait
	Messages map[task.ID][]Message
	Journals map[task.ID][]task.Segment
	States   map[task.ID]string
}

// ReadyEntry is a row of ready.
type ReadyEntry struct {
	Lane     int32
	Priority int16
	Position int64
	ID       task.ID
}

// TimerEntry is a row of timer, or of dead. A timer is kept for every task that
// is scheduled, suspended or blocked.
type TimerEntry struct {
	Lane int32
	At   int64
	ID   task.ID
}

// ClaimEntry is an open claim.
type ClaimEntry struct {
	ID    task.ID
	Node  task.ID
	At    int64
	Tasks []task.ID
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
