package operate

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/store"
)

// AuditStore is what Audit needs of a database.
type AuditStore interface {
	ListAudit(ctx context.Context, q store.AuditQuery) ([]store.AuditRow, error)
	AuditAfter(ctx context.Context, seq int64, limit int) ([]store.AuditRow, error)
	Now() int64
}

// Audit looks at what operators did. Safe for concurrent use.
type Audit struct{ store AuditStore }

// NewAudit returns an Audit.
func NewAudit(s AuditStore) *Audit { return &Audit{s} }

// AuditPage is a part of the audit, newest first. Next is empty at the end.
type AuditPage struct {
	Items []store.AuditRow
	Next  string
}

// List returns a page of what was done in the namespace of whoever asks. ErrBadCursor.
func (a *Audit) List(ctx context.Context, q store.AuditQuery, cursor string) (AuditPage, error) {
	if cursor != "" {
		b, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil || len(b) != 8 {
			return AuditPage{}, ErrBadCursor
		}
		q.Before = int64(binary.BigEndian.Uint64(b))
	}
	q.Namespace = auth.Namespace(ctx)
	limit := min(max(cmp.Or(q.Limit, 50), 1), maxPage)
	q.Limit = limit + 1
	rows, err := a.store.ListAudit(ctx, q)
	if err != nil || len(rows) <= limit {
		return AuditPage{Items: rows}, err
	}
	last := binary.BigEndian.AppendUint64(nil, uint64(rows[limit-1].Seq))
	return AuditPage{rows[:limit], base64.RawURLEncoding.EncodeToString(last)}, nil
}

// Verify goes through the whole audit, and returns how far it holds: a
// *store.BrokenAudit names the first row that is not as it was.
func (a *Audit) Verify(ctx context.Context) (store.AuditChain, error) {
	chain := store.AuditChain{Now: a.store.Now()}
	for last := int64(0); ; {
		rows, err := a.store.AuditAfter(ctx, last, 1000)
		if err != nil {
			return chain, err
		}
		for i := range rows {
			if err := chain.Next(&rows[i]); err != nil {
				return chain, err
			}
			last = rows[i].Seq
		}
		if len(rows) < 1000 {
			return chain, nil
		}
	}
}
