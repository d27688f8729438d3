// Package change is the command sendoff tasks change: what a task that has not started is
// to do, and when.
package change

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/task"
)

// Command is the grammar of sendoff tasks change.
type Command struct {
	term.Remote
	term.Why
	ID string `arg:"" name:"id" help:"Id of a task that has not started."`

	Delay     *time.Duration `placeholder:"90s" help:"Start after this time, from now on; 0s is at once."`
	RunAt     string         `placeholder:"TIME" help:"Start at this time (RFC 3339)."`
	ExpiresAt string         `placeholder:"TIME" help:"Do not start from this time on (RFC 3339)."`

	Queue    string            `short:"q" placeholder:"NAME" help:"Wait in this queue."`
	Priority *int              `placeholder:"0-9" help:"0 is the first to run."`
	Label    map[string]string `mapsep:"none" placeholder:"K=V" help:"Set a label; the others stay."`
	Payload  string            `short:"p" xor:"body" placeholder:"JSON|@FILE|-" help:"What to send: JSON as it stands, the content of a file, or stdin."`
	Body     string            `xor:"body" placeholder:"@FILE|-" help:"What to send in place of --payload: the bytes of a file, or of stdin."`

	MaxAttempts int           `placeholder:"N" help:"1 to 10000."`
	MaxAge      time.Duration `placeholder:"168h" help:"From the first attempt; later retries are not made."`
	MinBackoff  time.Duration `placeholder:"1s" help:"Wait after the first failure."`
	MaxBackoff  time.Duration `placeholder:"1h" help:"Longest wait."`
	Timeout     time.Duration `placeholder:"60s" help:"Of one attempt, 1s to 24h."`

	Default []string `placeholder:"FIELD" help:"Put a field back to its default, such as expires_at, timeout, retry or labels.team."`
}

// Run changes the task, and shows how it stands.
func (c *Command) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	wanted, err := c.change(os.Stdin)
	if err != nil {
		return err
	}
	client, err := c.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	changed, err := client.Tasks.Change(ctx, c.ID, wanted, c.Default...)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(changed)
	}
	t.Printf("%s  %s\n", changed.ID, t.Paint(string(changed.State), term.State(changed)))
	return nil
}

func (c *Command) change(stdin io.Reader) (w sendoff.TaskChange, err error) {
	w = sendoff.TaskChange{Queue: c.Queue, Priority: c.Priority, Timeout: c.Timeout, Labels: c.Label}
	if c.Delay != nil {
		if w.Delay = *c.Delay; w.Delay == 0 {
			c.Default = append(c.Default, "delay")
		}
	}
	if r := (sendoff.RetryPolicy{MaxAttempts: c.MaxAttempts, MaxAge: c.MaxAge, MinBackoff: c.MinBackoff, MaxBackoff: c.MaxBackoff}); r != (sendoff.RetryPolicy{}) {
		w.Retry = &r
	}
	if w.RunAt, err = timeOf("--run-at", c.RunAt); err == nil {
		w.ExpiresAt, err = timeOf("--expires-at", c.ExpiresAt)
	}
	if err == nil && c.Payload != "" {
		w.Payload, err = payload(c.Payload, stdin)
	}
	if err == nil && c.Body != "" {
		w.Body, err = body(c.Body, stdin)
	}
	if err == nil && reflect.ValueOf(w).IsZero() && len(c.Default) == 0 {
		err = term.Usage("nothing to change: give --delay, --queue, --payload or another field, or --default")
	}
	return w, err
}

func timeOf(flag, text string) (at time.Time, err error) {
	if text == "" {
		return at, nil
	}
	if at, err = task.ParseTime(text); err != nil {
		return at, term.Usage("%s %s: %s", flag, text, err)
	}
	return at, nil
}

// contentOf reads what @FILE or - names; else it is the text itself.
func contentOf(from string, stdin io.Reader) ([]byte, error) {
	if name, ok := strings.CutPrefix(from, "@"); ok {
		return os.ReadFile(name)
	}
	if from == "-" {
		return io.ReadAll(stdin)
	}
	return []byte(from), nil
}

func body(from string, stdin io.Reader) ([]byte, error) {
	if !strings.HasPrefix(from, "@") && from != "-" {
		return nil, term.Usage("--body %s: want @FILE, or - for stdin", from)
	}
	bytes, err := contentOf(from, stdin)
	switch {
	case err != nil:
		return nil, fmt.Errorf("--body: %w", err)
	case len(bytes) == 0:
		return nil, term.Usage("--body %s is empty: want something to send", from)
	}
	return bytes, nil
}

func payload(from string, stdin io.Reader) (any, error) {
	text, err := contentOf(from, stdin)
	switch {
	case err != nil:
		return nil, fmt.Errorf("--payload: %w", err)
	case !json.Valid(text):
		return nil, term.Usage("--payload is not JSON: quote it, as in --payload '{\"hello\":\"world\"}'")
	}
	return json.RawMessage(text), nil
}
