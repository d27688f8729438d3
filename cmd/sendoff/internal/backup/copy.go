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
	"github.com/sendoff-dev/sendoff/store/move"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// Copy is the grammar of sendoff copy.
type Copy struct {
	From string `required:"" placeholder:"FILE|URL" help:"Database to copy, which no server works on: a SQLite file, or a postgres:// URL."`
	To   string `required:"" placeholder:"URL|FILE" help:"Database to fill: the other of the two. A PostgreSQL one that sendoff migrate has made, and that holds nothing; a file that is not there."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help is printed under the flags.
func (Copy) Help() string {
	return `Everything goes over in one transaction, and is compared row by row before it counts: a table that differs undoes all of it. Stop the
servers first. What they were carrying out runs again when a server starts on the copy, whose tokens lie above all that were given
out. Start no server on the source after that. The keys that sign pushes are in a file of their own (see sendoff keys).`
}

// carried is what --json prints of a table.
type carried struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
	Sum   string `json:"sum"` // of all rows, the same in both databases
}

// Run copies.
func (c *Copy) Run(ctx context.Context, t *term.Terminal) error {
	began := time.Now()
	var tell func(move.Table)
	if t.Live && !c.JSON {
		tell = func(m move.Table) {
			if m.Rows > 0 {
				t.Printf("  %-16s %d rows\n", m.Name, m.Rows)
			}
		}
	}
	done, err := move.Copy(ctx, c.From, c.To, tell)
	if err != nil {
		return c.explain(err)
	}
	took := time.Since(began).Round(time.Millisecond)
	if c.JSON {
		tables := []carried{}
		for _, m := range done.Tables {
			tables = append(tables, carried{m.Name, m.Rows, m.Sum})
		}
		return t.JSON(struct {
			From     string    `json:"from"`
			To       string    `json:"to"`
			Tasks    int64     `json:"tasks"`
			Running  int64     `json:"running"` // are taken back by the first server on the copy, and run again
			Tables   []carried `json:"tables"`
			Duration string    `json:"duration"`
		}{host.Redacted(c.From), host.Redacted(c.To), done.Tasks, done.Running, tables, took.String()})
	}
	t.Printf("%s: %d tasks of %s, all tables the same, in %s\n", host.Redacted(c.To), done.Tasks, host.Redacted(c.From), took)
	if done.Running > 0 {
		t.Printf("%d were being carried out: they run again when a server starts on it\n", done.Running)
	}
	tellSealed(ctx, t, c.To)
	return nil
}

func (c *Copy) explain(err error) error {
	switch {
	case errors.Is(err, move.ErrSameFloor):
		return term.Usage("--from %s --to %s: %s; two files: sendoff backup, two servers: pg_dump", host.Redacted(c.From), host.Redacted(c.To), move.ErrSameFloor)
	case errors.Is(err, store.ErrInUse):
		return fmt.Errorf("%w\nstop the servers on both; one that was killed is let go of after 10 seconds", err)
	case errors.Is(err, move.ErrNotEmpty), errors.Is(err, sqlite.ErrExists):
		return fmt.Errorf("%w\nnothing was changed: take a database that holds nothing, or a file that is not there", err)
	case errors.Is(err, sqlite.ErrNoTables), errors.Is(err, postgres.ErrSchema):
		return fmt.Errorf("%w\nbring it to this version first: start sendoff serve on the file once, or run sendoff migrate", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w\nname the file of the server with --from", err)
	}
	return err
}
