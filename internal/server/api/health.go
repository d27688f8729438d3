package api

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/store"
)

// Healths looks over what the node stands on.
type Healths interface {
	Look(ctx context.Context) (store.Health, error)
}

// Health is what was found of the node that answers and of its database.
type Health struct {
	OK       bool          `json:"ok" doc:"No check failed; there may be warnings."`
	At       string        `json:"at" doc:"When the database was looked over: it is not done again with each request."`
	Version  string        `json:"version" doc:"Of the node."`
	Database string        `json:"database" doc:"sqlite or postgres; empty when nobody looked it over."`
	Summary  HealthSummary `json:"summary"`
	Checks   []HealthCheck `json:"checks"`
}

// HealthSummary is how many checks ended how.
type HealthSummary struct {
	OK   int `json:"ok"`
	Warn int `json:"warn"`
	Fail int `json:"fail"`
	Skip int `json:"skip"`
}

// HealthCheck is what was found of one thing.
type HealthCheck struct {
	Name       string `json:"name"`
	Status     string `json:"status" enum:"ok,warn,fail,skip" doc:"warn: it works, and somebody should know; fail: tasks are lost, late or in danger; skip: it says nothing about this database, or takes too long beside a server."`
	Detail     string `json:"detail" doc:"What was found."`
	Fix        string `json:"fix" doc:"What to do about it."`
	Repairable bool   `json:"repairable" doc:"sendoff doctor --repair does it."`
	Repaired   bool   `json:"repaired" doc:"Never by a server."`
	Duration   string `json:"duration" doc:"That the check took."`
}

type healthReply struct {
	Status int
	Body   Health
}

func mountHealth(api huma.API, cfg *Config) {
	op := operation(auth.Read|auth.Whole, http.MethodGet, "/v1/health", "get-health",
		"Look over the node that answers and its database, as sendoff doctor does: 200, or 503 with the same body when a check fails", http.StatusOK)
	op.Errors = []int{http.StatusServiceUnavailable}
	huma.Register(api, op, func(ctx context.Context, _ *struct{}) (*healthReply, error) {
		found, err := cfg.Health.Look(ctx)
		if err != nil {
			return nil, problemOf(err)
		}
		out := &healthReply{http.StatusOK, healthView(&found, cfg.Version)}
		if !out.Body.OK {
			out.Status = http.StatusServiceUnavailable
		}
		return out, nil
	})
}

// describeHealth adds to the document that the answer is the same when a check fails.
func describeHealth(doc *huma.OpenAPI) {
	health := doc.Components.Schemas.Schema(reflect.TypeFor[Health](), true, "")
	failed := doc.Paths["/v1/health"].Get.Responses["503"]
	failed.Description = "A check failed; a problem when there is nothing to say of them."
	failed.Content["application/json"] = &huma.MediaType{Schema: health}
}

func healthView(h *store.Health, version string) Health {
	v := Health{
		OK: h.Count(store.CheckFail) == 0, At: timeText(h.At.UnixMicro()), Version: version, Database: h.Database,
		Summary: HealthSummary{h.Count(store.CheckOK), h.Count(store.CheckWarn), h.Count(store.CheckFail), h.Count(store.CheckSkip)},
	}
	for i := range h.Checks {
		c := &h.Checks[i]
		v.Checks = append(v.Checks, HealthCheck{c.Name, string(c.Status), c.Detail, c.Fix, c.Repairable, c.Repaired, c.Duration.Round(time.Microsecond).String()})
	}
	return v
}
