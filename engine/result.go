package engine

import (
	"time"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/store"
)

// Result is what became of a task that was submitted.
type Result struct {
	Status    Status
	ID        string    // of the task that is there now: the one you chose, or the one that the engine made
	CreatedAt time.Time // of that task; zero when there is none, or it is not known
	Err       error     // why the task is Invalid; nil otherwise
}

// Status says what became of a task that was submitted.
type Status int

// The statuses.
const (
	Created  Status = iota + 1 // it is on disk
	Existing                   // a key says that it is there already: ID is that task
	Conflict                   // refused, because another task has its ID or unique key: ID is that task
	Mismatch                   // refused, because its idempotency key was used for another task
	Skipped                    // not stored, because another one that was submitted with it was refused
	Invalid                    // refused for its fields: see Err
	Dropped                    // not stored, by its rule for duplicates: ID is one that is there
)

var statuses = map[Status]string{
	Created: "created", Existing: "existing", Conflict: "conflict", Mismatch: "mismatch", Skipped: "skipped", Invalid: "invalid",
	Dropped: "dropped",
}

func (s Status) String() string { return statuses[s] }

// Refused tells whether the task is not there, neither new nor from before.
func (s Status) Refused() bool { return s != Created && s != Existing }

var statusOf = map[store.InsertStatus]Status{
	store.Created: Created, store.Existing: Existing, store.Conflict: Conflict, store.Mismatch: Mismatch, store.Skipped: Skipped, store.Invalid: Invalid,
	store.Dropped: Dropped,
}

// resultOf shows what became of a submission.
func resultOf(s *accept.Submission, r *accept.Result) Result {
	if r.Err != nil {
		return Result{Status: Invalid, Err: r.Err}
	}
	out := Result{Status: statusOf[r.Status], CreatedAt: timeOf(r.CreatedAt)}
	switch {
	case r.Status == store.Created, r.Key == store.ClientIDKey:
		out.ID = s.Spec.PublicID(r.ID)
	case !r.ID.IsZero():
		out.ID = r.ID.String()
	}
	if out.Status == Invalid {
		out.Err = errUnstorable
	}
	return out
}
