// Package doctor is sendoff doctor: whether a database is fit to be served.
package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/doctor"
)

// Command is the grammar of sendoff doctor.
type Command struct {
	DB         string `name:"db" default:"./sendoff.db" env:"SENDOFF_DB" placeholder:"FILE|URL" help:"SQLite file, or postgres:// URL, whether servers use it or not."`
	SecretFile string `env:"SENDOFF_SECRET_FILE" placeholder:"FILE" help:"Secret under which the signing keys are sealed; default the SQLite file with .secret added."`
	Repair     bool   `help:"Repair what can be repaired beside a server: the modes of files."`
	All        bool   `short:"a" help:"Print the checks that found nothing as well."`
	JSON       bool   `name:"json" help:"Print JSON."`

	Version string `kong:"-"` // of the program
}

// Help is printed under the flags.
func (Command) Help() string {
	return `Each check compares what the database says with what else it says, or looks at what it stands on. Nothing is written without
--repair. It reads all tasks: on a large database that takes a while, and servers go on meanwhile.
Exit codes: 0 no check failed (there may be warnings), 1 one did, or the database cannot be looked at, 2 wrong usage.`
}

// Run looks a database over.
func (c *Command) Run(ctx context.Context, t *term.Terminal) error {
	db := host.DB{DSN: c.DB}
	if strings.Contains(c.DB, "://") && !db.Postgres() {
		return term.Usage("--db %s: want a file path or a postgres:// URL", host.Redacted(c.DB))
	}
	found, err := doctor.Examine(ctx, c.DB, doctor.Options{Repair: c.Repair, SecretFile: c.SecretFile})
	if err != nil {
		return fmt.Errorf("%s: %w\nname the server's database with --db", host.Redacted(c.DB), err)
	}
	r := shown(&found, c.Version)
	if c.JSON {
		err = t.JSON(r)
	} else {
		t.Health(host.Redacted(c.DB), r, c.All)
	}
	if err == nil && !r.OK {
		return &term.Exit{Code: term.ExitError}
	}
	return err
}

// shown is what was found in the words of the API.
func shown(found *store.Health, version string) *sendoff.Health {
	h := &sendoff.Health{
		OK: found.Count(store.CheckFail) == 0, At: found.At.UTC(), Version: version, Database: found.Database,
		Summary: sendoff.HealthSummary{OK: found.Count(store.CheckOK), Warn: found.Count(store.CheckWarn), Fail: found.Count(store.CheckFail), Skip: found.Count(store.CheckSkip)},
	}
	for i := range found.Checks {
		c := &found.Checks[i]
		h.Checks = append(h.Checks, sendoff.HealthCheck{
			Name: c.Name, Status: sendoff.HealthStatus(c.Status), Detail: c.Detail, Fix: c.Fix, Repairable: c.Repairable, Repaired: c.Repaired,
			Duration: c.Duration.Round(time.Microsecond).String(),
		})
	}
	return h
}
