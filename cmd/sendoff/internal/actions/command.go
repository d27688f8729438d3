package actions

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/task"
)

// Bulk is sendoff tasks bulk.
type Bulk struct {
	term.Remote
	Action string `arg:"" enum:"cancel,retry,run,delete,reschedule,move" help:"cancel, retry, run, delete, reschedule or move."`
	Filter
	ID      []string       `placeholder:"ID" help:"These tasks, in place of a filter; at most 500."`
	All     bool           `help:"All tasks, in place of a filter."`
	ToQueue string         `placeholder:"NAME" help:"Of move: the queue in which they are to wait."`
	ToDelay *time.Duration `placeholder:"10m" help:"Of reschedule: start after this time, from now on; 0s is at once."`
	ToRunAt string         `placeholder:"TIME" help:"Of reschedule: start at this time (RFC 3339)."`
	Rate    string         `default:"500/s" placeholder:"N/s|max" help:"Tasks a second."`
	Why     string         `placeholder:"TEXT" help:"For the audit."`
	DryRun  bool           `help:"Print what would be done, and do nothing."`
	Yes     bool           `short:"y" help:"Do not ask."`
	Watch   bool           `help:"Follow it to its end."`
}

// to is what the tasks are to become.
func (c *Bulk) to() (*sendoff.BulkTo, error) {
	if c.ToQueue == "" && c.ToDelay == nil && c.ToRunAt == "" {
		return nil, nil
	}
	to := &sendoff.BulkTo{Queue: c.ToQueue, Delay: c.ToDelay}
	if c.ToRunAt != "" {
		at, err := task.ParseTime(c.ToRunAt)
		if err != nil {
			return nil, term.Usage("--to-run-at %s: %s", c.ToRunAt, err)
		}
		to.RunAt = at
	}
	return to, nil
}

// Run prints what would be done, asks, and begins.
func (c *Bulk) Run(ctx context.Context, t *term.Terminal) error {
	to, err := c.to()
	if err != nil {
		return err
	}
	client, err := c.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	b := sendoff.Bulk{Action: c.Action, To: to, Filter: c.Where(), IDs: c.ID, All: c.All, Rate: c.Rate, Reason: c.Why}
	look, err := client.Actions.Preview(ctx, b)
	if err != nil {
		return err
	}
	if c.DryRun && c.JSON {
		return t.JSON(look)
	}
	if !c.JSON {
		preview(t, c.Action, look)
	}
	switch {
	case c.DryRun:
		return nil
	case !c.Yes && c.JSON:
		return term.Usage("--json asks nothing: add --yes or --dry-run")
	case !c.Yes:
		if err := agreed(t); err != nil {
			return err
		}
	}
	b.Bound = &look.Bound
	a, err := client.Actions.Start(ctx, b)
	if err == nil && c.Watch {
		a, err = watch(ctx, client, a.ID)
	}
	if err != nil {
		return err
	}
	return show(t, c.JSON, a)
}

func preview(t *term.Terminal, verb string, look *sendoff.ActionPreview) {
	least := ""
	if !look.Exact {
		least = "at least "
	}
	t.Printf("%s: %s%d tasks, of those that were there at %s\n", verb, least, look.Matched, look.Bound.At.Format(time.RFC3339))
	states := make([]string, 0, len(look.PassedOver))
	for state, n := range look.PassedOver {
		states = append(states, fmt.Sprintf("%d %s", n, state))
	}
	if slices.Sort(states); len(states) > 0 {
		t.Printf("passed over: %s\n", strings.Join(states, ", "))
	}
	rows := make([][]string, len(look.Sample))
	for i := range look.Sample {
		one := &look.Sample[i]
		rows[i] = []string{one.ID, string(one.State), one.Queue, term.OneLine(cmp.Or(one.LastError, one.Name), 60)}
	}
	t.Table([]string{"ID", "STATE", "QUEUE", "LAST ERROR"}, rows)
}

// agreed asks, and is an error when the answer is not yes.
func agreed(t *term.Terminal) error {
	t.Printf("Go on? [y/N] ")
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n') // an end of the input is a no
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer == "y" || answer == "yes" {
		return nil
	}
	return errors.New("nothing was done: answer y, or add --yes")
}

func watch(ctx context.Context, client *sendoff.Client, id string) (*sendoff.Action, error) {
	for {
		a, err := client.Actions.Get(ctx, id)
		if err != nil || a.Ended() {
			return a, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// Command is the grammar of sendoff actions.
type Command struct {
	List   listCmd   `cmd:"" default:"withargs" help:"List actions on many tasks, newest first."`
	Get    getCmd    `cmd:"" help:"Show an action."`
	Items  itemsCmd  `cmd:"" help:"List the tasks that an action was done to, the first 100,000."`
	Pause  pauseCmd  `cmd:"" help:"Have an action rest where it is."`
	Resume resumeCmd `cmd:"" help:"Have an action go on."`
	Abort  abortCmd  `cmd:"" help:"End an action where it is; what it did stays."`
	Undo   undoCmd   `cmd:"" help:"Begin an action that undoes a cancel or a retry, as far as that holds."`
}

type listCmd struct {
	term.Remote
	Limit int `short:"n" default:"50" help:"So many at most; 0 = all."`
}

// Run lists actions.
func (c *listCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	all, err := term.Collect(client.Actions.List(ctx), c.Limit)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(all))
	}
	table(t, all...)
	return nil
}

type oneAction struct {
	term.Remote
	ID string `arg:"" name:"id" help:"Id of the action."`
}

type (
	getCmd   struct{ oneAction }
	pauseCmd struct {
		oneAction
		term.Why
	}
	resumeCmd struct {
		oneAction
		term.Why
	}
	abortCmd struct {
		oneAction
		term.Why
	}
	undoCmd struct {
		oneAction
		term.Why
	}
	itemsCmd struct{ oneAction }
)

// Run shows an action.
func (c *getCmd) Run(ctx context.Context, t *term.Terminal) error {
	return c.do(ctx, t, sendoff.Actions.Get)
}

// Run pauses an action.
func (c *pauseCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	return c.do(ctx, t, sendoff.Actions.Pause)
}

// Run resumes an action.
func (c *resumeCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	return c.do(ctx, t, sendoff.Actions.Resume)
}

// Run ends an action.
func (c *abortCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	return c.do(ctx, t, sendoff.Actions.Abort)
}

// Run undoes an action.
func (c *undoCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	return c.do(ctx, t, sendoff.Actions.Undo)
}

func (c *oneAction) do(ctx context.Context, t *term.Terminal, do func(sendoff.Actions, context.Context, string) (*sendoff.Action, error)) error {
	client, err := c.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	a, err := do(client.Actions, ctx, c.ID)
	if err != nil {
		return err
	}
	return show(t, c.JSON, a)
}

// Run lists tasks that were acted on.
func (c *itemsCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	all, err := term.Collect(client.Actions.Items(ctx, c.ID), 0)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(all))
	}
	for _, item := range all {
		t.Printf("%s\n", item.TaskID)
	}
	return nil
}

func show(t *term.Terminal, asJSON bool, a *sendoff.Action) error {
	if asJSON {
		return t.JSON(a)
	}
	table(t, *a)
	return nil
}

func table(t *term.Terminal, all ...sendoff.Action) {
	rows := make([][]string, len(all))
	for i := range all {
		a := &all[i]
		matched := strconv.Itoa(a.Matched)
		if !a.Exact {
			matched += "+"
		}
		rows[i] = []string{a.ID, a.Action, a.State, matched, strconv.FormatInt(a.Done, 10), strconv.FormatInt(a.Passed, 10), a.Rate, term.Clean(cmp.Or(a.By.Name, a.By.Key, "-")), term.Ago(a.CreatedAt)}
	}
	t.Table([]string{"ID", "ACTION", "STATE", "MATCHED", "DONE", "PASSED", "RATE", "BY", "AGE"}, rows)
}
