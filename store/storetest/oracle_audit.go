package storetest

import (
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
)

// audits are what store.Audits keeps, oldest first.
type audits struct {
	audit []store.AuditRow
	seq   int64
}

// PutAudit implements store.Audits.
func (o *Oracle) PutAudit(_ context.Context, rows []store.AuditRow) error {
	for _, r := range rows {
		o.seq++
		r.Seq, r.At, r.Namespace, r.Seal = o.seq, o.Clock(), max(r.Namespace, store.DefaultNamespace), nil
		o.audit = append(o.audit, r)
	}
	return nil
}

// ListAudit implements store.Audits.
func (o *Oracle) ListAudit(_ context.Context, q store.AuditQuery) (out []store.AuditRow, _ error) {
	for _, r := range slices.Backward(o.audit) {
		if q.Matches(&r) && len(out) < q.Limit {
			out = append(out, r)
		}
	}
	return out, nil
}

// AuditAfter implements store.Audits.
func (o *Oracle) AuditAfter(_ context.Context, seq int64, limit int) (out []store.AuditRow, _ error) {
	for _, r := range o.audit {
		if r.Seq > seq && len(out) < limit {
			out = append(out, r)
		}
	}
	return out, nil
}

// SealAudit implements store.Audits.
func (o *Oracle) SealAudit(_ context.Context, limit int) (sealed int, _ error) {
	var last []byte
	for i := range o.audit {
		r := &o.audit[i]
		if r.Seal == nil && sealed < limit {
			r.Seal = r.SealAfter(last)
			sealed++
		}
		last = r.Seal
	}
	return sealed, nil
}

// DropAudit implements store.Audits.
func (o *Oracle) DropAudit(_ context.Context, before int64, limit int) (dropped int, _ error) {
	over := 0
	for over < len(o.audit) && o.audit[over].Seal != nil && o.audit[over].At < before {
		over++
	}
	dropped = min(max(over-1, 0), limit)
	o.audit = o.audit[dropped:]
	return dropped, nil
}
