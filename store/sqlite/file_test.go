package sqlite_test

import (
	"context"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// opened is a store on a file, with a lane and some tasks.
func opened(t *testing.T, path string, tasks int) (*sqlite.Store, int32) {
	t.Helper()
	s, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	lane, err := s.EnsureLane(context.Background(), store.DefaultNamespace, "default", task.AnyPool, 10)
	require.NoError(t, err)
	fill(t, s, lane.ID, tasks)
	return s, lane.ID
}

func insert(s *sqlite.Store, lane int32) error {
	_, _, err := s.Insert(context.Background(), []store.NewTask{draft(lane)}, false)
	return err
}

func TestAFileIsOneStoresUnderEveryName(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sendoff.db")
	s, lane := opened(t, file, 1)
	link, hard, aside := filepath.Join(dir, "link.db"), filepath.Join(dir, "hard.db"), filepath.Join(t.TempDir(), "aside")
	require.NoError(t, os.Symlink(file, link))
	require.NoError(t, os.Link(file, hard))
	require.NoError(t, os.Symlink(dir, aside))
	for what, path := range map[string]string{
		"the same path": file, "a symbolic link": link, "a hard link": hard, "a link to its directory": filepath.Join(aside, "sendoff.db"),
	} {
		brief, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		other, err := sqlite.Open(brief, path, sqlite.Options{})
		cancel()
		if err == nil {
			other.Close()
		}
		require.ErrorIs(t, err, store.ErrInUse, what)
	}
	require.NoError(t, insert(s, lane), "the first store goes on")
}

func TestAFileWithTwoNamesIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sendoff.db")
	s, _ := opened(t, file, 1)
	require.NoError(t, s.Close())
	require.NoError(t, os.Link(file, file+".copy"))
	_, err := sqlite.Open(context.Background(), file, sqlite.Options{})
	require.ErrorContains(t, err, "2 names (hard links)", "what waits in the log of one name is not seen under the other")
	require.NoError(t, os.Remove(file+".copy"))
	opened(t, file, 1)
}

func TestASymbolicLinkToAFileThatIsNotThereMakesIt(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link.db")
	require.NoError(t, os.Symlink(filepath.Join(dir, "real.db"), link))
	opened(t, link, 1)
	is, err := os.Stat(filepath.Join(dir, "real.db"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), is.Mode().Perm())
}

// TestNothingIsAcknowledgedIntoAFileThatIsGone takes the file away in the ways
// that people do.
func TestNothingIsAcknowledgedIntoAFileThatIsGone(t *testing.T) {
	for what, gone := range map[string]func(t *testing.T, file string){
		"deleted": func(t *testing.T, file string) { require.NoError(t, os.Remove(file)) },
		"moved":   func(t *testing.T, file string) { require.NoError(t, os.Rename(file, file+".old")) },
		"its directory moved": func(t *testing.T, file string) {
			dir := filepath.Dir(file)
			require.NoError(t, os.Rename(dir, dir+".old"))
		},
		"replaced": func(t *testing.T, file string) {
			require.NoError(t, os.WriteFile(file+".new", nil, 0o600))
			require.NoError(t, os.Rename(file+".new", file))
		},
		"its log deleted": func(t *testing.T, file string) { require.NoError(t, os.Remove(file+"-wal")) },
	} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			require.NoError(t, os.Mkdir(dir, 0o700))
			file := filepath.Join(dir, "sendoff.db")
			s, lane := opened(t, file, 1)
			gone(t, file)
			require.ErrorIs(t, insert(s, lane), store.ErrBroken, "acknowledged into nothing")
			require.ErrorIs(t, s.Ping(context.Background()), store.ErrBroken)
			requireBroken(t, s)
		})
	}
}

func TestAStoreThatWritesNothingSeesThatItsFileIsGone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sendoff.db")
	s, _ := opened(t, file, 1)
	require.NoError(t, os.Remove(file))
	<-s.Broken()
	require.ErrorContains(t, s.Failure(), "has been deleted or moved away")
}

// TestAReadSaysThatTheFileIsGone: a read that is the first to meet it hears of a
// disk error from SQLite; people are told what it comes from.
func TestAReadSaysThatTheFileIsGone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sendoff.db")
	s, _ := opened(t, file, 1)
	require.NoError(t, os.Remove(file))
	var reads sync.WaitGroup
	for range 16 { // more than have a connection: new ones are opened
		reads.Go(func() {
			for s.Failure() == nil {
				_, _ = s.Payload(context.Background(), task.ID{})
			}
		})
	}
	reads.Wait()
	require.ErrorIs(t, s.Failure(), store.ErrBroken)
	require.ErrorContains(t, s.Failure(), "has been deleted or moved away")
	require.NoFileExists(t, file, "a connection made another file in its place")
}

// TestTheFilesThatReplaceOursAreLeftAlone: a backup is put in place of a file in
// use, with the log that belongs to it.
func TestTheFilesThatReplaceOursAreLeftAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sendoff.db")
	s, lane := opened(t, file, 10)
	for _, name := range []string{file, file + "-wal"} {
		require.NoError(t, os.WriteFile(name+".backup", []byte("of the backup"), 0o600))
		require.NoError(t, os.Rename(name+".backup", name))
	}
	require.ErrorIs(t, insert(s, lane), store.ErrBroken)
	_ = s.Close()
	for _, name := range []string{file, file + "-wal"} {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, "of the backup", string(content), name)
	}
}

// TestAMovedFileIsWholeAndLeavesNothingBehind: what waits in the log goes with the
// file that it belongs to, and not into the next one under its name.
func TestAMovedFileIsWholeAndLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	file, moved := filepath.Join(dir, "sendoff.db"), filepath.Join(dir, "moved.db")
	other, _ := opened(t, filepath.Join(dir, "backup.db"), 3)
	require.NoError(t, other.Close())
	s, _ := opened(t, file, 500)
	require.NoError(t, os.Rename(file, moved))
	require.NoError(t, os.Rename(filepath.Join(dir, "backup.db"), file))
	<-s.Broken()
	require.NoError(t, s.Close())
	for path, tasks := range map[string]int{moved: 500, file: 3} {
		s, _ := opened(t, path, 0)
		rows, _, err := s.List(context.Background(), store.Query{Limit: 1000})
		require.NoError(t, err)
		require.Equal(t, tasks, len(rows), path)
		require.NoError(t, s.Close())
	}
}

func TestADeletedLogIsInTheFileWhenTheStoreIsClosed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sendoff.db")
	s, _ := opened(t, file, 500)
	require.NoError(t, os.Remove(file+"-wal"))
	<-s.Broken()
	require.NoError(t, s.Close())
	s, _ = opened(t, file, 0)
	rows, _, err := s.List(context.Background(), store.Query{Limit: 1000})
	require.NoError(t, err)
	require.Equal(t, 500, len(rows))
}

// damage overwrites the middle third of a file with noise.
func damage(t *testing.T, file string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	is, err := f.Stat()
	require.NoError(t, err)
	third := is.Size() / 3 / 4096 * 4096
	_, err = io.CopyN(io.NewOffsetWriter(f, third), rand.Reader, third)
	require.NoError(t, err)
}

func TestADamagedPageMetByAReadEndsTheStore(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sendoff.db")
	s, _ := opened(t, file, 2000)
	require.NoError(t, s.Close())
	s, lane := opened(t, file, 0)
	damage(t, file)
	_, _, err := s.List(context.Background(), store.Query{Limit: 2000})
	require.ErrorIs(t, err, store.ErrBroken)
	requireBroken(t, s)
	require.ErrorIs(t, insert(s, lane), store.ErrBroken, "acknowledged into a damaged file")
}

func TestADamagedFileIsRefusedAtTheStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sendoff.db")
	s, _ := opened(t, file, 2000)
	require.NoError(t, s.Close())
	damage(t, file)
	_, err := sqlite.Open(context.Background(), file, sqlite.Options{})
	require.ErrorIs(t, err, store.ErrBroken)
}

func TestAFileThatIsNoDatabaseIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sendoff.db")
	require.NoError(t, os.WriteFile(file, []byte("Dear diary, this is no database, and it is longer than a header."), 0o600))
	_, err := sqlite.Open(context.Background(), file, sqlite.Options{})
	require.ErrorIs(t, err, store.ErrBroken)
	require.ErrorContains(t, err, "file is not a database")
}

func requireBroken(t *testing.T, s *sqlite.Store) {
	t.Helper()
	select {
	case <-s.Broken():
		require.ErrorIs(t, s.Failure(), store.ErrBroken)
	default:
		require.Fail(t, "nobody is told: Broken is open")
	}
}
