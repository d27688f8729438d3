package main

import (
	"cmp"
	"context"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"sync"

	"github.com/sendoff-dev/sendoff/store/postgres"
)

type migrateCmd struct {
	DB        string `name:"db" required:"" env:"SENDOFF_DB" placeholder:"URL" help:"postgres:// URL."`
	ListenDSN string `name:"listen-dsn" env:"SENDOFF_LISTEN_DSN" placeholder:"URL" help:"Direct postgres:// URL, when --db leads through a pooler."`
	JSON      bool   `name:"json" help:"Print JSON."`
}

// migration is what --json prints.
type migration struct {
	Applied []int64 `json:"applied"` // versions, by this run
	Version int64   `json:"version"` // of the database now
}

// Run migrates. It may run beside servers and beside itself.
func (c *migrateCmd) Run(ctx context.Context, t *terminal) error {
	s := settings{DB: c.DB}
	if !s.postgres() {
		return usage("--db %s: migrate is for postgres:// databases; a SQLite file is brought up to date by sendoff serve itself", redacted(c.DB))
	}
	seen := &versions{}
	if err := postgres.Migrate(ctx, cmp.Or(c.ListenDSN, c.DB), slog.New(seen)); err != nil {
		return err
	}
	// Opening it checks that this version understands what is there.
	db, err := postgres.Open(ctx, cmp.Or(c.ListenDSN, c.DB), postgres.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	m := migration{append([]int64{}, seen.applied...), newest()}
	if c.JSON {
		return t.json(m)
	}
	if len(m.Applied) == 0 {
		t.printf("%s is at version %d already: nothing to do\n", redacted(c.DB), m.Version)
		return nil
	}
	for _, v := range m.Applied {
		t.printf("applied %d\n", v)
	}
	t.printf("%s is at version %d\n", redacted(c.DB), m.Version)
	return nil
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

// versions is a log handler that keeps the versions which a migration reports.
type versions struct {
	mu      sync.Mutex
	applied []int64
}

func (v *versions) Enabled(context.Context, slog.Level) bool { return true }
func (v *versions) WithAttrs([]slog.Attr) slog.Handler       { return v }
func (v *versions) WithGroup(string) slog.Handler            { return v }

// Handle implements slog.Handler.
func (v *versions) Handle(_ context.Context, r slog.Record) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	source := false
	r.Attrs(func(a slog.Attr) bool { source = source || a.Key == "source"; return true })
	r.Attrs(func(a slog.Attr) bool {
		if source && a.Key == "version" && a.Value.Kind() == slog.KindInt64 {
			v.applied = append(v.applied, a.Value.Int64())
		}
		return true
	})
	return nil
}
