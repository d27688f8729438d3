package accept

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Check says what is wrong with a submission, as Accept would, without what only shows when
// it is stored. It stores nothing. task.Invalid, store.ErrOldNode.
func (a *Acceptor) Check(ctx context.Context, s *Submission) error {
	nowhere := func(context.Context, int32, string, string, string) (store.Lane, error) { return store.Lane{}, nil }
	_, _, _, err := a.prepareAll(ctx, nowhere, []Submission{*s}, true)
	return err
}

// Plan is Prepare of a task that is stored in the transaction of a schedule.
func (a *Acceptor) Plan(ctx context.Context, s *Submission) (store.NewTask, error) {
	subs := []Submission{*s}
	_, tasks, of, err := a.prepareAll(ctx, a.cfg.Lane, subs, true)
	if err == nil {
		_, err = a.depend(ctx, subs, tasks, of)
	}
	if err != nil {
		return store.NewTask{}, err
	}
	return tasks[0], nil
}

// NamedKey is a duplicate key made of a word and a name, which may be as long as a key.
func NamedKey(word, name string) string {
	if len(word)+len(name) <= task.MaxLimitKey {
		return word + name
	}
	hash := store.HashOf([]byte(name))
	return word + task.ID(hash).String()
}

// Planned tells everybody of tasks that Plan has prepared and that are stored.
func (a *Acceptor) Planned(tasks []store.NewTask, inserted []store.Inserted, woken []store.Woken) {
	a.announce(tasks, inserted, time.Now())
	if len(woken) > 0 {
		a.cfg.Bell.Wake(woken)
	}
}

// CheckPlanned notes what a task of a schedule cannot have, as it is made more than once,
// and at a time that nobody knows yet.
func CheckPlanned(bad *task.Invalid, s *Submission) {
	for _, f := range []struct {
		name, why string
		given     bool
	}{
		{"id", "belongs to one task, and a schedule makes many", s.Spec.ClientID != ""},
		{"run_at", "belongs to one task: want at, times or delay", !s.RunAt.IsZero()},
		{"expires_at", "belongs to one task, and a schedule makes many", !s.ExpiresAt.IsZero()},
		{"on_duplicate", "is overlap, beside the task of a schedule", s.Spec.OnDuplicate != task.Parallel},
		{"duplicate_key", "is that of the schedule: want overlap, beside the task", s.Spec.DuplicateKey != ""},
	} {
		if f.given {
			bad.Add(f.name, "%s", f.why)
		}
	}
}
