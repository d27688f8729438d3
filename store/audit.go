package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
)

// Audits keeps what operators did. A row is added and sealed, and never changes after
// that; it goes when KeepAudit is over.
//
// What an operator does is recorded by the methods that do it: when their context has an
// [Audit], they add its row in their own transaction, so that neither is there without the
// other. PutAudit is for what has no transaction of its own.
type Audits interface {
	// PutAudit adds rows; At and Seq are set by the store.
	PutAudit(ctx context.Context, rows []AuditRow) error

	// ListAudit lists rows, the newest first.
	ListAudit(ctx context.Context, q AuditQuery) ([]AuditRow, error)

	// AuditAfter lists rows of all namespaces behind a number, the oldest first.
	AuditAfter(ctx context.Context, seq int64, limit int) ([]AuditRow, error)

	// SealAudit seals rows that have no seal, the oldest first and at most limit, and
	// returns how many it were. Of several nodes one seals at a time.
	SealAudit(ctx context.Context, limit int) (int, error)

	// DropAudit deletes sealed rows that are older than a time, the oldest first and at most
	// limit, and returns how many it were. The last of them stays: the seal of the next one
	// follows from it.
	DropAudit(ctx context.Context, before int64, limit int) (int, error)
}

// KeepAudit is how long a row of the audit is kept, in microseconds: 90 days.
const KeepAudit int64 = 90 * 24 * 3600 * 1_000_000

// AuditRow is something that somebody did.
type AuditRow struct {
	Seq       int64 // rises, with gaps
	Namespace int32 // of whoever did it; 0 = the default one
	At        int64
	KeyID     string // of a stored key; "" = none
	Name      string // of the key
	Address   string // where the request came from
	Action    string // id of the operation
	Target    string // what it was done to
	Count     int64  // to how many
	Result    string // "ok", or why not
	Reason    string // that was given
	Was       string // what the action changed, as it was before: an object of JSON; "" = there was nothing
	Became    string // the same after it; "" = there is nothing any more, or it changed no settings
	Seal      []byte // nil = not sealed yet
}

// AuditQuery selects rows; what is zero selects all.
type AuditQuery struct {
	Namespace   int32  // this one; 0 = the default one
	Actor       string // id or name of the key
	Action      string
	Target      string
	After, Till int64 // the time, from and before
	Before      int64 // rows with a smaller number
	Limit       int
}

// Matches tells whether a row is selected.
func (q *AuditQuery) Matches(r *AuditRow) bool {
	return r.Namespace == max(q.Namespace, DefaultNamespace) &&
		(q.Actor == "" || q.Actor == r.KeyID || q.Actor == r.Name) &&
		(q.Action == "" || q.Action == r.Action) && (q.Target == "" || q.Target == r.Target) &&
		r.At >= q.After && (q.Till == 0 || r.At < q.Till) && (q.Before == 0 || r.Seq < q.Before)
}

// Audit is the record of an action that is under way. It is carried by the context.
type Audit struct {
	mu      sync.Mutex
	row     AuditRow
	written bool
	terse   bool   // says nothing of how something was and is
	whole   *Audit // of which this is a part
}

type auditKey struct{}

// WithAudit returns a context in which something is done that row is to record.
func WithAudit(ctx context.Context, row AuditRow) (context.Context, *Audit) {
	if row.Count == 0 {
		row.Count = 1
	}
	a := &Audit{row: row}
	return context.WithValue(ctx, auditKey{}, a), a
}

// WithoutAudit returns a context in which nothing is recorded: what is done is not what
// the operator asked for.
func WithoutAudit(ctx context.Context) context.Context {
	return context.WithValue(ctx, auditKey{}, (*Audit)(nil))
}

// AuditPart returns a context for a part of an action that has a transaction of its own,
// and so a row of its own. nil when nothing is recorded.
func AuditPart(ctx context.Context) (context.Context, *Audit) {
	whole := AuditOf(ctx)
	if whole == nil {
		return ctx, nil
	}
	part := &Audit{row: whole.row, terse: whole.terse, whole: whole}
	return context.WithValue(ctx, auditKey{}, part), part
}

// AuditOf is the record of the action under way; nil = there is none.
func AuditOf(ctx context.Context) *Audit {
	a, _ := ctx.Value(auditKey{}).(*Audit)
	return a
}

// SetTarget says what the action is done to, where the route does not. A nil Audit takes it.
func (a *Audit) SetTarget(target string) {
	if a != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.row.Target = target
	}
}

// SetCount says to how many things the action is done. A nil Audit takes it.
func (a *Audit) SetCount(n int) {
	if a != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.row.Count = int64(n)
	}
}

// SetChange says what the action changes: how it was and what it becomes, as objects of JSON.
// It is what the store is about to write; a later call takes its place. A nil Audit takes it.
func (a *Audit) SetChange(was, became string) {
	if a != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		if !a.terse {
			a.row.Was, a.row.Became = was, became
		}
	}
}

// WithoutChange has the record say nothing of how something was and is, whatever SetChange
// is told: a node that seals it may not know of that. See VersionAuditChange.
func (a *Audit) WithoutChange() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.terse = true
}

// Due is the row that the next transaction has to add; false = none, or it is there.
func (a *Audit) Due() (AuditRow, bool) {
	if a == nil {
		return AuditRow{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	row := a.row
	row.Result = "ok"
	return row, !a.written
}

// Done tells that the row was committed.
func (a *Audit) Done() {
	for ; a != nil; a = a.whole {
		a.mu.Lock()
		a.written = true
		a.mu.Unlock()
	}
}

// Written tells whether the row was committed, or that of a part.
func (a *Audit) Written() bool {
	_, due := a.Due()
	return !due
}

// SealAfter is the seal of a row, given that of the row before it; nil before the first.
// It covers all that the row says.
func (r *AuditRow) SealAfter(before []byte) []byte {
	h := sha256.New()
	number := func(n int64) { _ = binary.Write(h, binary.BigEndian, n) } // a hash takes all
	text := func(s string) {
		number(int64(len(s)))
		_, _ = h.Write([]byte(s))
	}
	text(string(before))
	for _, n := range []int64{r.Seq, int64(r.Namespace), r.At, r.Count} {
		number(n)
	}
	for _, s := range []string{r.KeyID, r.Name, r.Address, r.Action, r.Target, r.Result, r.Reason} {
		text(s)
	}
	if r.Was != "" || r.Became != "" { // rows of older versions have neither
		text(r.Was)
		text(r.Became)
	}
	return h.Sum(nil)
}

// AuditChain goes through all rows from the oldest to the newest, and finds the first that
// is not as it was sealed.
type AuditChain struct {
	Now  int64 // the oldest row may begin the chain anew when it is older than KeepAudit by then
	Rows int   // seen
	Open int   // of these, without a seal
	Head AuditRow
}

// BrokenAudit says which row of the audit is the first that is not as it was.
type BrokenAudit struct {
	Seq int64
	Why string
}

// Error implements error.
func (e *BrokenAudit) Error() string { return fmt.Sprintf("row %d of the audit %s", e.Seq, e.Why) }

// Next looks at the row behind those that it has seen.
func (c *AuditChain) Next(r *AuditRow) error {
	first := c.Rows == 0
	c.Rows++
	if r.Seal == nil {
		c.Open++
		return nil
	}
	right := string(r.SealAfter(c.Head.Seal)) == string(r.Seal)
	switch {
	case c.Open > 0:
		return &BrokenAudit{r.Seq, "is sealed, and one before it is not: that was added afterwards"}
	case first && !right && r.At >= c.Now-KeepAudit:
		return &BrokenAudit{r.Seq, "is the oldest, is to be kept and does not begin the chain: it was changed, or those before it were deleted"}
	case !first && !right:
		return &BrokenAudit{r.Seq, fmt.Sprintf("does not follow from row %d: it was changed, or rows between them were deleted or added", c.Head.Seq)}
	}
	c.Head = *r
	return nil
}

// AuditOver is the number of the row up to which, without it, rows are over: the last of
// those at the beginning that are sealed and older than a time. rows are the oldest ones.
func AuditOver(rows []AuditRow, before int64) (seq int64) {
	for i := range rows {
		if rows[i].Seal == nil || rows[i].At >= before {
			break
		}
		seq = rows[i].Seq
	}
	if len(rows) > 0 && seq == rows[0].Seq {
		return 0
	}
	return seq
}
