package sqlite

import (
	"errors"
	"fmt"
	"sync"

	"modernc.org/sqlite"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/pipeline"
)

// failure is why the file can no longer be relied on: a write or sync failed, a
// page is damaged, or the file is gone. It is final. After a failed write nobody
// knows what is on disk, and asking again may get a yes that means nothing
// (fsync clears the error it reports).
type failure struct {
	file  *file // nil until it is ours
	mu    sync.Mutex
	cause error
	told  chan struct{} // closed with the first cause
}

func newFailure() *failure { return &failure{told: make(chan struct{})} }

// err returns the cause; nil while all is well.
func (f *failure) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cause
}

// set keeps the first cause and returns it.
func (f *failure) set(cause error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause == nil {
		f.cause = fmt.Errorf("%w: %w", store.ErrBroken, cause)
		close(f.told)
	}
	return f.cause
}

// judge looks at the error of a statement and makes it final when it is. What
// SQLite says of a file that is gone ("disk I/O error") would send people to
// their disk, so where the file is has the first word.
func (f *failure) judge(err error) error {
	damaged := isDamage(err)
	if !damaged && codeOf(err)&0xff != codeCannotOpen {
		return err // of a file that cannot be opened it is not known yet: this process may have too many
	}
	if f.file != nil {
		if gone := f.file.inPlace(); gone != nil {
			return f.set(fmt.Errorf("%w (%w)", gone, err))
		}
	}
	if damaged {
		return f.set(err)
	}
	return err
}

// Primary and extended result codes of SQLite.
const (
	codeIO         = 10
	codeCorrupt    = 11
	codeFull       = 13
	codeCannotOpen = 14
	codeTooBig     = 18
	codeMismatch   = 20
	codeRange      = 25
	codeNoFile     = 26             // the file is no database
	codeIndexFull  = codeIO | 19<<8 // no room for the index of the log
)

func codeOf(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()
	}
	return 0
}

// isFull tells whether there was no room on the disk. The transaction is rolled
// back, and the next one may find room.
func isFull(err error) bool {
	code := codeOf(err)
	return code&0xff == codeFull || code == codeIndexFull
}

// isDamage tells whether SQLite could not read, write, sync or trust the file.
func isDamage(err error) bool {
	switch codeOf(err) & 0xff {
	case codeIO, codeCorrupt, codeNoFile:
		return !isFull(err)
	}
	return false
}

// translate turns errors of the driver into errors of package store. One that
// says the file is damaged ends the store, be it met by a write or by a read.
func (s *Store) translate(err error) error {
	if err = s.failed.judge(err); err == nil {
		return nil
	}
	if isFull(err) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	switch codeOf(err) & 0xff {
	case codeTooBig, codeMismatch, codeRange:
		return fmt.Errorf("%w: %w", store.ErrBadValue, err)
	}
	if errors.Is(err, pipeline.ErrClosed) {
		return store.ErrClosed
	}
	return err
}
