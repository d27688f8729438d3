package sendoff

import (
	"context"
	"net/http"
	"time"
)

// Health is what was found of a server and its database, by the checks of sendoff doctor.
type Health struct {
	OK       bool          `json:"ok"` // no check failed
	At       time.Time     `json:"at"` // when the database was looked over
	Version  string        `json:"version"`
	Database string        `json:"database"` // sqlite or postgres; "" when nobody looked it over
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

// HealthStatus is how a check ended.
type HealthStatus string

// What a check says.
const (
	HealthOK   HealthStatus = "ok"
	HealthWarn HealthStatus = "warn" // it works, and somebody should know
	HealthFail HealthStatus = "fail" // tasks are lost, late or in danger
	HealthSkip HealthStatus = "skip" // it says nothing about this database, or takes too long beside a server
)

// HealthCheck is what was found of one thing.
type HealthCheck struct {
	Name       string       `json:"name"`
	Status     HealthStatus `json:"status"`
	Detail     string       `json:"detail"`     // what was found
	Fix        string       `json:"fix"`        // what to do about it; "" when there is nothing to do
	Repairable bool         `json:"repairable"` // sendoff doctor --repair does it
	Repaired   bool         `json:"repaired"`   // it did
	Duration   string       `json:"duration"`   // that the check took
}

// Health looks the server and its database over. A check that fails is no error: see
// Health.OK.
func (c *Client) Health(ctx context.Context) (*Health, error) {
	var out Health
	r := request{method: http.MethodGet, path: "/v1/health", also: http.StatusServiceUnavailable}
	if _, _, err := c.do(ctx, r, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

func (h *Health) complete() bool { return len(h.Checks) > 0 }
