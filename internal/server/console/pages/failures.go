package pages

import (
	"cmp"
	"net/url"
	"time"

	"github.com/sendoff-dev/sendoff"
)

// Failure is the page of a group of failures.
type Failure struct {
	Group sendoff.FailureGroup
	Tasks []sendoff.Task // that failed last
	More  bool
}

// mutes are how long a group can be muted: what the API takes, and what people read.
var mutes = [][2]string{{"1h", "an hour"}, {"8h", "8 hours"}, {"24h", "a day"}, {"168h", "a week"}}

// Muted tells whether somebody knows of a group already.
func Muted(g *sendoff.FailureGroup) bool { return g.MutedUntil.After(time.Now()) }

// failureName is what a group is called by people.
func failureName(g *sendoff.FailureGroup) string {
	switch {
	case g.Text != "":
		return line(g.Text)
	case g.Code != "":
		return "failed with " + g.Code
	}
	return cmp.Or(g.Target, "an error without a text")
}

// ofFailure selects the tasks of a group.
func ofFailure(g *sendoff.FailureGroup) url.Values { return url.Values{"failure": {g.ID}} }
