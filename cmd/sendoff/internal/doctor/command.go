// Package doctor is sendoff doctor: whether a database is fit to be served.
package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/store/doctor"
)

// Command is the grammar of sendoff doctor.
type Command struct {
	DB     string `name:"db" default:"./sendoff.db" env:"SENDOFF_DB" placeholder:"FILE|URL" help:"SQLite file, or postgres:// URL, whether servers use it or not."`
	Repair bool   `help:"Repair what can be repaired beside a server: the modes of files."`
	All    bool   `short:"a" help:"Print the checks that found nothing as well."`
	JSON   bool   `name:"json" help:"Print JSON."`

	Version string `kong:"-"` // of the program
}

// Help is printed under the flags.
func (Command) Help() string {
	return `Each check compares what the database says with what else it says, or looks at what it stands on. Nothing is written without
--repair. It reads all tasks: on a large database that takes a while, and servers go on meanwhile.
Exit codes: 0 no check failed (there may be warnings), 1 one did, or the database cannot be looked at, 2 wrong usage.`
}

// report is what --json prints.
type report struct {
	OK       bool    `json:"ok"`
	At       string  `json:"at"`
	Version  string  `json:"version"`
	Database string  `json:"database"`
	Summary  summary `json:"summary"`
	Checks   []check `json:"checks"`
}

type summary struct {
	OK   int `json:"ok"`
	Warn int `json:"warn"`
	Fail int `json:"fail"`
	Skip int `json:"skip"`
}

type check struct {
	Name       string `json:"name"`
	Status     string `json:"status"`
	Detail     string `json:"detail"`
	Fix        string `json:"fix"`
	Repairable bool   `json:"repairable"`
	Repaired   bool   `json:"repaired"`
	Duration   string `json:"duration"`
}

// Run looks a database over.
func (c *Command) Run(ctx context.Context, t *term.Terminal) error {
	db := host.DB{DSN: c.DB}
	if strings.Contains(c.DB, "://") && !db.Postgres() {
		return term.Usage("--db %s: want a file path or a postgres:// URL", host.Redacted(c.DB))
	}
	found, err := doctor.Examine(ctx, c.DB, doctor.Options{Repair: c.Repair})
	if err != nil {
		return fmt.Errorf("%s: %w\nname the server's database with --db", host.Redacted(c.DB), err)
	}
	r := shown(&found, c.Version)
	if c.JSON {
		err = t.JSON(r)
	} else {
		c.print(t, r)
	}
	if err == nil && !r.OK {
		return &term.Exit{Code: term.ExitError}
	}
	return err
}

func shown(found *doctor.Report, version string) *report {
	r := &report{
		OK: found.Count(doctor.Fail) == 0, At: found.At.UTC().Format(time.RFC3339Nano), Version: version, Database: found.Database,
		Summary: summary{found.Count(doctor.OK), found.Count(doctor.Warn), found.Count(doctor.Fail), found.Count(doctor.Skip)},
	}
	for i := range found.Checks {
		f := &found.Checks[i]
		r.Checks = append(r.Checks, check{f.Name, string(f.Status), f.Detail, f.Fix, f.Repairable, f.Repaired, f.Duration.Round(time.Microsecond).String()})
	}
	return r
}

func (c *Command) print(t *term.Terminal, r *report) {
	var rows [][]string
	for i := range r.Checks {
		f := &r.Checks[i]
		quiet := f.Status == string(doctor.OK) || f.Status == string(doctor.Skip)
		if quiet && !f.Repaired && !c.All {
			continue
		}
		rows = append(rows, []string{f.Status, f.Name, term.Clean(f.Detail), term.Clean(f.Fix)})
	}
	if len(rows) > 0 {
		t.Table([]string{"STATUS", "CHECK", "FOUND", "WHAT TO DO"}, rows)
		t.Printf("\n")
	}
	t.Printf("%s: %d ok, %d to know of, %d failed, %d left out\n", host.Redacted(c.DB), r.Summary.OK, r.Summary.Warn, r.Summary.Fail, r.Summary.Skip)
}
