package sqlite_test

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/store/storetest"
	"github.com/sendoff-dev/sendoff/task"
)

// joined registers a node.
func joined(t *testing.T, s *sqlite.Store) task.ID {
	t.Helper()
	node := store.Node{ID: task.ID(uuid.Must(uuid.NewV7())), Name: "n", Version: 1}
	require.NoError(t, s.Register(t.Context(), node, time.Minute.Microseconds()))
	return node.ID
}

func claimed(t *testing.T, s *sqlite.Store, node task.ID, lane int32, n int) []store.Claimed {
	t.Helper()
	batch, err := s.Claim(t.Context(), store.ClaimRequest{
		ID: task.ID(uuid.Must(uuid.NewV7())), Node: node, Slots: []store.ClaimSlot{{Lane: lane, Priority: 5, Limit: n}}, Limit: n,
	})
	require.NoError(t, err)
	return batch.Tasks
}

func succeeded(c *store.Claimed) store.Transition {
	return store.Transition{ID: c.ID, Token: c.Token, Outcome: task.Success, Decision: task.Decision{To: task.Succeeded}}
}

// TestACopyOfAFileInUseIsWhole: of tasks that come in batches of ten while copies are made,
// each copy holds whole batches, all that were acknowledged before it was begun and none twice.
func TestACopyOfAFileInUseIsWhole(t *testing.T) {
	dir := t.TempDir()
	s, lane := opened(t, filepath.Join(dir, "a.db"), 200)
	stop := make(chan struct{})
	var working sync.WaitGroup
	var mu sync.Mutex
	stored := int64(200)
	working.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			fill(t, s, lane, 10)
			mu.Lock()
			stored += 10
			mu.Unlock()
		}
	})
	for i := range 5 {
		mu.Lock()
		least := stored
		mu.Unlock()
		c, err := sqlite.Backup(t.Context(), filepath.Join(dir, "a.db"), filepath.Join(dir, "copy.db"), i > 0)
		require.NoError(t, err)
		require.GreaterOrEqual(t, c.Tasks, least)
		require.Zero(t, c.Tasks%10)
		is, err := os.Stat(filepath.Join(dir, "copy.db"))
		require.NoError(t, err)
		require.Equal(t, []any{c.Bytes, os.FileMode(0o600)}, []any{is.Size(), is.Mode()})
		require.Len(t, c.SHA256, 64)
	}
	close(stop)
	working.Wait()
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestARestoredFileFencesWhatWasGivenOut: what ran when the copy was made, and what was claimed
// after it, settles nothing in the new file, where everything rests until it is resumed.
func TestARestoredFileFencesWhatWasGivenOut(t *testing.T) {
	dir := t.TempDir()
	file, copied, again := filepath.Join(dir, "a.db"), filepath.Join(dir, "copy.db"), filepath.Join(dir, "b.db")
	s, lane := opened(t, file, 6)
	node := joined(t, s)
	before := claimed(t, s, node, lane, 3)
	_, _, err := s.Settle(t.Context(), []store.Transition{succeeded(&before[0])})
	require.NoError(t, err)
	_, err = sqlite.Backup(t.Context(), file, copied, false)
	require.NoError(t, err)
	after := claimed(t, s, node, lane, 2) // of which the copy knows nothing
	require.Len(t, after, 2)

	r, err := sqlite.Restore(t.Context(), copied, again)
	require.NoError(t, err)
	require.Equal(t, []any{int64(6), int64(1)}, []any{r.Tasks, r.Epoch})
	require.Equal(t, []string{before[1].ID.String(), before[2].ID.String()}, r.InDoubt)

	n, err := sqlite.Open(t.Context(), again, sqlite.Options{})
	require.NoError(t, err)
	defer n.Close()
	for _, c := range append(before[1:], after...) {
		errs, _, err := n.Settle(t.Context(), []store.Transition{succeeded(&c)})
		require.NoError(t, err)
		require.ErrorIs(t, errs[0], store.ErrLeaseLost, "a token of the old file")
	}
	node = joined(t, n)
	_, err = n.Rescue(t.Context(), node, nil, 100)
	require.NoError(t, err)
	require.Empty(t, claimed(t, n, node, lane, 10), "nothing runs yet")
	resumed, err := sqlite.ResumeRestored(t.Context(), again)
	require.NoError(t, err)
	require.EqualValues(t, 1, resumed)
	got := claimed(t, n, node, lane, 10)
	require.Len(t, got, 5)
	for _, c := range got {
		for _, old := range append(before, after...) {
			require.Greater(t, c.Token, old.Token)
		}
	}
	rows, _, err := n.Attempts(t.Context(), before[0].ID, 0, 10, 1<<20)
	require.NoError(t, err)
	require.Empty(t, rows, "its success is in its row")
	seen, err := n.Snapshot(t.Context())
	require.NoError(t, err)
	require.NoError(t, storetest.Consistent(seen))

	resumed, err = sqlite.ResumeRestored(t.Context(), again)
	require.NoError(t, err)
	require.Zero(t, resumed)
	require.NoError(t, n.Close())
	_, err = sqlite.Backup(t.Context(), again, copied, true)
	require.NoError(t, err)
	r, err = sqlite.Restore(t.Context(), copied, filepath.Join(dir, "c.db"))
	require.NoError(t, err)
	require.EqualValues(t, 2, r.Epoch)
}

func TestWhatWasPausedByHandStaysSoWhenARestoreIsResumed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.db")
	s, _ := opened(t, file, 1)
	_, err := s.PauseNamespace(t.Context(), store.DefaultNamespace, true)
	require.NoError(t, err)
	_, err = sqlite.Backup(t.Context(), file, filepath.Join(dir, "copy.db"), false)
	require.NoError(t, err)
	_, err = sqlite.Restore(t.Context(), filepath.Join(dir, "copy.db"), filepath.Join(dir, "b.db"))
	require.NoError(t, err)
	resumed, err := sqlite.ResumeRestored(t.Context(), filepath.Join(dir, "b.db"))
	require.NoError(t, err)
	require.Zero(t, resumed)
}

// spoiled writes over the middle of a file.
func spoiled(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	is, err := f.Stat()
	require.NoError(t, err)
	junk := make([]byte, 8192)
	for i := range junk {
		junk[i] = 0xA5
	}
	_, err = f.WriteAt(junk, is.Size()/2)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestWhatCannotBeCopiedOrRestoredMakesNothing(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	s, _ := opened(t, at("a.db"), 3000)
	_, err := sqlite.Backup(t.Context(), at("a.db"), at("copy.db"), false)
	require.NoError(t, err)
	good, err := os.ReadFile(at("copy.db"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(at("bad.db"), good, 0o600))
	spoiled(t, at("bad.db"))
	require.NoError(t, os.WriteFile(at("cut.db"), good[:len(good)/3], 0o600))
	require.NoError(t, os.WriteFile(at("text"), []byte("no database at all, but a text of some length that is none"), 0o600))
	require.NoError(t, os.WriteFile(at("empty"), nil, 0o600))
	u := url.URL{Scheme: "file", Opaque: at("other.db")}
	other, err := sql.Open("sqlite", u.String())
	require.NoError(t, err)
	_, err = other.Exec("create table t (x)")
	require.NoError(t, err)
	require.NoError(t, other.Close())
	require.NoError(t, os.Symlink(at("a.db"), at("link.db")))

	for _, c := range []struct {
		from, to string
		replace  bool
		want     error
	}{
		{"a.db", "copy.db", false, sqlite.ErrExists},
		{"a.db", "a.db", true, sqlite.ErrExists},
		{"a.db", "link.db", true, sqlite.ErrExists},
		{"none.db", "x", false, os.ErrNotExist},
		{"a.db", "nowhere/x", false, os.ErrNotExist},
		{"text", "x", false, sqlite.ErrNotOurs},
		{"empty", "x", false, sqlite.ErrNotOurs},
		{"other.db", "x", false, sqlite.ErrNotOurs},
		{"bad.db", "x", false, store.ErrBroken},
	} {
		_, err := sqlite.Backup(t.Context(), at(c.from), at(c.to), c.replace)
		require.ErrorIs(t, err, c.want, "%s to %s", c.from, c.to)
	}
	for _, c := range []struct {
		from, to string
		want     error
	}{
		{"copy.db", "copy.db", store.ErrInUse},
		{"copy.db", "a.db", store.ErrInUse},
		{"copy.db", "other.db", sqlite.ErrExists},
		{"none.db", "x", os.ErrNotExist},
		{"text", "x", sqlite.ErrNotOurs},
		{"other.db", "x", sqlite.ErrNotOurs},
		{"bad.db", "x", store.ErrBroken},
		{"cut.db", "x", store.ErrBroken},
	} {
		if c.to == "copy.db" {
			c.want = sqlite.ErrExists
		}
		_, err := sqlite.Restore(t.Context(), at(c.from), at(c.to))
		require.ErrorIs(t, err, c.want, "%s to %s", c.from, c.to)
	}
	_, err = os.Stat(at("x"))
	require.ErrorIs(t, err, os.ErrNotExist)
	now, err := os.ReadFile(at("copy.db"))
	require.NoError(t, err)
	require.Equal(t, good, now, "what is copied from stays as it is")
	left, err := filepath.Glob(at(".*"))
	require.NoError(t, err)
	require.Empty(t, left)
	require.NoError(t, s.Ping(context.Background()))
	_, err = sqlite.ResumeRestored(t.Context(), at("text"))
	require.ErrorIs(t, err, sqlite.ErrNotOurs)
	_, err = sqlite.ResumeRestored(t.Context(), at("none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
