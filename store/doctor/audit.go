package doctor

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
)

// followAudit looks whether the seals of the audit follow from each other.
func followAudit(ctx context.Context, p *patient) (finding, error) {
	chain := store.AuditChain{Now: p.now}
	err := p.each(ctx, `select seq, ns, at, key_id, name, address, action, target, count, result, reason, was, became, seal from audit order by seq`, func(rows *sql.Rows) error {
		var r store.AuditRow
		if err := rows.Scan(&r.Seq, &r.Namespace, &r.At, &r.KeyID, &r.Name, &r.Address, &r.Action, &r.Target, &r.Count, &r.Result, &r.Reason, &r.Was, &r.Became, &r.Seal); err != nil {
			return err
		}
		return chain.Next(&r)
	})
	if broken, is := errors.AsType[*store.BrokenAudit](err); is {
		return finding{status: Fail, detail: broken.Error(), fix: "somebody has changed the database by hand: compare with a backup, see sendoff audit verify"}, nil
	}
	return fine("%d records are as they were", chain.Rows), err
}
