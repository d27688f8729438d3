package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Keys makes API keys and revokes them.
type Keys interface {
	Create(ctx context.Context, k operate.NewKey) (operate.Key, error)
	List(ctx context.Context) ([]operate.Key, error)
	Revoke(ctx context.Context, id string) error
	Namespaces(ctx context.Context) ([]operate.Namespace, error)
	SetQuota(ctx context.Context, name string, quota store.Quota) (operate.Namespace, error)
}

// NewKey is the body of POST /v1/api-keys.
type NewKey struct {
	Name      string   `json:"name" doc:"What it is for, in at most 200 bytes." example:"billing"`
	Scopes    []string `json:"scopes" enum:"read,payloads,enqueue,operate,admin" doc:"What it may do; admin is everything, the others do not include each other."`
	Namespace string   `json:"namespace,omitempty" doc:"What it sees; made when it is new. Default that of the key that makes it."`
	ExpiresAt string   `json:"expires_at,omitempty" doc:"RFC 3339; default never."`
}

// Key is a key in an answer.
type Key struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Scopes     []string `json:"scopes"`
	Namespace  string   `json:"namespace"`
	Key        string   `json:"key,omitempty" doc:"The key itself: only in the answer that it is made with."`
	Prefix     string   `json:"prefix" doc:"How it begins."`
	CreatedAt  string   `json:"created_at"`
	ExpiresAt  string   `json:"expires_at,omitempty"`
	LastUsedAt string   `json:"last_used_at,omitempty" doc:"To about a minute."`
}

// Me is who asks.
type Me struct {
	Key       string   `json:"key,omitempty" doc:"Id of the key, of one that is stored."`
	Name      string   `json:"name" doc:"Of the key; anybody where none is needed."`
	Namespace string   `json:"namespace"`
	Scopes    []string `json:"scopes"`
	Features  []string `json:"features" doc:"What this server does besides: graph_runs, control."`
	Version   string   `json:"version"`

	Paused      bool   `json:"paused" doc:"Everything is paused in the namespace."`
	PausedSince string `json:"paused_since,omitempty" format:"date-time" doc:"Since when it is."`
}

type apiKeysReply struct {
	Body struct {
		Items []Key `json:"items"`
	}
}

type apiKeyInput struct {
	ID string `path:"id" doc:"Id of the key."`
}

type meReply struct{ Body Me }

func mountKeys(mux *route.Mux, api huma.API, cfg *Config, refuse func(http.ResponseWriter, *problem.Problem)) {
	mux.HandleFunc(auth.Admin, "POST /v1/api-keys", byHand(refuse, func(w http.ResponseWriter, r *http.Request) (int, any, *problem.Problem) {
		made, fault := createKey(w, r, cfg.Keys)
		if fault == nil {
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("Location", "/v1/api-keys/"+made.ID)
		}
		return http.StatusCreated, made, fault
	}))
	create := operation(auth.Admin, http.MethodPost, "/v1/api-keys", "create-api-key", "Make an API key, and see it this once", http.StatusCreated)
	describe[NewKey, Key](api.OpenAPI(), &create, "201", "400", "401", "403", "408", "413", "415", "422", "503")
	getWith(api, auth.Admin, "/v1/api-keys", "list-api-keys", "List the API keys that hold, oldest first", func(ctx context.Context, _ *struct{}) (*apiKeysReply, error) {
		keys, err := cfg.Keys.List(ctx)
		if err != nil {
			return nil, problemOf(err)
		}
		out := &apiKeysReply{}
		out.Body.Items = make([]Key, len(keys))
		for i := range keys {
			out.Body.Items[i] = apiKeyView(&keys[i])
		}
		return out, nil
	})
	huma.Register(api, operation(auth.Admin, http.MethodDelete, "/v1/api-keys/{id}", "revoke-api-key", "End an API key, on all nodes within a second", http.StatusNoContent),
		func(ctx context.Context, in *apiKeyInput) (*struct{}, error) {
			if err := cfg.Keys.Revoke(ctx, in.ID); err != nil {
				return nil, problemOf(err)
			}
			return nil, nil
		})
	mountNamespaces(mux, api, cfg.Keys, refuse)
	getWith(api, auth.AnyKey, "/v1/me", "get-me", "Get who asks, and what that may do", func(ctx context.Context, _ *struct{}) (*meReply, error) {
		return &meReply{meView(ctx, cfg)}, nil
	})
}

func createKey(w http.ResponseWriter, r *http.Request, keys Keys) (made Key, fault *problem.Problem) {
	req, _, fault := readAs[NewKey](w, r, maxSettings)
	if fault != nil {
		return Key{}, fault
	}
	var bad task.Invalid
	k := operate.NewKey{Name: req.Name, Scopes: req.Scopes, Namespace: req.Namespace, ExpiresAt: timeOf(&bad, "expires_at", req.ExpiresAt)}
	if len(bad) > 0 {
		return Key{}, invalidProblem(bad)
	}
	key, err := keys.Create(r.Context(), k)
	if err != nil {
		return Key{}, problemOf(err)
	}
	return apiKeyView(&key), nil
}

func apiKeyView(k *operate.Key) Key {
	return Key{
		ID: k.ID, Name: k.Name, Scopes: auth.Scope(k.Scopes).Names(), Namespace: k.Namespace, Key: k.Text, Prefix: k.Prefix,
		CreatedAt: timeText(k.CreatedAt), ExpiresAt: timeText(k.ExpiresAt), LastUsedAt: timeText(k.LastUsedAt),
	}
}

func meView(ctx context.Context, cfg *Config) Me {
	p := auth.From(ctx)
	if p == nil { // the program itself
		all := auth.Anybody()
		p = &all
	}
	me := Me{Key: p.KeyID, Name: p.Name, Namespace: p.Namespace, Scopes: p.Scopes.Names(), Version: cfg.Version, Features: []string{}}
	if cfg.GraphRuns != nil {
		me.Features = append(me.Features, "graph_runs")
	}
	if cfg.Control != nil {
		me.Features = append(me.Features, "control")
	}
	all := cfg.Queues.Everything(ctx)
	me.Paused, me.PausedSince = all.Paused, timeText(all.Since)
	return me
}
