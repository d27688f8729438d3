package access

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/store"
)

// Audit is the grammar of sendoff audit.
type Audit struct {
	List   auditListCmd   `cmd:"" default:"withargs" help:"List what operators did, newest first."`
	Verify auditVerifyCmd `cmd:"" help:"Look for a record that was changed, added or taken away. Exit code 1 when there is one."`
}

type auditListCmd struct {
	term.Remote
	Actor  string    `placeholder:"KEY" help:"Id or name of a key."`
	Action string    `placeholder:"NAME" help:"Id of an operation, such as cancel-task; or refused."`
	Target string    `placeholder:"ID" help:"Id or name of what it was done to."`
	After  time.Time `placeholder:"TIME" help:"From this time on, such as 2027-03-27T00:00:00Z."`
	Before time.Time `placeholder:"TIME" help:"Before this time."`
	Limit  int       `short:"n" default:"50" help:"So many records at most; 0 = all."`
}

// Run lists records.
func (c *auditListCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	all, err := term.Collect(client.Audit.List(ctx, sendoff.AuditFilter{Actor: c.Actor, Action: c.Action, Target: c.Target, After: c.After, Before: c.Before}), c.Limit)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(all))
	}
	rows := make([][]string, len(all))
	for i, r := range all {
		rows[i] = []string{
			timeText(r.At), term.Clean(cmp.Or(r.By.Name, r.By.Key, "-")), term.Clean(cmp.Or(r.By.Address, "-")), term.Clean(r.Action),
			term.Clean(cmp.Or(r.Target, "-")), strconv.FormatInt(r.Count, 10), term.Clean(r.Result), term.Clean(cmp.Or(r.Reason, "-")), term.OneLine(changeOf(&r), 80),
		}
	}
	t.Table([]string{"AT", "BY", "FROM", "ACTION", "TARGET", "COUNT", "RESULT", "REASON", "CHANGE"}, rows)
	return nil
}

// changeOf says in a line how settings were before and after.
func changeOf(r *sendoff.AuditRecord) string {
	names := map[string]bool{}
	for name := range r.Before {
		names[name] = true
	}
	for name := range r.After {
		names[name] = true
	}
	value := func(from map[string]any, name string) string {
		if v, there := from[name]; there {
			return fmt.Sprint(v)
		}
		return "none"
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		parts = append(parts, name+" "+value(r.Before, name)+" -> "+value(r.After, name))
	}
	return cmp.Or(strings.Join(parts, ", "), "-")
}

type auditVerifyCmd struct{ where }

// Run looks through the audit.
func (c *auditVerifyCmd) Run(ctx context.Context, t *term.Terminal) error {
	state, err := c.verify(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		err = t.JSON(state)
	} else if state.OK {
		t.Printf("%d records are as they were (%d of them not sealed yet)\nhead %s\n", state.Rows, state.Open, cmp.Or(state.Head, "-"))
	}
	if err == nil && !state.OK {
		return &term.Exit{Code: term.ExitError, Err: errors.New("record " + strconv.FormatInt(state.Broken, 10) + " of the audit " + state.Why)}
	}
	return err
}

func (c *auditVerifyCmd) verify(ctx context.Context) (*sendoff.AuditState, error) {
	if c.DB == "" {
		client, err := c.Connect("sendoff-cli")
		if err != nil {
			return nil, err
		}
		return client.Audit.Verify(ctx)
	}
	db, err := host.Administer(ctx, c.DB)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	chain, err := operate.NewAudit(db).Verify(ctx)
	broken, found := errors.AsType[*store.BrokenAudit](err)
	if err != nil && !found {
		return nil, err
	}
	state := &sendoff.AuditState{OK: err == nil, Rows: chain.Rows, Open: chain.Open, Head: hex.EncodeToString(chain.Head.Seal)}
	if found {
		state.Broken, state.Why = broken.Seq, broken.Why
	}
	return state, nil
}
