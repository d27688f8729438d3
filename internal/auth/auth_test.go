package auth_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/auth"
)

func TestScopesAreReadAndWritten(t *testing.T) {
	set, err := auth.ParseScope([]string{"operate", "read"})
	require.NoError(t, err)
	require.Equal(t, []string{"read", "operate"}, set.Names())
	all, err := auth.ParseScope(auth.Scopes())
	require.NoError(t, err)
	require.Equal(t, all, all.Keyed())
	require.Equal(t, auth.Admin, (auth.Admin | auth.Whole | auth.AnyKey | auth.Public).Keyed())
	_, err = auth.ParseScope([]string{"root"})
	require.ErrorContains(t, err, `"root" is no scope: want one of read, payloads, enqueue, operate, admin`)
}

func TestTheProgramItselfMayDoEverything(t *testing.T) {
	ctx := context.Background()
	require.True(t, auth.May(ctx, auth.Admin))
	require.Zero(t, auth.Namespace(ctx))
	ctx = auth.With(ctx, &auth.Principal{NamespaceID: 7, Scopes: auth.Read})
	require.True(t, auth.May(ctx, auth.Read))
	require.False(t, auth.May(ctx, auth.Payloads))
	require.EqualValues(t, 7, auth.Namespace(ctx))
}
