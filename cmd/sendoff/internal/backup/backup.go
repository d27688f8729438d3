// Package backup is sendoff backup and sendoff restore: a SQLite file as it was at one
// moment, and a server that goes on from it.
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

// Backup is the grammar of sendoff backup.
type Backup struct {
	DB    string `name:"db" default:"./sendoff.db" env:"SENDOFF_DB" placeholder:"FILE" help:"SQLite file of the server, which may run."`
	Dest  string `arg:"" help:"File to make."`
	Force bool   `help:"Replace a file that is there."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// Help is printed under the flags.
func (Backup) Help() string {
	return `The copy is the database at one moment. It is checked, on disk and of mode 0600 before it gets its name; what fails changes
nothing. The keys that sign are in it, sealed: keep the secret file of the server (.secret) as well, in another place.`
}

// copied is what --json prints of a copy.
type copied struct {
	Dest     string `json:"dest"`
	Bytes    int64  `json:"bytes"`
	Tasks    int64  `json:"tasks"`
	Schema   int64  `json:"schema"`
	SHA256   string `json:"sha256"`
	Duration string `json:"duration"`
}

func shown(dest string, c *sqlite.Copied, began time.Time) copied {
	return copied{dest, c.Bytes, c.Tasks, c.Schema, c.SHA256, time.Since(began).Round(time.Millisecond).String()}
}

// Run makes a copy.
func (c *Backup) Run(ctx context.Context, t *term.Terminal) error {
	if (&host.DB{DSN: c.DB}).Postgres() {
		return term.Usage("--db %[1]s: backup is for SQLite files. A PostgreSQL database has tools of its own, of which one is\n"+
			"  pg_dump --format=custom --schema=sendoff --file=%[2]s '%[1]s'\n"+
			"and pg_basebackup with an archive of its log for any point in time: see docs/operations.md", host.Redacted(c.DB), c.Dest)
	}
	began := time.Now()
	done := watch(t, c.Dest)
	made, err := sqlite.Backup(ctx, c.DB, c.Dest, c.Force)
	done()
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return t.JSON(shown(c.Dest, &made, began))
	}
	t.Printf("%s: %d tasks, %s, in %s\nsha256 %s\n", c.Dest, made.Tasks, term.Bytes(made.Bytes), time.Since(began).Round(time.Millisecond), made.SHA256)
	return nil
}

func (c *Backup) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w\nname the server's file with --db, and a directory that is there", err)
	case errors.Is(err, sqlite.ErrExists):
		return fmt.Errorf("%w\nchoose another name, or replace it with --force", err)
	case errors.Is(err, store.ErrBroken):
		return fmt.Errorf("%w\nthe database is damaged: keep the backups you have, and see docs/operations.md for how to save what can be read", err)
	}
	return err
}
