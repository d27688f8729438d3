package schedules

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/task"
	"github.com/sendoff-dev/sendoff/task/cron"
)

type importCmd struct {
	remote
	term.Why
	Crontab  string        `arg:"" help:"Crontab of a user, as crontab -l prints it; - is stdin."`
	Process  string        `default:"sh" placeholder:"NAME" help:"The command of the server that gets each line as a script at stdin: serve with --process-command 'sh=/bin/sh'."`
	Prefix   string        `default:"cron" placeholder:"NAME" help:"How the names of the schedules begin."`
	Timezone string        `placeholder:"Europe/Berlin" help:"Time zone of lines above which no CRON_TZ is set; default UTC."`
	Queue    string        `placeholder:"NAME" help:"Of the tasks; default default."`
	Timeout  time.Duration `default:"24h" placeholder:"24h" help:"Of a run, 1s to 24h."`
	DryRun   bool          `help:"Check it, and show what would be stored; nothing is."`
}

// line is a line of a crontab as a schedule.
type line struct {
	Name    string               `json:"name"`
	Line    int                  `json:"line"`
	Command string               `json:"command"`
	Spec    sendoff.ScheduleSpec `json:"schedule"`
	Next    string               `json:"next_at,omitempty"`
	script  string
}

// imported is what became of a crontab.
type imported struct {
	Items   []line   `json:"items"`
	Notes   []string `json:"notes"`
	Refused []string `json:"refused"`
	DryRun  bool     `json:"dry_run"`
}

// Run makes a schedule of each line. Those that cannot be one are named, and leave the others
// as they are.
func (c *importCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	zone, err := cron.Zone(cmp.Or(c.Timezone, "UTC"))
	if err != nil {
		return term.Usage("--timezone: %w", err)
	}
	text, err := c.read()
	if err != nil {
		return err
	}
	entries, faults := cron.Crontab(bytes.NewReader(text), false, zone)
	out := imported{Items: c.lines(entries), Notes: notes(entries), Refused: texts(faults), DryRun: c.DryRun}
	client, err := c.client()
	if err != nil {
		return err
	}
	do := client.Schedules.Set
	if c.DryRun {
		do = client.Schedules.Try
	}
	kept := out.Items
	out.Items = []line{}
	for i := range kept {
		s, err := do(ctx, kept[i].Name, kept[i].Spec)
		if p, is := errors.AsType[*sendoff.Problem](err); is && p.Status == 422 {
			out.Refused = append(out.Refused, fmt.Sprintf("line %d: %s: %s", kept[i].Line, kept[i].Name, term.Clean(p.Detail)))
			continue
		}
		if err != nil {
			return err
		}
		if s.NextAt != nil {
			kept[i].Next = s.NextAt.UTC().Format(time.RFC3339)
		} else if len(s.NextFires) > 0 {
			kept[i].Next = s.NextFires[0].At
		}
		out.Items = append(out.Items, kept[i])
	}
	return c.show(t, &out)
}

func (c *importCmd) read() ([]byte, error) {
	var text []byte
	var err error
	if c.Crontab == "-" {
		text, err = io.ReadAll(os.Stdin)
	} else {
		text, err = os.ReadFile(c.Crontab)
	}
	if err != nil {
		return nil, term.Usage("the crontab cannot be read: %w", err)
	}
	return text, nil
}

// lines are the entries of a crontab as schedules. A name comes from the command, so that a
// line whose times were edited changes its schedule; of several with one command the later
// ones are numbered.
func (c *importCmd) lines(entries []cron.Entry) []line {
	lines, had := make([]line, len(entries)), map[string]int{}
	for i := range entries {
		e := &entries[i]
		sum := sha256.Sum256([]byte(e.Command + "%" + e.Input))
		name := fmt.Sprintf("%s-%s-%x", c.Prefix, program(e.Command), sum[:3])
		if had[name]++; had[name] > 1 {
			name = fmt.Sprintf("%s-%d", name, had[name])
		}
		lines[i] = line{Name: name, Line: e.Line, Command: e.Command, script: script(e)}
		work, _ := json.Marshal(map[string]any{ // text and numbers
			"process": c.Process, "name": term.Cut(e.Command, 100), "body_base64": []byte(lines[i].script), "content_type": "text/plain; charset=utf-8",
			"queue": cmp.Or(c.Queue, task.DefaultQueue), "timeout": c.Timeout.String(), "retry": map[string]int{"max_attempts": 1},
		})
		lines[i].Spec = sendoff.ScheduleSpec{Cron: e.Expr.String(), Timezone: e.Expr.Zone().String(), Task: work, CatchUp: "none"}
	}
	return lines
}

// program is what a command begins with, without its directory and what a name cannot have.
func program(command string) string {
	first, _, _ := strings.Cut(command, " ")
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return -1
	}, path.Base(first))
	return cmp.Or(name[:min(len(name), 40)], "line")
}

// told are variables that say something to cron and nothing to a command.
var told = map[string]string{
	"MAILTO":   "is ignored: nothing is mailed; what a run prints is kept with its attempt",
	"MAILFROM": "is ignored: nothing is mailed",
	"CRON_TZ":  "is the time zone of the lines below it",
	"SHELL":    "is ignored: lines are run by the program behind --process",
}

// script sets the variables of an entry, and runs its command with its input.
func script(e *cron.Entry) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(e.Env)) {
		if _, is := told[name]; !is {
			fmt.Fprintf(&b, "export %s=%s\n", name, quoted(e.Env[name]))
		}
	}
	fmt.Fprintf(&b, "{ %s\n}", e.Command)
	if e.Input == "" {
		b.WriteString(" </dev/null\n")
		return b.String()
	}
	end := "SENDOFF_INPUT"
	for strings.Contains(e.Input, end) {
		end += "_"
	}
	fmt.Fprintf(&b, " <<'%s'\n%s\n%s\n", end, e.Input, end)
	return b.String()
}

func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// notes say what becomes of the variables.
func notes(entries []cron.Entry) []string {
	lines := map[string]int{}
	for i := range entries {
		for name, value := range entries[i].Env {
			lines[name+"="+value]++
		}
	}
	said := []string{}
	for _, set := range slices.Sorted(maps.Keys(lines)) {
		name, _, _ := strings.Cut(set, "=")
		what := cmp.Or(told[name], "is exported to the command")
		if name == "TZ" {
			what += "; the zone of the schedule is that of CRON_TZ or --timezone"
		}
		said = append(said, fmt.Sprintf("%s: %s (lines: %d)", term.Clean(set), what, lines[set]))
	}
	return said
}

// texts are the errors that are joined.
func texts(err error) []string {
	all := []string{}
	if joined, is := err.(interface{ Unwrap() []error }); is {
		for _, one := range joined.Unwrap() {
			all = append(all, term.Clean(one.Error()))
		}
	}
	return all
}

// show prints what became of it, and fails when a line was refused.
func (c *importCmd) show(t *term.Terminal, out *imported) error {
	if c.JSON {
		if err := t.JSON(out); err != nil {
			return err
		}
	} else {
		rows := make([][]string, len(out.Items))
		for i := range out.Items {
			l := &out.Items[i]
			rows[i] = []string{fmt.Sprint(l.Line), l.Name, l.Spec.Cron, l.Spec.Timezone, l.Next, term.OneLine(l.Command, 50)}
		}
		t.Table([]string{"LINE", "NAME", "CRON", "ZONE", "NEXT", "COMMAND"}, rows)
		for _, note := range out.Notes {
			t.Printf("note: %s\n", note)
		}
		if c.DryRun {
			t.Printf("nothing was stored\n")
		}
	}
	if len(out.Refused) > 0 {
		return fmt.Errorf("%d lines of the crontab are no schedules:\n%s", len(out.Refused), strings.Join(out.Refused, "\n"))
	}
	return nil
}
