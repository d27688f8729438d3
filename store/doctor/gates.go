package doctor

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// crowd is who is at the gates, counted by the tasks themselves.
type crowd struct{ inside, waiting map[store.Hash]int64 }

// countGates compares what gates count with who is there.
func countGates(ctx context.Context, p *patient) (finding, error) {
	c := crowd{map[store.Hash]int64{}, map[store.Hash]int64{}}
	var wrong []string
	err := p.look(ctx, func(tx *sql.Tx) (err error) {
		if err := c.count(ctx, tx); err != nil {
			return err
		}
		wrong, err = c.compare(ctx, tx)
		return err
	})
	if err != nil || len(wrong) == 0 {
		return fine("all count who is there"), err
	}
	detail := fmt.Sprintf("%d limits or keys of order count wrongly: %s", len(wrong), strings.Join(wrong[:min(3, len(wrong))], "; "))
	return finding{status: Fail, detail: detail, fix: restore}, nil
}

func (c *crowd) count(ctx context.Context, tx *sql.Tx) error {
	err := each(ctx, tx, words.SQL(`select gates, flags, state from task where gates is not null and state not in :final`), func(rows *sql.Rows) error {
		var row store.Row
		if err := rows.Scan(&row.Gates, &row.Flags, &row.State); err != nil {
			return err
		}
		return c.admit(&row)
	})
	if err != nil {
		return err
	}
	err = each(ctx, tx, `select gates from leaver`, func(rows *sql.Rows) error {
		row := store.Row{Flags: store.FlagHolds, State: task.Running}
		if err := rows.Scan(&row.Gates); err != nil {
			return err
		}
		return c.admit(&row)
	})
	if err != nil {
		return err
	}
	return each(ctx, tx, `select gate, count(*) from line group by gate`, func(rows *sql.Rows) error {
		var id any
		var n int64
		err := rows.Scan(&id, &n)
		c.waiting[hashOf(id)] = n
		return err
	})
}

func (c *crowd) admit(row *store.Row) error {
	gates, err := store.DecodeGates(row.Gates)
	for i := range gates {
		if row.Inside(gates[i].Kind) {
			c.inside[gates[i].ID()]++
		}
	}
	return err
}

// compare names the gates that count otherwise, and says when some are missing.
func (c *crowd) compare(ctx context.Context, tx *sql.Tx) (wrong []string, err error) {
	err = each(ctx, tx, `select id, name, inside, waiting from gate`, func(rows *sql.Rows) error {
		var id any
		var name string
		var inside, waiting int64
		if err := rows.Scan(&id, &name, &inside, &waiting); err != nil {
			return err
		}
		h := hashOf(id)
		if inside != c.inside[h] || waiting != c.waiting[h] {
			wrong = append(wrong, fmt.Sprintf("%q says %d inside and %d waiting, and there are %d and %d", name, inside, waiting, c.inside[h], c.waiting[h]))
		}
		delete(c.inside, h)
		delete(c.waiting, h)
		return nil
	})
	if n := len(c.inside) + len(c.waiting); n > 0 {
		wrong = append(wrong, fmt.Sprintf("%d are not there, and tasks are", n))
	}
	return wrong, err
}

// hashOf is the id of a gate, of either floor.
func hashOf(v any) (h store.Hash) {
	switch v := v.(type) {
	case []byte:
		copy(h[:], v)
	case string:
		id, _ := uuid.Parse(v) // the database made it
		h = store.Hash(id)
	}
	return h
}
