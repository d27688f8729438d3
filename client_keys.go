package sendoff

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Scope is something that an API key may do.
type Scope string

// Admin is all of them; the others do not include each other.
const (
	ScopeRead     Scope = "read"     // see tasks, queues and the rest, without what tasks carry
	ScopePayloads Scope = "payloads" // see what tasks carry and bring back
	ScopeEnqueue  Scope = "enqueue"  // submit tasks, and send signals
	ScopeOperate  Scope = "operate"  // steer what is there
	ScopeAdmin    Scope = "admin"    // everything, and keys
)

// NewAPIKey says what an API key is to be. Name and Scopes are required.
type NewAPIKey struct {
	Name      string    `json:"name"`
	Scopes    []Scope   `json:"scopes"`
	Namespace string    `json:"namespace,omitempty"` // made when it is new; default that of the key that makes it
	ExpiresAt time.Time `json:"expires_at,omitzero"` // default never
}

// APIKey is an API key.
type APIKey struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Scopes     []Scope   `json:"scopes"`
	Namespace  string    `json:"namespace"`
	Key        string    `json:"key,omitempty"` // the key itself, only in the answer to Create
	Prefix     string    `json:"prefix"`        // how it begins
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"`
	LastUsedAt time.Time `json:"last_used_at,omitzero"` // to about a minute
}

// Me is who asks.
type Me struct {
	Key       string   `json:"key,omitempty"` // id of the key, of one that is stored
	Name      string   `json:"name"`          // of the key; anybody where none is needed
	Namespace string   `json:"namespace"`
	Scopes    []Scope  `json:"scopes"`
	Features  []string `json:"features"` // what the server does besides: graph_runs, control
	Version   string   `json:"version"`  // of the server

	Paused      bool      `json:"paused"`                // everything is, in the namespace: see [Client.PauseAll]
	PausedSince time.Time `json:"paused_since,omitzero"` // zero = it is not
}

// APIKeys makes, lists and revokes API keys: [Client.APIKeys]. It takes a key with the scope
// admin. Of errors, repeats and concurrent use holds what [Client] says.
type APIKeys struct{ c *Client }

// Create makes an API key. It is in the answer, and nowhere else. It is not repeated: when
// the answer is lost, revoke what was made.
func (k APIKeys) Create(ctx context.Context, key NewAPIKey) (*APIKey, error) {
	var out APIKey
	if _, _, err := k.c.do(ctx, request{method: http.MethodPost, path: "/v1/api-keys", body: key}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// List lists the keys that were not revoked, oldest first: those of the namespace of the
// key that asks, and with one of the default namespace all.
func (k APIKeys) List(ctx context.Context) ([]APIKey, error) {
	var out struct {
		Items []APIKey `json:"items"`
	}
	_, _, err := k.c.do(ctx, request{method: http.MethodGet, path: "/v1/api-keys", again: true}, &out)
	return out.Items, err
}

// Revoke ends a key, on all nodes within a second. See [IsNotFound].
func (k APIKeys) Revoke(ctx context.Context, id string) error {
	_, _, err := k.c.do(ctx, request{method: http.MethodDelete, path: "/v1/api-keys/" + url.PathEscape(id)}, nil)
	return err
}

// Me returns who asks, and what that may do.
func (c *Client) Me(ctx context.Context) (*Me, error) {
	var out Me
	if _, _, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/me", again: true}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// AuditRecord is something that was done.
type AuditRecord struct {
	Seq    int64      `json:"seq"`
	At     time.Time  `json:"at"`
	By     AuditActor `json:"by"`
	Action string     `json:"action"` // id of the operation, such as cancel-task; refused for a request without a key that may
	Target string     `json:"target,omitempty"`
	Count  int64      `json:"count"`
	Result string     `json:"result"` // ok, or the status of the answer
	Reason string     `json:"reason,omitempty"`

	// Of a change of settings, as far as they differ: what was before, by the names of fields,
	// such as "retry.max_attempts", and what came after. nil where there was nothing, or is
	// nothing any more. Of what is long, and of what tasks carry, size and hash.
	Before map[string]any `json:"before,omitempty"`
	After  map[string]any `json:"after,omitempty"`

	Sealed bool `json:"sealed"` // it is part of the chain
}

// AuditActor is who did something.
type AuditActor struct {
	Key     string `json:"key,omitempty"`
	Name    string `json:"name,omitempty"`
	Address string `json:"address,omitempty"`
}

// AuditFilter selects records; what is zero selects all.
type AuditFilter struct {
	Actor         string // id or name of a key
	Action        string
	Target        string
	After, Before time.Time
}

// AuditState is how far the chain of the audit holds.
type AuditState struct {
	OK     bool   `json:"ok"`
	Rows   int    `json:"rows"`             // that were looked at
	Open   int    `json:"open"`             // of these, not sealed yet
	Head   string `json:"head,omitempty"`   // the last seal
	Broken int64  `json:"broken,omitempty"` // the first row that is not as it was
	Why    string `json:"why,omitempty"`
}

// Audit lists what operators did: [Client.Audit]. It takes a key with the scope admin. Of
// errors, repeats and concurrent use holds what [Client] says.
type Audit struct{ c *Client }

// List goes through the audit, newest first, and fetches page by page. The first error
// ends it.
func (a Audit) List(ctx context.Context, f AuditFilter) iter.Seq2[AuditRecord, error] {
	q := url.Values{}
	for name, value := range map[string]string{"actor": f.Actor, "action": f.Action, "target": f.Target} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"after": f.After, "before": f.Before} {
		if !at.IsZero() {
			q.Set(name, at.Format(time.RFC3339Nano))
		}
	}
	return pages[AuditRecord](ctx, a.c, "/v1/audit", q, 0)
}

// Verify has the server look through the whole audit for a row that was changed, added or
// taken away.
func (a Audit) Verify(ctx context.Context) (*AuditState, error) {
	var out AuditState
	if _, _, err := a.c.do(ctx, request{method: http.MethodGet, path: "/v1/audit/chain", again: true}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Quota is what a namespace may use. A zero field is any amount.
type Quota struct {
	Rate  string `json:"rate,omitempty"`  // of submissions, on each node: "100/s"
	Burst int    `json:"burst,omitempty"` // so many may come at once; default those of a second
	Tasks int64  `json:"tasks,omitempty"` // that have not ended, or have failed and are kept

	Bytes     int64 `json:"bytes,omitempty"`     // payloads of all tasks that are stored
	Schedules int64 `json:"schedules,omitempty"` // that are stored
}

// Namespace is a namespace, and what it may use.
type Namespace struct {
	Name      string    `json:"name"`
	Quota     Quota     `json:"quota"`
	CreatedAt time.Time `json:"created_at,omitzero"` // zero for the default one
}

// Namespaces lists namespaces and sets what they may use: [Client.Namespaces]. It takes a
// key of the default namespace with the scope admin. Of errors, repeats and concurrent use
// holds what [Client] says.
type Namespaces struct{ c *Client }

// List lists the namespaces by name.
func (n Namespaces) List(ctx context.Context) ([]Namespace, error) {
	var out struct {
		Items []Namespace `json:"items"`
	}
	_, _, err := n.c.do(ctx, request{method: http.MethodGet, path: "/v1/namespaces", again: true}, &out)
	return out.Items, err
}

// Set replaces what a namespace may use. It is made when it is new. It may be repeated.
func (n Namespaces) Set(ctx context.Context, name string, quota Quota) (*Namespace, error) {
	var out Namespace
	if _, _, err := n.c.do(ctx, request{method: http.MethodPut, path: "/v1/namespaces/" + url.PathEscape(name), body: quota, again: true}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}
