package process

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsAllowedIsSoInBothSpellings(t *testing.T) {
	for _, c := range []struct {
		allow, target string
		want          bool
	}{
		{"jobs", "jobs.thumbnail", true},
		{"jobs", "jobs:thumbnail", true},
		{"jobs", "jobs.images:thumbnail", true},
		{"jobs.*", "jobs:thumbnail", true},
		{"jobs:thumbnail", "jobs.thumbnail", true},
		{"jobs.thumbnail", "jobs:thumbnail", true},
		{"jobs", "jobsite:run", false},
		{"jobs", "os:system", false},
		{"jobs.thumbnail", "jobs:other", false},
		{"jobs", "lambda: jobs", false},
		{"*", "os:system", true},
	} {
		got := (&Config{Allow: []string{c.allow}}).Allows(c.target)
		require.Equal(t, c.want, got, "%s of %s", c.target, c.allow)
	}
}
