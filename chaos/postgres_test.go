//go:build linux

package chaos_test

import (
	"testing"

	"github.com/sendoff-dev/sendoff/internal/testkit"
)

// postgres returns the URL of a migrated database.
func postgres(t *testing.T) string {
	t.Helper()
	return testkit.Postgres(t)
}
