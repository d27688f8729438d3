package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/store/postgres"
)

type migrateCmd struct {
	DB        string `name:"db" required:"" env:"SENDOFF_DB" placeholder:"URL" help:"postgres:// URL."`
	ListenDSN string `name:"listen-dsn" env:"SENDOFF_LISTEN_DSN" placeholder:"URL" help:"Direct postgres:// URL, when --db leads through a pooler."`
	Plan      bool   `help:"Print the SQL that would be run, as a script for psql, and change nothing."`
	JSON      bool   `name:"json" help:"Print JSON."`
}

// migration is what --json prints.
type migration struct {
	Migrated bool  `json:"migrated"` // false: there was nothing to do
	Version  int64 `json:"version"`  // of the database now
}

// Run migrates. It may run beside servers and beside itself.
func (c *migrateCmd) Run(ctx context.Context, t *term.Terminal) error {
	if db := (host.DB{DSN: c.DB}); !db.Postgres() {
		return term.Usage("--db %s: migrate is for postgres:// databases; a SQLite file is brought up to date by sendoff serve itself", host.Redacted(c.DB))
	}
	if c.Plan {
		return c.plan(ctx, t)
	}
	dsn, m := cmp.Or(c.ListenDSN, c.DB), migration{Version: newest()}
	switch err := fits(ctx, dsn); {
	case errors.Is(err, postgres.ErrSchema):
		if err := postgres.Migrate(ctx, dsn, nil); err != nil {
			return err
		}
		if err := fits(ctx, dsn); err != nil {
			return err // it is newer than this program
		}
		m.Migrated = true
	case err != nil:
		return err
	}
	if c.JSON {
		return t.JSON(m)
	}
	if m.Migrated {
		t.Printf("%s was migrated to version %d\n", host.Redacted(c.DB), m.Version)
	} else {
		t.Printf("%s is at version %d already: nothing to do\n", host.Redacted(c.DB), m.Version)
	}
	return nil
}

// plan prints what Run would do.
func (c *migrateCmd) plan(ctx context.Context, t *term.Terminal) error {
	p, err := postgres.Plan(ctx, cmp.Or(c.ListenDSN, c.DB))
	if err != nil {
		return fmt.Errorf("%s: %w", host.Redacted(c.DB), err)
	}
	if c.JSON {
		return t.JSON(struct {
			Have int64  `json:"have"` // version of the database; 0 = none
			Want int64  `json:"want"`
			SQL  string `json:"sql"`
		}{p.Have, p.Want, p.SQL})
	}
	if p.SQL == "" {
		t.Printf("-- %s is at version %d already: nothing to do\n", host.Redacted(c.DB), p.Have)
		return nil
	}
	t.Printf("-- from version %d to %d\n%s", p.Have, p.Want, p.SQL)
	return nil
}

// fits tells whether the database's tables are those of this version.
func fits(ctx context.Context, dsn string) error {
	db, err := postgres.Open(ctx, dsn, postgres.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	return db.Close()
}

// newest is the last version that this program knows.
func newest() (last int64) {
	names, _ := fs.Glob(postgres.Migrations(), "*.sql") // the pattern is well formed
	for _, name := range names {
		digits, _, _ := strings.Cut(name, "_")
		v, _ := strconv.ParseInt(digits, 10, 64)
		last = max(last, v)
	}
	return last
}
