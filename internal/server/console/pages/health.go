package pages

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"github.com/sendoff-dev/sendoff"
)

// worst are the results of checks, those to look at first.
var worst = []sendoff.HealthStatus{sendoff.HealthFail, sendoff.HealthWarn, sendoff.HealthOK, sendoff.HealthSkip}

// ordered are checks with those first that found something.
func ordered(checks []sendoff.HealthCheck) []sendoff.HealthCheck {
	out := slices.Clone(checks)
	slices.SortStableFunc(out, func(a, b sendoff.HealthCheck) int {
		return slices.Index(worst, a.Status) - slices.Index(worst, b.Status)
	})
	return out
}

// SigningKeys are the keys that sign, the one that does first.
type SigningKeys struct {
	Items  []sendoff.SigningKey `json:"items"`
	KeptIn string               `json:"kept_in"`
}

// where says where they are kept.
func (k *SigningKeys) where() string {
	if k.KeptIn == "database" {
		return "of all nodes, sealed in the database"
	}
	return "of this node, in a file"
}

func healthWords(h *sendoff.Health) string {
	var parts []string
	for _, of := range []struct {
		n    int
		what string
	}{{h.Summary.Warn, "warn"}, {h.Summary.OK, "ok"}, {h.Summary.Skip, "skip"}} {
		if of.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", of.n, of.what))
		}
	}
	return strings.Join(parts, ", ")
}

func healthClass(s sendoff.HealthStatus) string {
	return map[sendoff.HealthStatus]string{sendoff.HealthFail: "s-failed", sendoff.HealthWarn: "s-blocked", sendoff.HealthOK: "s-succeeded"}[s]
}

func healthIcon(s sendoff.HealthStatus) string {
	return map[sendoff.HealthStatus]string{sendoff.HealthFail: "✕", sendoff.HealthWarn: "!", sendoff.HealthOK: "✓", sendoff.HealthSkip: "–"}[s]
}

// viewLink is the address of a saved view: a page of this server, whatever was saved.
func viewLink(v *sendoff.View) templ.SafeURL {
	return templ.SafeURL((&url.URL{Path: "/" + strings.TrimLeft(v.Path, "/"), RawQuery: v.Query}).String())
}
