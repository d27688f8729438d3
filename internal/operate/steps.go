package operate

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/internal/journal"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Step is a step of a durable function.
type Step struct {
	journal.StepRecord
	Key   string // its idempotency key; "" when its Place is
	State StepState
}

// StepState is what became of a step.
type StepState string

// The states of steps.
const (
	StepRunning     StepState = "running"
	StepSucceeded   StepState = "succeeded"
	StepFailed      StepState = "failed"
	StepInterrupted StepState = "interrupted" // it runs again when its function goes on
	StepCanceled    StepState = "canceled"    // given up, by the function or with its end
)

// StepQuery selects a part of the steps of a function.
type StepQuery struct {
	Limit  int    // 1 to 500; default 50
	Cursor string // of the page before
	Newest bool   // first; otherwise the oldest are
}

// StepPage is a part of the steps of a function, and how many there are in all.
type StepPage struct {
	Items  []Step
	Counts map[StepState]int // of all steps of the journal
	Next   string            // empty at the end
	Note   string            // why there are none, when that needs a word
}

// maxStepBytes bounds the results of one page; a single step may have more.
const maxStepBytes = 1 << 20

// stepReaders is how many journals are read at a time: each may be 16 MB.
const stepReaders = 4

// Steps returns steps of a durable function, from its journal. Functions whose
// SDK keeps no journal have none; the note says so. store.ErrNotFound,
// store.ErrNotFunction, ErrBadCursor.
func (f *Functions) Steps(ctx context.Context, id string, q StepQuery) (StepPage, error) {
	t, err := f.tasks.Get(ctx, id)
	if err != nil {
		return StepPage{}, err
	}
	if t.Kind != task.Function {
		return StepPage{}, named(id, store.ErrNotFunction)
	}
	entries, err := f.journal(ctx, t.ID)
	switch {
	case errors.Is(err, errUnreadable):
		return StepPage{Note: err.Error()}, nil
	case err != nil:
		return StepPage{}, err
	case len(entries) == 0:
		return StepPage{Note: withoutJournal(&t)}, nil
	}
	return stepPage(&t, entries, q)
}

var errUnreadable = errors.New("the journal cannot be shown")

// journal reads the journal of a function; it has no entries when none is kept.
// errUnreadable.
func (f *Functions) journal(ctx context.Context, id task.ID) ([]journal.Entry, error) {
	select {
	case f.reading <- struct{}{}:
		defer func() { <-f.reading }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	segments, err := f.store.Journal(ctx, id)
	if err != nil || len(segments) == 0 {
		return nil, err
	}
	var text []byte
	for _, s := range segments {
		text = append(text, s.Bytes...)
	}
	entries, _, err := journal.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return entries, nil
}

// awaited names the signals that a suspended function waits for, as far as its journal
// tells.
func (f *Functions) awaited(ctx context.Context, id task.ID) ([]string, error) {
	entries, err := f.journal(ctx, id)
	if errors.Is(err, errUnreadable) {
		return nil, nil
	}
	return journal.Awaited(entries), err
}

// withoutJournal says why a function has no steps to show.
func withoutJournal(t *Task) string {
	switch {
	case t.Token == 0:
		return "the function has not started yet"
	case t.State == task.Running || t.State == task.Ready || t.State == task.Scheduled:
		return "no step is on record yet; functions of other SDKs than Sendoff's for Go keep no journal here, and never show any"
	}
	return "there is no journal: only functions of Sendoff's SDK for Go keep one here; what others called is in the tree"
}

func stepPage(t *Task, entries []journal.Entry, q StepQuery) (StepPage, error) {
	page := StepPage{Counts: map[StepState]int{}}
	all := journal.Steps(entries)
	for i := range all {
		page.Counts[stepState(t, all[i].State)]++
	}
	if q.Newest {
		slices.Reverse(all)
	}
	generation := entries[0].Generation
	if q.Cursor != "" {
		last, err := stepOf(q.Cursor, generation)
		if err != nil {
			return page, err
		}
		past := slices.IndexFunc(all, func(s journal.StepRecord) bool { return s.Ordinal > last != q.Newest && s.Ordinal != last })
		if past < 0 {
			past = len(all)
		}
		all = all[past:]
	}
	limit, size := q.Limit, 0
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, maxPage)
	for i := range all {
		size += len(all[i].Value.Data) + len(all[i].Fail)
		if i == limit || i > 0 && size > maxStepBytes {
			page.Next = stepCursor(generation, all[i-1].Ordinal)
			break
		}
		item := Step{StepRecord: all[i], State: stepState(t, all[i].State)}
		if item.Place != "" {
			item.Key = t.ID.String() + ":" + item.Place
		}
		page.Items = append(page.Items, item)
	}
	return page, nil
}

func stepState(t *Task, s journal.StepState) StepState {
	switch {
	case s == journal.StepSucceeded:
		return StepSucceeded
	case s == journal.StepFailed:
		return StepFailed
	case s == journal.StepGivenUp || t.State.Final():
		return StepCanceled
	case t.State == task.Running:
		return StepRunning
	}
	return StepInterrupted
}

// A cursor names a step, and the journal that it is in: one that was begun anew
// has other steps by the same numbers.
func stepCursor(generation, ordinal uint64) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, generation), ordinal))
}

func stepOf(cursor string, generation uint64) (ordinal uint64, err error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != 16 {
		return 0, ErrBadCursor
	}
	if binary.BigEndian.Uint64(b) != generation {
		return 0, ErrOtherJournal
	}
	return binary.BigEndian.Uint64(b[8:]), nil
}
