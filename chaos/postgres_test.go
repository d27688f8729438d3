//go:build linux

package chaos_test

import "testing"

func postgres(t testing.TB) string {
	t.Helper()
	t.Skip("no PostgreSQL test kit yet")
	return ""
}
