package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/task"
)

// SigningKeys are the keys that sign what the server sends.
type SigningKeys interface {
	List() []httpsig.Key
	Shared() bool
	Rotate(ctx context.Context, r httpsig.Rotation) (httpsig.Key, error)
}

// SigningKey is a key in an answer. It holds nothing secret.
type SigningKey struct {
	ID         string           `json:"id" doc:"Its thumbprint (RFC 7638), as in the keyid of signatures."`
	State      httpsig.KeyState `json:"state" enum:"next,signs,verifies" doc:"next: published, to sign later; signs: the one that signs; verifies: published, so that what it has signed is accepted."`
	PublicKey  string           `json:"public_key" doc:"Ed25519, base64."`
	WebhookKey string           `json:"webhook_key" doc:"What verifies its signatures of Standard Webhooks v1a: whpk_..."`
	CreatedAt  string           `json:"created_at"`
	SignsAt    string           `json:"signs_at,omitempty" doc:"From when on it signs; absent: from the start."`
	EndsAt     string           `json:"ends_at,omitempty" doc:"When it is published no more; absent: not before another one is made."`
}

// SigningKeyList is the answer of GET /v1/signing-keys, the key that signs first.
type SigningKeyList struct {
	Items  []SigningKey `json:"items"`
	KeptIn string       `json:"kept_in" enum:"database,file,nowhere" doc:"database: shared by all nodes, sealed; file: of this node; nowhere: nothing is signed."`
}

type signingKeysReply struct{ Body SigningKeyList }

// RotateRequest is the body of POST /v1/signing-keys/rotate, which may be empty.
type RotateRequest struct {
	Grace   *string `json:"grace,omitempty" default:"10m" doc:"Until the new key signs; it is published at once."`
	Keep    *string `json:"keep,omitempty" default:"24h" doc:"How long the keys before are published from then on."`
	Webhook bool    `json:"webhook,omitempty" doc:"Make a new secret for Standard Webhooks v1 as well: it signs at once, and the one before beside it for keep."`
}

// maxRotation is the longest grace and the longest keep.
const maxRotation = 365 * 24 * time.Hour

func mountSigningKeys(mux *route.Mux, api huma.API, keys SigningKeys, refuse func(http.ResponseWriter, *problem.Problem)) {
	getWith(api, auth.Read|auth.Whole, "/v1/signing-keys", "list-signing-keys", "List the public keys that verify what this server sends, the one that signs first",
		func(context.Context, *struct{}) (*signingKeysReply, error) {
			return &signingKeysReply{signingKeysView(keys)}, nil
		})
	mux.HandleFunc(auth.Admin|auth.Whole, "POST /v1/signing-keys/rotate", byHand(refuse, func(w http.ResponseWriter, r *http.Request) (int, any, *problem.Problem) {
		made, fault := rotate(w, r, keys)
		return http.StatusOK, made, fault
	}))
	op := operation(auth.Admin|auth.Whole, http.MethodPost, "/v1/signing-keys/rotate", "rotate-signing-keys",
		"Make a new key that signs after a grace, on all nodes; those before it go on verifying for a while", http.StatusOK)
	describe[RotateRequest, SigningKey](api.OpenAPI(), &op, "200", "400", "401", "403", "408", "409", "413", "415", "422", "503")
	op.RequestBody.Required = false
}

func rotate(w http.ResponseWriter, r *http.Request, keys SigningKeys) (SigningKey, *problem.Problem) {
	var req RotateRequest
	if fault := readTold(w, r, maxSettings, &req); fault != nil {
		return SigningKey{}, fault
	}
	var bad task.Invalid
	rotation := httpsig.Rotation{
		Grace: spanOr(&bad, "grace", req.Grace, httpsig.DefaultGrace), Keep: spanOr(&bad, "keep", req.Keep, httpsig.DefaultKeep), Webhook: req.Webhook,
	}
	if len(bad) > 0 {
		return SigningKey{}, invalidProblem(bad)
	}
	if keys == nil {
		return SigningKey{}, problem.New(http.StatusConflict, "state_conflict", "this server signs nothing (--unsigned): there is no key to rotate")
	}
	made, err := keys.Rotate(r.Context(), rotation)
	if err != nil {
		return SigningKey{}, problemOf(err)
	}
	return signingKeyView(&made), nil
}

func spanOr(bad *task.Invalid, field string, text *string, otherwise time.Duration) time.Duration {
	if text == nil {
		return otherwise
	}
	d, err := time.ParseDuration(*text)
	if err != nil || d < 0 || d > maxRotation {
		bad.Add(field, "is %q: want a duration of 0s to 8760h, such as %q", *text, otherwise.String())
	}
	return d
}

func signingKeysView(keys SigningKeys) SigningKeyList {
	out := SigningKeyList{Items: []SigningKey{}, KeptIn: "nowhere"}
	if keys == nil {
		return out
	}
	if out.KeptIn = "file"; keys.Shared() {
		out.KeptIn = "database"
	}
	for _, k := range keys.List() {
		out.Items = append(out.Items, signingKeyView(&k))
	}
	return out
}

func signingKeyView(k *httpsig.Key) SigningKey {
	return SigningKey{
		ID: k.ID, State: k.State, PublicKey: base64.StdEncoding.EncodeToString(k.Public), WebhookKey: k.Webhook,
		CreatedAt: moment(k.Created), SignsAt: moment(k.Signs), EndsAt: moment(k.Ends),
	}
}

func moment(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}
