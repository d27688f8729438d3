package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// Restore is the grammar of sendoff restore.
type Restore struct {
	Src  string `arg:"" help:"Copy that sendoff backup made, or another whole SQLite file of a server."`
	DB   string `name:"db" default:"./sendoff.db" env:"SENDOFF_DB" placeholder:"FILE" help:"SQLite file to make. One that is there is left alone."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help is printed under the flags.
func (Restore) Help() string {
	return `The new file starts held back: a server on it accepts tasks and runs none until "sendoff resume --restored", because what has
ended since the copy was made would run again. The tasks in doubt are those that were being carried out at that moment.`
}

// restored is what --json prints.
type restored struct {
	copied
	Epoch   int64    `json:"epoch"`    // how often what it holds was restored
	InDoubt []string `json:"in_doubt"` // ids
}

// Run makes a database from a copy.
func (c *Restore) Run(ctx context.Context, t *term.Terminal) error {
	if (&host.DB{DSN: c.DB}).Postgres() {
		return term.Usage("--db %s: restore is for SQLite files. Bring a dump of a PostgreSQL database back with pg_restore, before a server starts on it", host.Redacted(c.DB))
	}
	began := time.Now()
	done := watch(t, c.DB)
	made, err := sqlite.Restore(ctx, c.Src, c.DB)
	done()
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return t.JSON(restored{shown(c.DB, &made.Copied, began), made.Epoch, append([]string{}, made.InDoubt...)})
	}
	t.Printf("%s: %d tasks, %s, in %s; restored for the %s time\n", c.DB, made.Tasks, term.Bytes(made.Bytes), time.Since(began).Round(time.Millisecond), nth(made.Epoch))
	if n := len(made.InDoubt); n > 0 {
		t.Printf("\n%d were being carried out when the copy was made, and may have ended:\n", n)
		for _, id := range made.InDoubt[:min(n, 20)] {
			t.Printf("  %s\n", term.Clean(id))
		}
		if n > 20 {
			t.Printf("  and %d more: --json lists all\n", n-20)
		}
	}
	tellSealed(ctx, t, c.DB)
	t.Printf("\nNothing of it runs yet. Start a server on it, look (sendoff tasks list), cancel what must not run again, and then\n  sendoff resume --restored --db %s\n", c.DB)
	return nil
}

func (c *Restore) explain(err error) error {
	switch {
	case errors.Is(err, sqlite.ErrExists):
		return fmt.Errorf("%w\na restore replaces nothing: move it away, with its -wal and -shm, or name another file with --db", err)
	case errors.Is(err, store.ErrInUse):
		return fmt.Errorf("%w\nstop the server on it, and move its file away", err)
	case errors.Is(err, store.ErrBroken), errors.Is(err, sqlite.ErrNotOurs):
		return fmt.Errorf("%w\nnothing was made: take an older copy", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w\nname a copy that is there, and a directory that is there", err)
	}
	return err
}

func nth(n int64) string {
	switch {
	case n%10 == 1 && n%100 != 11:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2 && n%100 != 12:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3 && n%100 != 13:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
}
