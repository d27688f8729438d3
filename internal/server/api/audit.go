package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Audit looks at what operators did.
type Audit interface {
	List(ctx context.Context, q store.AuditQuery, cursor string) (operate.AuditPage, error)
	Verify(ctx context.Context) (store.AuditChain, error)
}

// AuditRecord is something that was done, in an answer.
type AuditRecord struct {
	Seq    int64      `json:"seq" doc:"Rises, with gaps."`
	At     string     `json:"at"`
	By     AuditActor `json:"by"`
	Action string     `json:"action" doc:"Id of the operation; refused for a request that had no key, or one that was not allowed it."`
	Target string     `json:"target,omitempty" doc:"What it was done to: the id or name, and the query."`
	Count  int64      `json:"count" doc:"To how many; of refused, how often in that second."`
	Result string     `json:"result" doc:"ok, or the status of the answer when it was not done."`
	Reason string     `json:"reason,omitempty" doc:"What the header Sendoff-Reason said; of refused, the scope that was missing."`
	Before facts      `json:"before,omitempty" doc:"Of a change of settings, as far as they differ: what was before, by the names of fields, such as retry.max_attempts. Absent where there was nothing. Of what is long, and of what tasks carry, size and hash."`
	After  facts      `json:"after,omitempty" doc:"The same after it; absent where there is nothing any more, or no settings were changed."`
	Sealed bool       `json:"sealed" doc:"It is part of the chain, which happens within some seconds."`
}

// facts are what settings say.
type facts map[string]any

// AuditActor is who did something.
type AuditActor struct {
	Key     string `json:"key,omitempty" doc:"Id of the key, of one that is stored."`
	Name    string `json:"name,omitempty" doc:"Of the key."`
	Address string `json:"address,omitempty" doc:"Where the request came from."`
}

// AuditState is how far the chain of the audit holds.
type AuditState struct {
	OK     bool   `json:"ok"`
	Rows   int    `json:"rows" doc:"That were looked at."`
	Open   int    `json:"open" doc:"Of these, not sealed yet."`
	Head   string `json:"head,omitempty" doc:"The last seal: who keeps it elsewhere can tell later whether the end was cut off."`
	Broken int64  `json:"broken,omitempty" doc:"The first row that is not as it was."`
	Why    string `json:"why,omitempty"`
}

type auditInput struct {
	Actor  string `query:"actor" doc:"Id or name of a key."`
	Action string `query:"action" doc:"Id of an operation, such as cancel-task; or refused."`
	Target string `query:"target" doc:"Id or name of what it was done to."`
	After  string `query:"after" doc:"RFC 3339."`
	Before string `query:"before" doc:"RFC 3339."`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before."`
}

type auditReply struct {
	Body struct {
		Items      []AuditRecord `json:"items"`
		NextCursor string        `json:"next_cursor,omitempty"`
	}
}

type auditStateReply struct{ Body AuditState }

func mountAudit(api huma.API, audit Audit) {
	getWith(api, auth.Admin, "/v1/audit", "list-audit", "List what operators did, newest first; it is kept for 90 days", func(ctx context.Context, in *auditInput) (*auditReply, error) {
		var bad task.Invalid
		after, before := timeOf(&bad, "after", in.After), timeOf(&bad, "before", in.Before)
		if err := bad.Err(); err != nil {
			return nil, problemOf(err)
		}
		q := store.AuditQuery{Actor: in.Actor, Action: in.Action, Target: in.Target, Limit: in.Limit}
		if !after.IsZero() {
			q.After = after.UnixMicro()
		}
		if !before.IsZero() {
			q.Till = before.UnixMicro()
		}
		page, err := audit.List(ctx, q, in.Cursor)
		if err != nil {
			return nil, cursorProblem(err)
		}
		out := &auditReply{}
		out.Body.NextCursor = page.Next
		out.Body.Items = make([]AuditRecord, len(page.Items))
		for i := range page.Items {
			out.Body.Items[i] = auditView(&page.Items[i])
		}
		return out, nil
	})
	getWith(api, auth.Admin|auth.Whole, "/v1/audit/chain", "verify-audit", "Look through the whole audit for a row that was changed, added or taken away", func(ctx context.Context, _ *struct{}) (*auditStateReply, error) {
		chain, err := audit.Verify(ctx)
		broken, found := errors.AsType[*store.BrokenAudit](err)
		if err != nil && !found {
			return nil, problemOf(err)
		}
		v := AuditState{OK: err == nil, Rows: chain.Rows, Open: chain.Open, Head: hex.EncodeToString(chain.Head.Seal)}
		if found {
			v.Broken, v.Why = broken.Seq, broken.Why
		}
		return &auditStateReply{v}, nil
	})
}

func auditView(r *store.AuditRow) AuditRecord {
	v := AuditRecord{
		Seq: r.Seq, At: timeText(r.At), By: AuditActor{Key: r.KeyID, Name: r.Name, Address: r.Address}, Action: r.Action, Target: r.Target,
		Count: r.Count, Result: r.Result, Reason: r.Reason, Sealed: r.Seal != nil,
	}
	_ = json.Unmarshal([]byte(r.Was), &v.Before) // what was changed by hand is not shown
	_ = json.Unmarshal([]byte(r.Became), &v.After)
	return v
}
